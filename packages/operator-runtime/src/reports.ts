// Owns: asking every data plane of a set about once a second, and what each said last.
import type { PodReport } from "@holdfast/operator";
import type { AskOutcome } from "./events.ts";
import type { FeltCounts } from "./felt-counts.ts";
import type { SeenPod } from "./objects.ts";
import { PlaneError, type Planes } from "./plane.ts";

/** What the questions need of the process. */
export interface ReportsNeeds {
  /** Ms that never go back. */
  readonly nowMs: () => number;
  readonly felt: FeltCounts;
  /** Called for each answer, and for each question that got none. */
  readonly asked: (outcome: AskOutcome) => void;
}

interface Known {
  readonly report: Omit<PodReport, "ageMs">;
  readonly atMs: number;
  readonly run: string;
  /** Whom its end takes along. */
  readonly connections: number;
  /** It drains, and should. */
  readonly isOrdered: boolean;
}

/** A pod is asked again when its last question is so old. */
const EVERY_MS = 900;
/** Questions under way at a time. A thousand pods that answer within 30 ms take a second. */
const AT_ONCE_MAX = 32;

export class Reports {
  readonly #needs: ReportsNeeds;
  readonly #known = new Map<string, Known>();
  readonly #askedMs = new Map<string, number>();
  readonly #underWay = new Set<string>();
  /** Uids of the pods of the last look. */
  #there: ReadonlySet<string> = new Set();

  constructor(needs: ReportsNeeds) {
    this.#needs = needs;
  }

  /** What the pod said last, and how old that is. */
  of(uid: string): PodReport | undefined {
    const known = this.#known.get(uid);
    if (known === undefined) return undefined;
    const ageMs = this.#needs.nowMs() - known.atMs;
    const { drainLeftMs, ...rest } = known.report;
    return {
      ...rest,
      ageMs,
      ...(drainLeftMs === undefined ? {} : { drainLeftMs: drainLeftMs - ageMs }),
    };
  }

  /**
   * Asks those whose turn it is, and resolves when the last of them has answered or not. Forgets
   * pods that are gone.
   */
  async round(pods: readonly SeenPod[], planes: Planes): Promise<void> {
    this.#forget(pods);
    const due = pods
      .filter((pod) => this.#isDue(pod))
      // The longest not asked first: more pods than turns still get theirs.
      .sort((a, b) => (this.#askedMs.get(a.uid) ?? 0) - (this.#askedMs.get(b.uid) ?? 0));
    const free = Math.min(AT_ONCE_MAX - this.#underWay.size, due.length);
    await Promise.all(Array.from({ length: free }, () => this.#askEach(due, planes)));
  }

  /** One after the other, until all have had their turn. */
  async #askEach(due: SeenPod[], planes: Planes): Promise<void> {
    for (let pod = due.shift(); pod !== undefined; pod = due.shift())
      if (this.#there.has(pod.uid) && this.#isDue(pod)) await this.#ask(pod, planes);
  }

  #isDue({ uid, phase, address }: SeenPod): boolean {
    if (phase !== "Running" || address === undefined || this.#underWay.has(uid)) return false;
    return this.#needs.nowMs() - (this.#askedMs.get(uid) ?? -EVERY_MS) >= EVERY_MS;
  }

  async #ask(pod: SeenPod, planes: Planes): Promise<void> {
    const { nowMs, felt, asked } = this.#needs;
    const { uid, address, revision } = pod;
    if (address === undefined) return;
    this.#underWay.add(uid);
    this.#askedMs.set(uid, nowMs());
    try {
      const answer = await planes.ask({ uid, address });
      asked("answered");
      // It went meanwhile: nobody would forget it again.
      if (!this.#there.has(uid)) return;
      const { report } = answer;
      const { run } = answer;
      const before = this.#known.get(uid);
      const isByItself = report.state === "draining" && !isToDrain(pod);
      // A process that is told to end by its kubelet alone, such as by its liveness probe, is
      // emptied in its last seconds. Whoever was there before has lost it.
      const connections =
        isByItself && before?.run === run
          ? before.connections
          : report.sessions + report.fixedSockets;
      const isOrdered = report.state === "draining" && !isByItself;
      this.#known.set(uid, { report, atMs: nowMs(), run, connections, isOrdered });
      if (answer.felt !== undefined)
        felt.heard(
          uid,
          { revision, run, felt: answer.felt, connections },
          before?.isOrdered === true,
        );
    } catch (error) {
      if (!(error instanceof PlaneError)) throw error;
      asked(error.code);
    } finally {
      this.#underWay.delete(uid);
    }
  }

  #forget(pods: readonly SeenPod[]): void {
    const there = new Set(pods.map(({ uid }) => uid));
    this.#there = there;
    for (const uid of this.#askedMs.keys()) {
      if (there.has(uid)) continue;
      const last = this.#known.get(uid)?.report;
      const carried = (last?.sessions ?? 0) + (last?.fixedSockets ?? 0);
      this.#needs.felt.gone(uid, last?.state !== "draining" && carried > 0);
      this.#known.delete(uid);
      this.#askedMs.delete(uid);
    }
  }
}

/** Somebody wants it empty, or gone. */
const isToDrain = ({ mark, isTerminating }: SeenPod): boolean =>
  mark?.wants === "drain" || isTerminating;
