// Owns: the nodes that run pipelines, as they say each second: what they can run, and what they
// hold.
import type { RunnerMember } from "./spread.ts";

/** What a node holds of each pipeline, and how many publications that has yet to take. */
export type Holds = Readonly<Record<string, { readonly partitions: number; readonly lag: number }>>;

interface Member extends RunnerMember {
  readonly holds: Holds;
  readonly heardMs: number;
}

/** A node that says nothing for so long is gone. */
const SILENT_MS = 3500;

export class Members {
  readonly #members = new Map<string, Member>();

  /** A message of kind "pipelines". Answers whether the node came, or changed its mind. */
  heard(message: object, nowMs: number): boolean {
    const { from, isReady, runs, holds } = message as {
      readonly from: string;
      readonly isReady: boolean;
      readonly runs: Readonly<Record<string, number>>;
      /** Absent in messages of older nodes. */
      readonly holds?: Holds;
    };
    const isNew = this.#members.get(from)?.isReady !== isReady;
    this.#members.set(from, { node: from, isReady, runs, holds: holds ?? {}, heardMs: nowMs });
    return isNew;
  }

  /** Those that are there, without `self`. */
  others(self: string, nowMs: number): readonly Member[] {
    for (const [node, { heardMs }] of this.#members)
      if (nowMs - heardMs > SILENT_MS) this.#members.delete(node);
    return [...this.#members.values()].filter(({ node }) => node !== self);
  }
}
