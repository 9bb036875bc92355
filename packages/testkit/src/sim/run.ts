// Owns: one run: a whole bad day of a cluster from one seed, judged after each step; then
// everything heals and must go on.

import { EntitlementProbe, LIES } from "./entitlement-probe.ts";
import { FAULTS_TO_MS, type FaultPlan } from "./faults.ts";
import { judgeDeploy, judgeStep, leftOver, missing } from "./judge.ts";
import { judgeStreams } from "./publish-oracle.ts";
import type { SimClient } from "./sim-client.ts";
import { heal, strike } from "./strike.ts";
import type { Violation } from "./verdict.ts";
import { HEARD_CHANNEL, SIM_CHANNELS, type Workload } from "./workload.ts";
import { createWorld, type RunOptions, type World } from "./world.ts";

/** What a simulated run did and which rules it broke. The same seed gives the same result. */
export interface RunResult {
  readonly seed: number;
  readonly plan: FaultPlan;
  readonly workload: Workload;
  readonly violations: readonly Violation[];
  /** Of everything that happened. */
  readonly hash: string;
  readonly lastEvents: readonly string[];
  readonly events: number;
  readonly simulatedMs: number;
  /** What happened, to show that runs do something. */
  readonly counts: {
    readonly messages: number;
    readonly gaps: number;
    readonly published: number;
    readonly notPublished: number;
    readonly reconnects: number;
    readonly migrations: number;
    readonly duplicates: number;
    readonly drains: number;
  };
}

const HEAL_MS = FAULTS_TO_MS + 1000;
const QUIET_AFTER_MS = 2500;
const PROGRESS_WITHIN_MS = 75_000;
const EMPTY_WITHIN_MS = 30_000;
const LOOK_MS = 250;
const EVENTS_MAX = 2_000_000;
const RETRY_MS = 100;
/** What a probe of what was missed takes. */
const PROBE_MS = 1000;

/** Plays the seed. Never throws for what the engines do: a violation says it. */
export function runSeed(seed: number, options: RunOptions): RunResult {
  const run = new Run(seed, options);
  run.play();
  return run.result();
}

class Run {
  readonly #seed: number;
  readonly #world: World;
  /** Publishes of the end that are not answered. */
  #lastOpen = 0;

  constructor(seed: number, options: RunOptions) {
    this.#seed = seed;
    this.#world = createWorld(seed, options);
    const { plan, fate, hostiles } = this.#world;
    if (hostiles.clients.length > 0) this.#judgeHostiles();
    for (const [index, fault] of plan.faults.entries()) {
      if (options.only === undefined || options.only.includes(index))
        fate.at(fault.atMs, () => strike(fault, this.#world));
    }
  }

  play(): void {
    try {
      if (this.#until(HEAL_MS)) this.#healAndFinish();
    } catch (error) {
      this.#world.verdict.broken(
        "bug",
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
    }
  }

  result(): RunResult {
    const { plan, workload, verdict, trace, loop, clients, cluster } = this.#world;
    const sum = (pick: (client: SimClient) => number): number =>
      clients.reduce((total, client) => total + pick(client), 0);
    const streams = (client: SimClient) => [...client.streams.values()];
    return {
      seed: this.#seed,
      plan,
      workload,
      violations: verdict.violations,
      hash: trace.hash(),
      lastEvents: trace.last(),
      events: loop.events,
      simulatedMs: loop.nowMs,
      counts: {
        messages: sum((client) =>
          streams(client).reduce((total, { messages }) => total + messages, 0),
        ),
        gaps: sum((client) => streams(client).reduce((total, { gaps }) => total + gaps, 0)),
        published: sum(({ publishes }) => publishes.acknowledgements),
        notPublished: sum(({ publishes }) => publishes.failures.length),
        reconnects: sum(({ stats }) => stats.reconnects),
        migrations: sum(({ stats }) => stats.migrations),
        duplicates: sum(({ stats }) => stats.duplicates),
        drains: cluster.drains,
      },
    };
  }

  #healAndFinish(): void {
    const { clients, truth, verdict } = this.#world;
    heal(this.#world);
    if (!this.#until(HEAL_MS + QUIET_AFTER_MS / 2)) return;
    // A publication that was lost on its way to a node is missed when the next one comes: let there
    // be one in each channel.
    const heard = LIES.map((lie) => new EntitlementProbe(this.#world, lie));
    for (const probe of heard) probe.begin();
    if (!this.#until(HEAL_MS + QUIET_AFTER_MS / 2 + PROBE_MS)) return;
    this.#publishLast(HEARD_CHANNEL, undefined);
    for (const { name, cls } of SIM_CHANNELS)
      this.#publishLast(name, cls === "latest" ? "last" : undefined);
    if (!this.#until(HEAL_MS + QUIET_AFTER_MS)) return;
    for (const client of clients) client.quiet = true;
    const lacking = (): string | undefined =>
      this.#lastOpen > 0 ? "a last publication is not published" : missing(this.#world);
    if (!this.#within(PROGRESS_WITHIN_MS, lacking, "progress")) return;
    for (const probe of heard) probe.resume();
    if (!this.#until(this.#world.loop.nowMs + PROBE_MS)) return;
    for (const probe of heard) probe.judge();
    judgeDeploy(this.#world);
    this.#world.cluster.orders.judge(this.#world.cluster.nodes());
    judgeStreams(
      truth,
      verdict,
      new Map(clients.map(({ plan, publishes }) => [plan.name, publishes])),
    );
    if (verdict.guilty) return;
    for (const client of [...clients, ...this.#world.hostiles.clients]) client.close();
    this.#within(EMPTY_WITHIN_MS, () => leftOver(this.#world), "H4");
  }

  /** Often: connections that have ended are forgotten. */
  #judgeHostiles(): void {
    const { fate, hostiles, cluster } = this.#world;
    fate.at(LOOK_MS, () => {
      hostiles.judge(cluster.nodes());
      this.#judgeHostiles();
    });
  }

  #publishLast(channel: string, key: string | undefined): void {
    const { cluster, fate } = this.#world;
    const node = cluster.nodes().find(({ engine }) => engine.state === "ready");
    const retry = (): void => fate.at(RETRY_MS, () => this.#publishLast(channel, key));
    if (node === undefined) return retry();
    const payload = { kind: "json", text: JSON.stringify({ id: `world in ${channel}` }) } as const;
    const request = {
      payload,
      idempotencyKey: `last in ${channel}`,
      ...(key === undefined ? {} : { key }),
    };
    this.#lastOpen += 1;
    void node.engine.publish(channel, request).then((outcome) => {
      this.#lastOpen -= 1;
      if (!outcome.ok) retry();
    });
  }

  /** Runs until then; false when something was broken. */
  #until(untilMs: number): boolean {
    this.#world.loop.run(untilMs, {
      after: () => !this.#world.verdict.guilty,
      eventsMax: EVENTS_MAX,
    });
    judgeStep(this.#world);
    return !this.#world.verdict.guilty;
  }

  /** Runs until nothing is left of what `lacking` names; a violation when that takes too long. */
  #within(limitMs: number, lacking: () => string | undefined, rule: "progress" | "H4"): boolean {
    const endMs = this.#world.loop.nowMs + limitMs;
    for (;;) {
      if (!this.#until(this.#world.loop.nowMs + LOOK_MS)) return false;
      const found = lacking();
      if (found === undefined) return true;
      if (this.#world.loop.nowMs < endMs) continue;
      this.#world.verdict.broken(
        rule,
        `${limitMs} ms after ${rule === "H4" ? "everyone left" : "everything healed"}: ${found}`,
      );
      return false;
    }
  }
}
