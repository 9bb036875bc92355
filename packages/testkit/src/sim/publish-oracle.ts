// Owns: judging one publisher's publishes (H3): what was acknowledged is in the stream where it was
// said to be.
import type { Position } from "@holdfast/protocol";
import type { BrokerTruth } from "./broker-truth.ts";
import { payloadKey, valueKey } from "./data.ts";
import type { Verdict } from "./verdict.ts";

export interface Publish {
  readonly channel: string;
  readonly key: string;
  settled: boolean;
}

export class PublishOracle {
  readonly #options: {
    readonly who: string;
    readonly truth: BrokerTruth;
    readonly verdict: Verdict;
  };
  /** Publishes that are neither acknowledged nor given up. */
  waiting = 0;
  acknowledgements = 0;
  /** Codes of those that were not published. */
  readonly failures: string[] = [];

  constructor(options: {
    readonly who: string;
    readonly truth: BrokerTruth;
    readonly verdict: Verdict;
  }) {
    this.#options = options;
  }

  begin(channel: string, data: unknown): Publish {
    this.waiting += 1;
    return { channel, key: valueKey(data), settled: false };
  }

  acknowledged(publish: Publish, position: Position): void {
    this.#settle(publish);
    this.acknowledgements += 1;
    const { who, truth, verdict } = this.#options;
    const taken = truth.at(publish.channel, position);
    const here = `${publish.channel} ${position.epoch} ${position.offset}`;
    if (taken === undefined)
      verdict.broken("H3", `${who} was told that ${publish.key} is at ${here}; nothing is there`);
    else if (payloadKey(taken.payload) !== publish.key) {
      verdict.broken(
        "H3",
        `${who} was told that ${publish.key} is at ${here}; ${payloadKey(taken.payload)} is`,
      );
    }
  }

  failed(publish: Publish, code: string): void {
    this.#settle(publish);
    this.failures.push(code);
  }

  /** The client is closed: nobody waits any more. */
  abandon(): void {
    this.waiting = 0;
  }

  #settle(publish: Publish): void {
    if (publish.settled)
      this.#options.verdict.broken(
        "H3",
        `${this.#options.who} was answered twice for ${publish.key}`,
      );
    publish.settled = true;
    this.waiting = Math.max(0, this.waiting - 1);
  }
}

/** No publish is twice in one life of a stream, whoever repeated it. */
export function judgeStreams(truth: BrokerTruth, verdict: Verdict): void {
  for (const channel of truth.channels()) {
    for (const { epoch, publications } of truth.lives(channel)) {
      const seen = new Map<string, number>();
      for (const { offset, payload } of publications) {
        const key = payloadKey(payload);
        const before = seen.get(key);
        if (before !== undefined)
          verdict.broken("H3", `${key} is in ${channel} ${epoch} twice: ${before} and ${offset}`);
        seen.set(key, offset);
      }
    }
  }
}
