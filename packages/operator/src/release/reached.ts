// Owns: how far a release is: whether its step's share is reached, whether all pods are of one
// revision, and the text that changes with each bit of progress.
import { type Course, wantedPods } from "../plan/course.ts";
import { connectionsOf } from "../plan/places.ts";
import { REACHED } from "../plan/shares.ts";
import { isLeavingMachine, isStaying, type PodView } from "../plan/survey.ts";

/** Fewer connections than this are no share: then pods are enough. */
const COUNTED_MIN = 5;

/** Whether the new revision has its pods and its share, and nothing drains for it. */
export function isReached(course: Course, views: readonly PodView[]): boolean {
  const want = wantedPods(course);
  const fresh = freshOf(course, views);
  const old = oldOf(course, views);
  if (fresh.filter(({ isWarm }) => isWarm).length < want.to) return false;
  if (old.some(({ stage }) => stage === "draining")) return false;
  if (course.share >= 1) return !old.some(isStaying);
  // Old pods whose connections are more than the share stay for a later step, however many.
  const goal = course.share * connectionsOf(views);
  return goal < COUNTED_MIN || connectionsOf(fresh) >= REACHED * goal;
}

/** Whether every pod is of the course's revision, and enough of them are ready. */
export function isComplete(course: Course, views: readonly PodView[]): boolean {
  const fresh = views.filter(({ pod }) => pod.revision === course.to);
  return (
    fresh.length === views.length &&
    fresh.filter(({ stage }) => stage === "ready").length >= course.replicas
  );
}

/**
 * A text that changes with each pod and each tenth of a pod's connections that comes further. It is
 * kept, so it must not change with every session.
 */
export function progressOf(course: Course, step: number, views: readonly PodView[]): string {
  const fresh = freshOf(course, views);
  const old = oldOf(course, views);
  const warm = fresh.filter(({ isWarm }) => isWarm).length;
  const draining = old.filter(({ mark }) => mark !== undefined);
  const most = Math.max(1, ...views.map(({ places }) => places));
  const left = Math.ceil((10 * connectionsOf(draining)) / most);
  return `${course.to}/${course.cause}/${step}: ${warm} warm, ${old.length} old, ${left} to move`;
}

const freshOf = (course: Course, views: readonly PodView[]): readonly PodView[] =>
  views.filter((view) => view.pod.revision === course.to && !isLeavingMachine(view));

const oldOf = (course: Course, views: readonly PodView[]): readonly PodView[] =>
  views.filter((view) => view.pod.revision !== course.to && !isLeavingMachine(view));

/** Fewer than this part of those who were to move: nobody to speak of arrived. */
const ARRIVED_MIN = 0.1;

/**
 * Whether the new revision accepts no session: old pods were ordered to move sessions to it, half
 * of a drain's window went by, and hardly anybody arrived. Whoever was to move is where it was.
 */
export function acceptsNobody(
  course: Course,
  views: readonly PodView[],
  {
    progressWatchedMs,
    windowMs,
  }: { readonly progressWatchedMs: number; readonly windowMs: number },
): boolean {
  const fresh = freshOf(course, views).filter(({ isWarm }) => isWarm);
  const share = Math.min(course.share, fresh.length / Math.max(1, course.replicas));
  const goal = share * connectionsOf(views);
  if (goal < COUNTED_MIN || connectionsOf(fresh) >= ARRIVED_MIN * goal) return false;
  return oldOf(course, views).some(({ pod, mark, stage, load }) => {
    if (stage === "draining" && mark?.toRevision === course.to)
      return load >= COUNTED_MIN && pod.markWatchedMs >= (mark.preDelayMs ?? 0) + windowMs / 2;
    const { shed } = pod.report ?? {};
    const isShedding = shed?.toRevision === course.to && shed.remaining > 0;
    return isShedding && progressWatchedMs >= windowMs;
  });
}
