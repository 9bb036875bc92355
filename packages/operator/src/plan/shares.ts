// Owns: moving a share of the connections that is less than a pod: old pods give away a part.
import type { Action } from "../model/actions.ts";
import { type Course, wantedPods } from "./course.ts";
import type { Going } from "./going.ts";
import { asSeen } from "./orders.ts";
import { connectionsOf, placesOf } from "./places.ts";
import { isLeavingMachine, isStaying, type PodView } from "./survey.ts";

/** Below this part of the share, old pods give sessions away. */
const ENOUGH = 0.98;

/**
 * Orders to old pods to keep only so many sessions that the new revision has its share. The same
 * order comes out until it is obeyed, so it may be given again.
 */
export function sheds(course: Course, views: readonly PodView[], going: Going): readonly Action[] {
  if (course.share >= 1 || course.isHeld) return [];
  const isNew = ({ pod }: PodView): boolean => pod.revision === course.to;
  const fresh = views.filter((view) => isNew(view) && view.isWarm && !isLeavingMachine(view));
  const givers = views.filter((view) => !isNew(view) && view.stage === "ready");
  const isBusy = going.starts.length > 0 || views.some((view) => !isNew(view) && !isStaying(view));
  if (isBusy || fresh.length < wantedPods(course).to) return [];
  const total = connectionsOf(views);
  const carried = connectionsOf(views.filter(isNew));
  const free = placesOf(fresh) - connectionsOf(fresh);
  const missing = Math.min(Math.floor(course.share * total) - carried, free);
  if (missing <= 0 || carried >= ENOUGH * course.share * total) return [];
  const movable = givers.reduce((sum, view) => sum + view.load - view.fixedSockets, 0);
  let [seen, given] = [0, 0];
  return givers.flatMap(({ pod, load, fixedSockets }) => {
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
