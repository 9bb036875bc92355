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
export interface Heard {
  readonly revision: Revision;
  readonly run: string;
  readonly felt: Felt;
  readonly connections: number;
  /** Connections that it can carry. */
  readonly places: number;
  /** When, by a clock that never jumps. */
  readonly atMs: number;
}

/** A process that begins anew is heard of a little later, and clocks of two machines differ. */
const SLACK_MS = 5000;
/** Tries to resume, of each place in a minute. */
const RESUMES_MAX = 60;

/** Revisions that are remembered; the one that was not heard of for longest is forgotten. */
const REVISIONS_MAX = 32;

/**
 * Counts of one set. They are in memory alone: an operator that restarts counts anew, so a verdict
 * comes later, never sooner.
 */
export class FeltCounts {
  readonly #sums = new Map<Revision, Sum>();
  readonly #last = new Map<string, Heard>();
  #step = "";
  #before = new Map<Revision, Tally>();

  /**
   * What a pod said. Another run of the same pod without a drain: its clients felt a crash. What it
   * counted before it was heard of first may be older than the step, and counts for nothing.
   */
  heard(uid: string, last: Heard, wasDraining: boolean): void {
    const before = this.#last.get(uid);
    this.#last.set(uid, last);
    const sum = this.#sumOf(last.revision);
    if (before === undefined) return;
    if (before.run !== last.run && !wasDraining) this.#crashed(before);
    add(sum, last, before);
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

  #crashed({ revision, connections }: Heard): void {
    const sum = this.#sumOf(revision);
    sum.bad.crashes += connections;
    // Each of them had begun a minute that it did not end.
    sum.connectionMinutes += connections;
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

/**
 * What came since the last answer. More than so many places can have felt in that time is nothing
 * that clients felt: one broken pod would decide about all.
 */
function add(sum: Sum, { felt, run, places, atMs }: Heard, before: Heard): void {
  const known = run === before.run ? before.felt : undefined;
  const more = (name: keyof Felt): number => Math.max(0, felt[name] - (known?.[name] ?? 0));
  const minutesMax = (places * (atMs - before.atMs + SLACK_MS)) / 60_000;
  const minutes = more("connectionMinutes");
  const resumes = more("resumes");
  if (minutes > minutesMax || resumes > RESUMES_MAX * minutesMax) return;
  sum.connectionMinutes += minutes;
  sum.resumes += resumes;
  // A minute is bad before it is over, so each place may add one.
  const badMax = (signal: Signal): number =>
    signal === "resumesFailed" ? resumes : minutes + places;
  for (const signal of SIGNALS)
    if (signal !== "crashes") sum.bad[signal] += Math.min(more(signal), badMax(signal));
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
