// Owns: which pods go: which drains begin, go on or are undone, and which pods are removed.
import type { Desired } from "../model/desired.ts";
import { type Course, wantedPods } from "./course.ts";
import { Gate, type Start } from "./gate.ts";
import { isGivenUp } from "./orders.ts";
import { connectionsOf, fits, placesOf } from "./places.ts";
import { canServe, isLeavingMachine, isStaying, isUnborn, type PodView } from "./survey.ts";
import { byCost, surroundingsOf } from "./victims.ts";

/** What becomes of the pods. A pod is in at most one list. */
export interface Going {
  readonly starts: readonly Start[];
  /** They drain, and go on. */
  readonly continues: readonly PodView[];
  /** They drain, and are to serve again. */
  readonly cancels: readonly PodView[];
  /** Their end is decided. Each is deleted as soon as that cannot cut anybody else. */
  readonly removes: readonly PodView[];
  /** They are empty and stay for now. */
  readonly kept: readonly PodView[];
  /** Why something that should go does not, in words. */
  readonly waits: readonly string[];
}

/** Chooses. Every pod that goes is replaced or not needed, unless its machine ends before that. */
export function planGoing(views: readonly PodView[], course: Course, desired: Desired): Going {
  const givenUp = views.filter(isGivenUp);
  const open = views.filter((view) => !isGivenUp(view));
  const leaving = open.filter(isLeavingMachine);
  const settled = open.filter((view) => !isLeavingMachine(view));
  const old = settled.filter(({ pod }) => pod.revision !== course.to);
  const current = settled.filter(({ pod }) => pod.revision === course.to);
  const want = wantedPods(course);
  const goers = [...chosen(old, want.old, views), ...chosen(current, want.to, views)];
  const undone = undoneFor(goers, leaving, views);
  const going = goers.filter((view) => !undone.has(view) && !isAstray(view, views, course));
  const marked = [...leaving, ...going, ...givenUp].filter((view) => !isStaying(view));
  const done = marked.filter(({ stage }) => stage === "emptied" || stage === "overdue");
  const kept = done.filter((view) => !isGivenUp(view) && isKept(view, course));
  const gate = new Gate(views, course, desired);
  const opened = gate.open(
    leaving.filter(isWaiting).sort(byUrgency),
    going.filter(isWaiting).sort(byCost(surroundingsOf(settled.filter(isStaying)))),
  );
  const unborn = [...leaving, ...going].filter((view) => mayVanish(view, course));
  return {
    cancels: settled.filter((view) => !isStaying(view) && !going.includes(view)),
    removes: done.filter((view) => !kept.includes(view)),
    kept,
    continues: marked.filter(({ stage }) => stage === "draining"),
    starts: [...opened.starts, ...unborn.map((view) => vanishing(view, course, desired))],
    waits: opened.waits,
  };
}

/** It obeys when it starts. So it never takes anybody, and may be removed like any other. */
function vanishing(view: PodView, { to, cause }: Course, { drain }: Desired): Start {
  const because = view.pod.revision === to ? "scale-down" : cause;
  return {
    view,
    cause: isLeavingMachine(view) ? "machine" : because,
    windowMs: drain.windowMs,
    preDelayMs: 0,
  };
}

/**
 * It drains into a revision that is not wanted any more, or of which no pod is ready any more: its
 * people would move twice.
 */
function isAstray(
  { mark, stage, load }: PodView,
  views: readonly PodView[],
  course: Course,
): boolean {
  if (stage !== "draining" || mark?.toRevision === undefined || mark.cause === "machine")
    return false;
  const { toRevision } = mark;
  const receivers = views.some(
    (view) => view.pod.revision === toRevision && view.stage === "ready",
  );
  return toRevision !== course.to || (!receivers && load > 0);
}

/** A pod that is to drain and was not told so yet. */
const isWaiting = (view: PodView): boolean => isStaying(view) && view.stage !== "unborn";

/** What has least time goes first, and then what has waited longest. */
function byUrgency(a: PodView, b: PodView): number {
  const [mine, theirs] = [a.machine?.going, b.machine?.going];
  const ends = (mine?.endsInMs ?? Number.MAX_VALUE) - (theirs?.endsInMs ?? Number.MAX_VALUE);
  return ends === 0 ? (theirs?.watchedMs ?? 0) - (mine?.watchedMs ?? 0) : ends;
}

/** Nobody is on a pod that never ran. In a release its own new pods are waited for. */
function mayVanish({ stage, mark, pod }: PodView, course: Course): boolean {
  if (stage !== "unborn" || mark !== undefined) return false;
  return pod.revision !== course.to || !course.isReleasing;
}

function isKept({ stage, mark, pod, machine }: PodView, course: Course): boolean {
  return (
    course.keepsEmptied &&
    mark?.cause === "release" &&
    stage === "emptied" &&
    !isUnborn(pod) &&
    pod.revision !== course.to &&
    machine?.going === undefined
  );
}

/** Which of a group go so that `want` stay, one after the other, so that zones stay level. */
function chosen(
  group: readonly PodView[],
  want: number,
  views: readonly PodView[],
): readonly PodView[] {
  const going: PodView[] = [];
  const left = new Set(group);
  const staying = new Set(views.filter(isStaying));
  while (left.size > want) {
    const next = first(left, byCost(surroundingsOf([...staying])));
    if (next === undefined) break;
    left.delete(next);
    staying.delete(next);
    going.push(next);
  }
  return going;
}

/** What a sort would put first: a set of a thousand pods is looked at each second. */
function first<T>(all: Iterable<T>, compare: (a: T, b: T) => number): T | undefined {
  let best: T | undefined;
  for (const one of all) if (best === undefined || compare(one, best) < 0) best = one;
  return best;
}

/**
 * Drains that are undone because connections would have no place: demand came back, or another pod
 * died. Those that have moved least come first. A bad revision's are not: its people leave it.
 */
function undoneFor(
  goers: readonly PodView[],
  leaving: readonly PodView[],
  views: readonly PodView[],
): ReadonlySet<PodView> {
  const undone = new Set<PodView>();
  const connections = connectionsOf(views);
  let places = placesOf(views);
  const candidates = goers
    .filter(({ mark, stage }) => mark !== undefined && stage !== "overdue")
    .filter(({ mark, pod }) => mark?.cause !== "rollback" && canServe(pod))
    .filter((view) => !leaving.includes(view))
    .sort((a, b) => b.load - a.load);
  for (const view of candidates) {
    if (fits(connections, places)) break;
    undone.add(view);
    places += view.places;
  }
  return undone;
}
