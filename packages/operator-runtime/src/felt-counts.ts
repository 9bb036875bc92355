// Owns: what clients felt, added up by revision over all processes of all pods, and the part of it
// since a step of a release began.
import { type Revision, SIGNALS, type Signal, type Tally } from "@holdfast/operator";
import type { Felt } from "./plane.ts";

interface Sum {
  connectionMinutes: number;
  resumes: number;
  readonly bad: Record<Signal, number>;
}

/** A pod as it was last heard of. */
interface Last {
  readonly revision: Revision;
  readonly run: string;
  readonly felt: Felt;
  readonly connections: number;
}

/** Revisions that are remembered; the one that was not heard of for longest is forgotten. */
const REVISIONS_MAX = 32;

/**
 * Counts of one set. They are in memory alone: an operator that restarts counts anew, so a verdict
 * comes later, never sooner.
 */
export class FeltCounts {
  readonly #sums = new Map<Revision, Sum>();
  readonly #last = new Map<string, Last>();
  #step = "";
  #before = new Map<Revision, Tally>();

  /** What a pod said. Another run of the same pod without a drain: its clients felt a crash. */
  heard(uid: string, last: Last, wasDraining: boolean): void {
    const before = this.#last.get(uid);
    this.#last.set(uid, last);
    if (before !== undefined && before.run !== last.run && !wasDraining) this.#crashed(before);
    const isSame = before?.run === last.run;
    this.#add(last.revision, last.felt, isSame ? before.felt : undefined);
  }

  /** Its pod is gone. `hasCrashed`: nobody drained it. */
  gone(uid: string, hasCrashed: boolean): void {
    const before = this.#last.get(uid);
    this.#last.delete(uid);
    if (before !== undefined && hasCrashed) this.#crashed(before);
  }

  /** Uids that were heard of and not told gone. */
  get known(): Iterable<string> {
    return this.#last.keys();
  }

  /**
   * What both revisions felt since the step was first named. Another name begins anew. Absent: no
   * data plane of the canary counts.
   */
  since(
    step: string,
    canary: Revision,
    stable: Revision,
  ): { readonly canary: Tally; readonly stable: Tally } | undefined {
    if (this.#step !== step) {
      this.#step = step;
      this.#before = new Map([...this.#sums].map(([revision, sum]) => [revision, copyOf(sum)]));
    }
    if (!this.#sums.has(canary)) return undefined;
    return { canary: this.#sinceOf(canary), stable: this.#sinceOf(stable) };
  }

  #sinceOf(revision: Revision): Tally {
    const now = copyOf(this.#sums.get(revision) ?? zero());
    const before = this.#before.get(revision) ?? zero();
    return {
      connectionMinutes: now.connectionMinutes - before.connectionMinutes,
      resumes: now.resumes - before.resumes,
      bad: badOf((signal) => now.bad[signal] - before.bad[signal]),
    };
  }

  #crashed({ revision, connections }: Last): void {
    const sum = this.#sumOf(revision);
    sum.bad.crashes += connections;
    // Each of them had begun a minute that it did not end.
    sum.connectionMinutes += connections;
  }

  #add(revision: Revision, felt: Felt, before: Felt | undefined): void {
    const sum = this.#sumOf(revision);
    const more = (name: keyof Felt): number => Math.max(0, felt[name] - (before?.[name] ?? 0));
    sum.connectionMinutes += more("connectionMinutes");
    sum.resumes += more("resumes");
    for (const signal of SIGNALS) if (signal !== "crashes") sum.bad[signal] += more(signal);
  }

  #sumOf(revision: Revision): Sum {
    const known = this.#sums.get(revision);
    const sum = known ?? zero();
    // The one that was heard of last is at the end: what runs for months is not the oldest.
    this.#sums.delete(revision);
    this.#sums.set(revision, sum);
    for (const oldest of this.#sums.keys()) {
      if (this.#sums.size <= REVISIONS_MAX) break;
      this.#sums.delete(oldest);
    }
    return sum;
  }
}

const badOf = (count: (signal: Signal) => number): Record<Signal, number> => ({
  crashes: count("crashes"),
  lost: count("lost"),
  slow: count("slow"),
  resumesFailed: count("resumesFailed"),
  closedAbnormally: count("closedAbnormally"),
});

const zero = (): Sum => ({ connectionMinutes: 0, resumes: 0, bad: badOf(() => 0) });

const copyOf = (sum: Sum): Tally => ({ ...sum, bad: { ...sum.bad } });
