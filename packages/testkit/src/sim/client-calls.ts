// Owns: a simulated client's calls and reads of history, and judging their answers.
import { type ClientEngine, HoldfastError } from "@holdfast/client/engine";
import type { SeededRandom } from "@holdfast/core";
import type { BrokerTruth } from "./broker-truth.ts";
import { dataText, short } from "./data.ts";
import { drawData } from "./drawn-data.ts";
import { judgeHistory } from "./history-oracle.ts";
import type { Verdict } from "./verdict.ts";
import { type ClientPlan, SIM_CHANNELS } from "./workload.ts";

const CALL_TIMEOUT_MS = 60_000;

interface CallOptions {
  readonly plan: ClientPlan;
  readonly engine: ClientEngine;
  readonly random: SeededRandom;
  /** Draws data alone. */
  readonly data: SeededRandom;
  readonly truth: BrokerTruth;
  readonly verdict: Verdict;
}

export class ClientCalls {
  readonly #options: CallOptions;
  /** Those without an answer. */
  open = 0;

  constructor(options: CallOptions) {
    this.#options = options;
  }

  /** What is echoed is the same data, or nothing for nothing. */
  echo(): void {
    const { engine, verdict, plan, data: random } = this.#options;
    const data = random.chance(0.1) ? undefined : drawData(random);
    this.open += 1;
    engine.calls.start(
      { t: "rpc", m: "echo", ...(data === undefined ? {} : { data }) },
      { timeoutMs: CALL_TIMEOUT_MS, repeatable: true, name: "call echo" },
      (result) => {
        this.open -= 1;
        if (result instanceof HoldfastError) return;
        const echoed = result.t === "ok" ? textOf(result.data) : result.t;
        if (echoed === textOf(data)) return;
        const told = `${short(textOf(data))} and got ${short(echoed)}`;
        verdict.broken("data", `${plan.name} called echo with ${told}`);
      },
    );
  }

  history(): void {
    const { engine, truth, verdict, random, plan } = this.#options;
    const channel = random.pick(
      SIM_CHANNELS.filter(
        ({ cls, name }) => cls !== "volatile" && (plan.trusted || !name.startsWith("secret:")),
      ),
    );
    const limit = 1 + random.int(20);
    this.open += 1;
    engine.calls.start(
      { t: "history", ch: channel.name, limit },
      { timeoutMs: CALL_TIMEOUT_MS, repeatable: true, name: "read history" },
      (result) => {
        this.open -= 1;
        if (result instanceof HoldfastError || result.t !== "history") return;
        judgeHistory(result, { who: plan.name, channel, limit, truth, verdict });
      },
    );
  }
}

const textOf = (value: unknown): string => (value === undefined ? "" : dataText(value));
