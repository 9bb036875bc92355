// Owns: moving a share of the connections that is less than a pod: old pods give away a part.
import type { Action } from "../model/actions.ts";
import { type Course, wantedPods } from "./course.ts";
import type { Going } from "./going.ts";
import { asSeen } from "./orders.ts";
import { connectionsOf, placesOf } from "./places.ts";
import { isLeavingMachine, isStaying, type PodView } from "./survey.ts";

/** The share counts as reached from here on: connections come and go meanwhile. */
export const REACHED = 0.9;

/** How many connections old pods should give away together now, if the course wants that. */
export function shedding(course: Course, views: readonly PodView[], going: Going): number {
  if (course.share >= 1 || course.held !== undefined) return 0;
  const isNew = ({ pod }: PodView): boolean => pod.revision === course.to;
  const fresh = views.filter((view) => isNew(view) && view.isWarm && !isLeavingMachine(view));
  const isBusy = going.starts.length > 0 || views.some((view) => !isNew(view) && !isStaying(view));
  if (isBusy || fresh.length < wantedPods(course).to) return 0;
  const goal = course.share * connectionsOf(views);
  const carried = connectionsOf(views.filter(isNew));
  // What misses less is left to newcomers, unless it is under way.
  const isUnderWay = givers(course, views).some(
    ({ pod }) =>
      (pod.report?.shed?.remaining ?? 0) > 0 && pod.report?.shed?.toRevision === course.to,
  );
  if (!isUnderWay && carried >= REACHED * goal) return 0;
  const free = placesOf(fresh) - connectionsOf(fresh);
  return Math.max(0, Math.min(Math.floor(goal) - carried, free));
}

/**
 * Orders to old pods to keep only so many sessions that `missing` go to the new revision. The same
 * order comes out until it is obeyed, so it may be given again. An order that is not wanted any
 * more is ended: the pod keeps what it has.
 */
export function sheds(
  course: Course,
  views: readonly PodView[],
  missing: number,
): readonly Action[] {
  if (missing <= 0) return ended(views);
  const among = givers(course, views);
  const movable = among.reduce((sum, view) => sum + view.load - view.fixedSockets, 0);
  let [seen, given] = [0, 0];
  return among.flatMap(({ pod, load, fixedSockets }) => {
    const sessions = load - fixedSockets;
    seen += sessions;
    // What is rounded off here is given by a later pod.
    const gives = Math.min(sessions, Math.floor((missing * seen) / Math.max(1, movable)) - given);
    given += gives;
    if (gives <= 0) return [];
    const sessionsKept = sessions - gives;
    return [{ kind: "shed", pod: asSeen(pod), sessionsKept, toRevision: course.to }];
  });
}

const givers = (course: Course, views: readonly PodView[]): readonly PodView[] =>
  views.filter((view) => view.pod.revision !== course.to && view.stage === "ready");

/** Ends the orders to give sessions away, but for those of `others`. */
export function ended(
  views: readonly PodView[],
  others?: ReadonlyMap<PodView, unknown>,
): readonly Action[] {
  return views.flatMap((view): readonly Action[] => {
    const { pod, stage } = view;
    const { report } = pod;
    if (others?.has(view) === true) return [];
    if (stage !== "ready" || report?.shed === undefined || report.shed.remaining <= 0) return [];
    const { toRevision } = report.shed;
    return [{ kind: "shed", pod: asSeen(pod), sessionsKept: report.sessions, toRevision }];
  });
}
