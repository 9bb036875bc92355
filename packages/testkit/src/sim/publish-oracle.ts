// Owns: judging one publisher's publishes (H3): what was acknowledged is in the stream where it was
// said to be.
import type { Position } from "@holdfast/protocol";
import type { BrokerTruth } from "./broker-truth.ts";
import { dataText, isNameless, short } from "./data.ts";
import type { Verdict } from "./verdict.ts";

export interface Publish {
  readonly channel: string;
  /** The data, as `dataText` writes it. */
  readonly text: string;
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
  /** Everything that was ever given to publish. */
  readonly #texts = new Set<string>();

  constructor(options: {
    readonly who: string;
    readonly truth: BrokerTruth;
    readonly verdict: Verdict;
  }) {
    this.#options = options;
  }

  begin(channel: string, data: unknown): Publish {
    this.waiting += 1;
    const text = dataText(data);
    this.#texts.add(text);
    return { channel, text, settled: false };
  }

  acknowledged(publish: Publish, position: Position): void {
    this.#settle(publish);
    this.acknowledgements += 1;
    const { who, truth, verdict } = this.#options;
    const taken = truth.at(publish.channel, position);
    const here = `${publish.channel} ${position.epoch} ${position.offset}`;
    if (taken === undefined)
      verdict.broken(
        "H3",
        `${who} was told that ${short(publish.text)} is at ${here}; nothing is there`,
      );
    else if (taken.text !== publish.text) {
      verdict.broken(
        "H3",
        `${who} was told that ${short(publish.text)} is at ${here}; ${short(taken.text)} is`,
      );
    }
  }

  failed(publish: Publish, code: string): void {
    this.#settle(publish);
    this.failures.push(code);
  }

  /** Whether this data was given to publish. */
  gave(text: string): boolean {
    return this.#texts.has(text);
  }

  /** The client is closed: nobody waits any more. */
  abandon(): void {
    this.waiting = 0;
  }

  #settle(publish: Publish): void {
    if (publish.settled)
      this.#options.verdict.broken(
        "H3",
        `${this.#options.who} was answered twice for ${short(publish.text)}`,
      );
    publish.settled = true;
    this.waiting = Math.max(0, this.waiting - 1);
  }
}

/**
 * No publish is twice in one life of a stream, whoever repeated it. And each is what its publisher
 * gave, deep.
 */
export function judgeStreams(
  truth: BrokerTruth,
  verdict: Verdict,
  publishers: ReadonlyMap<string, Pick<PublishOracle, "gave">>,
): void {
  for (const channel of truth.channels()) {
    for (const { epoch, publications } of truth.lives(channel)) {
      const seen = new Map<string, number>();
      for (const { offset, text, user } of publications) {
        const before = seen.get(text);
        const here = `${channel} ${epoch}`;
        if (before !== undefined)
          verdict.broken("H3", `${short(text)} is in ${here} twice: ${before} and ${offset}`);
        if (!isNameless(text)) seen.set(text, offset);
        if (user !== undefined && publishers.get(user)?.gave(text) === false)
          verdict.broken(
            "data",
            `${here} ${offset} is ${short(text)}: ${user} published no such data`,
          );
      }
    }
  }
}
