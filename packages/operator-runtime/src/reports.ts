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
  /** Called for each pod that answers. */
  readonly spoke?: (uid: string) => void;
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
/**
 * A pod that does not answer is asked less and less often: after 2 s, 4 s, and so on up to this,
 * and up to a quarter later. If Kubernetes takes it for ready again, it is asked at once.
 */
const SILENT_EVERY_MAX_MS = 8000;
/**
 * Questions under way at a time. A thousand pods that answer within 30 ms take a second. Pods that
 * did not answer have turns of their own: they keep nobody else waiting.
 */
const AT_ONCE_MAX = 32;
/** A question that is older holds up no turn. It ends within seconds. */
const OLD_MS = 500;
/** Of all questions under way, old ones too. */
const UNDER_WAY_MAX = 256;

export class Reports {
  readonly #needs: ReportsNeeds;
  readonly #known = new Map<string, Known>();
  readonly #askedMs = new Map<string, number>();
  readonly #underWay = new Set<string>();
  /** Questions in a row that a pod has not answered. None: it answered the last one. */
  readonly #missed = new Map<string, number>();
  readonly #wasReady = new Set<string>();
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
    this.#seeReady(pods);
    const due = pods
      .filter((pod) => this.#isDue(pod))
      // The longest not asked first: more pods than turns still get theirs.
      .sort((a, b) => (this.#askedMs.get(a.uid) ?? 0) - (this.#askedMs.get(b.uid) ?? 0));
    const silent = due.filter(({ uid }) => this.#missed.has(uid));
    const others = due.filter(({ uid }) => !this.#missed.has(uid));
    await Promise.all(
      [others, silent].flatMap((lane, isSilent) =>
        Array.from({ length: Math.min(this.#freeTurns(isSilent === 1), lane.length) }, () =>
          this.#askEach(lane, planes),
        ),
      ),
    );
  }

  #freeTurns(isSilent: boolean): number {
    const { nowMs } = this.#needs;
    const busy = [...this.#underWay].filter((uid) => {
      const isOld = !isSilent && nowMs() - (this.#askedMs.get(uid) ?? 0) >= OLD_MS;
      return this.#missed.has(uid) === isSilent && !isOld;
    });
    return Math.min(AT_ONCE_MAX - busy.length, UNDER_WAY_MAX - this.#underWay.size);
  }

  /** A pod that becomes ready speaks: whatever kept it from that is over. */
  #seeReady(pods: readonly SeenPod[]): void {
    for (const { uid, isReady } of pods) {
      if (isReady && !this.#wasReady.has(uid)) this.#missed.delete(uid);
      if (isReady) this.#wasReady.add(uid);
      else this.#wasReady.delete(uid);
    }
  }

  /** One after the other, until all have had their turn. */
  async #askEach(due: SeenPod[], planes: Planes): Promise<void> {
    for (let pod = due.shift(); pod !== undefined; pod = due.shift())
      if (this.#there.has(pod.uid) && this.#isDue(pod)) await this.#ask(pod, planes);
  }

  #isDue({ uid, phase, address }: SeenPod): boolean {
    if (phase !== "Running" || address === undefined || this.#underWay.has(uid)) return false;
    const askedMs = this.#askedMs.get(uid);
    return askedMs === undefined || this.#needs.nowMs() - askedMs >= this.#everyMs(uid);
  }

  #everyMs(uid: string): number {
    const missed = this.#missed.get(uid);
    if (missed === undefined) return EVERY_MS;
    return Math.min(SILENT_EVERY_MAX_MS, EVERY_MS * 2 ** missed) * (1 + spread(uid) / 4);
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
      this.#needs.spoke?.(uid);
      this.#missed.delete(uid);
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
          {
            ...{ revision, run, felt: answer.felt, connections, atMs: nowMs() },
            places: report.connectionsMax,
          },
          before?.isOrdered === true,
        );
    } catch (error) {
      if (!(error instanceof PlaneError)) throw error;
      asked(error.code);
      // Whoever refuses answers at once.
      if (error.code !== "unreachable") this.#missed.delete(uid);
      else if (this.#there.has(uid)) this.#missed.set(uid, (this.#missed.get(uid) ?? 0) + 1);
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
      this.#missed.delete(uid);
      this.#wasReady.delete(uid);
    }
  }
}

/** 0 to 1, of each pod another: pods that went silent together are not asked together. */
function spread(uid: string): number {
  let sum = 0;
  for (let at = 0; at < uid.length; at++) sum = (sum * 31 + uid.charCodeAt(at)) % 1009;
  return sum / 1009;
}

/** Somebody wants it empty, or gone. */
const isToDrain = ({ mark, isTerminating }: SeenPod): boolean =>
  mark?.wants === "drain" || isTerminating;
