// Owns: when a drain may begin: the pod is replaced, everybody has a place, and no other drain is
// on the same machine.
import type { Desired } from "../model/desired.ts";
import type { DrainCause, Revision } from "../model/pod.ts";
import { type Course, wantedPods } from "./course.ts";
import { connectionsOf, fits, placesOf } from "./places.ts";
import { isHeard, isLeavingMachine, isStaying, type PodView } from "./survey.ts";

/** Free beyond what is needed before a drain begins, so that it is not undone at once. */
const SLACK = 0.02;
/** Free places, as a part of theirs, with which some pods begin to receive alone. */
export const ALONE_FROM = 0.05;
/** Connections more than its share that a canary may carry: one pod's worth is no exact number. */
export const SHARE_SLACK = 0.02;
/** What remains of a machine's time for the pod's own end after a drain, in ms. */
const MACHINE_END_MARGIN_MS = 10_000;
const MACHINE_WINDOW_MIN_MS = 5_000;
/** The part of a machine's time that balancers get at most. */
const DELAY_PART = 0.25;

const PAUSED = "The release is paused.";
const BEHIND = "The API server was away: nobody moves until balancers have caught up.";

/** A drain that begins. */
export interface Start {
  readonly view: PodView;
  readonly cause: DrainCause;
  readonly windowMs: number;
  readonly preDelayMs: number;
  readonly toRevision?: Revision;
}

/** Lets drains begin one after the other; each one counts for the next. */
export class Gate {
  readonly #views: readonly PodView[];
  readonly #course: Course;
  readonly #desired: Desired;
  readonly #connections: number;
  readonly #starts: Start[] = [];
  readonly #waits: string[] = [];
  readonly #draining: Set<PodView>;

  constructor(views: readonly PodView[], course: Course, desired: Desired) {
    this.#views = views;
    this.#course = course;
    this.#desired = desired;
    this.#connections = connectionsOf(views);
    this.#draining = new Set(
      views.filter(({ stage, load }) => stage === "draining" || (stage === "overdue" && load > 0)),
    );
  }

  /** Of those that should go, the drains that begin now, and why others wait. */
  open(
    leaving: readonly PodView[],
    going: readonly PodView[],
  ): { readonly starts: readonly Start[]; readonly waits: readonly string[] } {
    for (const view of leaving) this.#try(view, "machine", () => this.#blockedOnMachine(view));
    for (const view of going) {
      const isOld = view.pod.revision !== this.#course.to;
      const cause = isOld ? this.#course.cause : "scale-down";
      this.#try(view, cause, () => (isOld ? this.#blockedOld(view) : this.#blockedSurplus(view)));
    }
    return { starts: this.#starts, waits: this.#waits };
  }

  #try(view: PodView, cause: DrainCause, blocked: () => string | undefined): void {
    const why = blocked();
    if (why !== undefined) {
      this.#waits.push(why);
      return;
    }
    this.#draining.add(view);
    const toRevision = this.#receivers(view, cause);
    this.#starts.push({
      view,
      cause,
      ...this.#times(view),
      ...(toRevision === undefined ? {} : { toRevision }),
    });
  }

  /** Whose pods should take the sessions, so that nobody moves again in this release. */
  #receivers(view: PodView, cause: DrainCause): string | undefined {
    const { to, isReleasing, share } = this.#course;
    if (cause === "release" || cause === "rollback") return to;
    if (cause === "scale-down" || !isReleasing) return undefined;
    return share >= 1 ? to : view.pod.revision;
  }

  /** If its machine ends soon, the delay and the window are shorter together. */
  #times({ machine }: PodView): { readonly windowMs: number; readonly preDelayMs: number } {
    const { windowMs, preDelayMs } = this.#desired.drain;
    const endsInMs = machine?.going?.endsInMs;
    if (endsInMs === undefined) return { windowMs, preDelayMs };
    const leftMs = Math.max(0, endsInMs - MACHINE_END_MARGIN_MS);
    const delayMs = Math.min(preDelayMs, Math.floor(leftMs * DELAY_PART));
    const forMovesMs = Math.max(MACHINE_WINDOW_MIN_MS, leftMs - delayMs);
    return { windowMs: Math.min(windowMs, forMovesMs), preDelayMs: delayMs };
  }

  #blockedOnMachine(view: PodView): string | undefined {
    const name = view.machine?.name ?? "";
    const going = view.machine?.going;
    if (going === undefined) return undefined;
    const { replacementMsMax } = this.#desired.disruption;
    const others = this.#views.filter(
      (other) => other.machine?.name === name && !this.#draining.has(other) && other !== view,
    ).length;
    const { windowMs, preDelayMs } = this.#desired.drain;
    const leftMs = (going.endsInMs ?? Number.POSITIVE_INFINITY) - MACHINE_END_MARGIN_MS;
    const isHurried = leftMs < (windowMs + preDelayMs) * (others + 1);
    if (!isHurried && this.#besides(view))
      return `${view.pod.name} waits for another pod of ${name} to be empty.`;
    if (going.watchedMs >= 2 * replacementMsMax || leftMs < windowMs / 2) return undefined;
    if (this.#isNobodyOn(view)) return undefined;
    if (!this.#hasPlaces(view)) return `${view.pod.name} waits for places elsewhere.`;
    const isSoon = view.stage === "ready" && !isHurried && going.watchedMs < replacementMsMax;
    if (isSoon && this.#readyWithout(view) < this.#course.replicas)
      return `${view.pod.name} waits for its replacement: ${name} is about to go.`;
    return undefined;
  }

  #blockedOld(view: PodView): string | undefined {
    const { course } = this.#blockers(view);
    return course ?? this.#blockedBySide(view);
  }

  /** What blocks any pod of an old revision. */
  #blockers(view: PodView): { readonly course: string | undefined } {
    const { held, drainsMax, allFirst } = this.#course;
    if (held !== undefined) return { course: held === "paused" ? PAUSED : BEHIND };
    if (this.#count() >= drainsMax) return { course: `${view.pod.name} waits for its turn.` };
    if (this.#besides(view))
      return { course: `${view.pod.name} waits: another pod of its machine drains.` };
    const warm = this.#views.filter((other) => this.#isReceiver(other)).length;
    const wanted = wantedPods(this.#course).to;
    if (allFirst && warm < wanted)
      return { course: `${wanted - warm} of ${wanted} new pods are not warm yet.` };
    return { course: undefined };
  }

  #blockedBySide(view: PodView): string | undefined {
    const { to, share, replicas } = this.#course;
    const carried = this.#loadOf((other) => other.pod.revision === to);
    const arriving = this.#loadOf(
      (other) => this.#draining.has(other) && other.pod.revision !== to,
    );
    if (share < 1 && carried + arriving + view.load > (share + SHARE_SLACK) * this.#connections)
      return `${view.pod.name} stays: its connections are more than the step's share.`;
    if (view.stage === "ready" && this.#readyWithout(view) < replicas)
      return `${view.pod.name} waits for its replacement of revision ${to}.`;
    const uneven = this.#unevenWith(arriving + view.load);
    if (view.load > 0 && uneven !== undefined) return uneven;
    const places = placesOf(this.#views.filter((other) => this.#isReceiver(other)));
    // These pods receive newcomers alone while it drains. Nobody waits to leave a bad revision.
    const spare = this.#course.cause === "rollback" ? 0 : ALONE_FROM * places;
    if (view.load > 0 && view.load + arriving + spare > places - carried)
      return `${view.pod.name} waits for places on pods of revision ${to}.`;
    return this.#isNobodyOn(view) || this.#hasPlaces(view)
      ? undefined
      : `${view.pod.name} waits for places elsewhere.`;
  }

  /**
   * Pods of a canary's step that are there would carry far more than their part: others of the
   * step are missing. They would have to give it away later: people would move twice. A pod that
   * does not come is not waited for.
   */
  #unevenWith(coming: number): string | undefined {
    const { to, share, isStepped } = this.#course;
    const wanted = wantedPods(this.#course).to;
    const fresh = this.#views.filter((view) => view.pod.revision === to && !isLeavingMachine(view));
    const warm = fresh.filter((view) => this.#isReceiver(view));
    if (!isStepped || warm.length >= wanted || fresh.some(({ isLate }) => isLate)) return undefined;
    const part = ((share + SHARE_SLACK) * this.#connections) / wanted;
    const most = part * (1 + this.#desired.rebalance.tolerance);
    const room = warm.reduce((sum, { load }) => sum + Math.max(0, most - load), 0);
    return coming <= room ? undefined : `${warm.length} of ${wanted} new pods are not enough yet.`;
  }

  #blockedSurplus(view: PodView): string | undefined {
    if (this.#course.isReleasing) return `${view.pod.name} stays until the release is over.`;
    if (this.#draining.size > 0) return `${view.pod.name} waits for its turn.`;
    if (this.#isNobodyOn(view)) return undefined;
    if (this.#course.held === "behind") return BEHIND;
    if (view.stage === "ready" && this.#readyWithout(view) < this.#course.replicas)
      return `${view.pod.name} stays until ${this.#course.replicas} others are ready.`;
    return this.#hasPlaces(view, this.#desired.connections.headroom)
      ? undefined
      : `${view.pod.name} stays: its connections would have no place elsewhere.`;
  }

  /**
   * It carries nobody and takes nobody: its going changes nothing. A pod that Kubernetes takes for
   * ready and that was not heard of may take people. So will one that says that it is ready: its
   * drain may just have been undone.
   */
  #isNobodyOn({ load, stage, pod }: PodView): boolean {
    const willServe = isHeard(pod) && pod.report?.state === "ready";
    return load === 0 && stage !== "ready" && !pod.isReady && !willServe;
  }

  /** Pods that take what a release moves. */
  #isReceiver({ pod, isWarm, machine }: PodView): boolean {
    return pod.revision === this.#course.to && isWarm && machine?.going === undefined;
  }

  /** Another pod of the same machine drains. */
  #besides({ machine }: PodView): boolean {
    return (
      machine !== undefined &&
      [...this.#draining].some((other) => other.machine?.name === machine.name)
    );
  }

  /** Drains that are not for a machine that goes. */
  #count(): number {
    return [...this.#draining].filter((view) => !isLeavingMachine(view)).length;
  }

  #readyWithout(view: PodView): number {
    return this.#ready(view).length;
  }

  #hasPlaces(view: PodView, headroom = SLACK): boolean {
    return fits(this.#connections, placesOf(this.#ready(view)), headroom);
  }

  /** Pods that would still take sessions, new ones only when they are warm. */
  #ready(without: PodView): readonly PodView[] {
    return this.#views.filter(
      (view) =>
        view !== without &&
        isStaying(view) &&
        !this.#draining.has(view) &&
        view.stage === "ready" &&
        (view.isWarm || view.pod.revision !== this.#course.to),
    );
  }

  #loadOf(which: (view: PodView) => boolean): number {
    return connectionsOf(this.#views.filter(which));
  }
}
