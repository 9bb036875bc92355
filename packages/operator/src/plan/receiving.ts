// Owns: which pods the Service selects: newcomers and moving sessions come to those that receive.
import type { Action } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { Course } from "./course.ts";
import { ALONE_FROM, SHARE_SLACK } from "./gate.ts";
import type { Going } from "./going.ts";
import { emptiest, hollow, meanOf } from "./level.ts";
import { asSeen } from "./orders.ts";
import { connectionsOf, placesOf } from "./places.ts";
import { isHeard, isLeavingMachine, isStaying, type PodView } from "./survey.ts";

/** The part of its places from which on a pod is full, and down to which it stays so. */
const FULL_FROM = 0.98;
const FULL_UNTIL = 0.95;
/** A canary that receives nobody, because it has its share, receives again below this part. */
const AGAIN = 0.98;

/** Who receives. */
export interface Receiving {
  readonly actions: readonly Action[];
  /** Every pod has the label that it should have, and balancers had time to follow. */
  readonly isRouted: boolean;
  /** Only pods receive to which the pods that give sessions away should give them. */
  readonly isForGivers: boolean;
}

/** Some pods that may receive alone, if they have places beside what is on its way to them. */
interface Circle {
  readonly has: (view: PodView) => boolean;
  readonly arriving: number;
  /** Connections that move to those within. Absent: it makes no difference who gets how many. */
  readonly coming?: number;
  readonly isForGivers?: boolean;
}

/** What the choice follows from. */
export interface Traffic {
  readonly course: Course;
  readonly going: Going;
  /** Connections that old pods should give away. */
  readonly missing: number;
  /** Pods that give sessions to others of their revision, with how many. */
  readonly givers: ReadonlyMap<PodView, number>;
  readonly preDelayMs: number;
  readonly rebalance: Desired["rebalance"];
}

/**
 * The narrowest circle with places receives. Labels are given before others are taken, so somebody
 * receives in between, too.
 */
export function planReceiving(views: readonly PodView[], traffic: Traffic): Receiving {
  const { starts, removes, cancels } = traffic.going;
  // These are written to already, or are gone.
  const busy = new Set([...starts.map(({ view }) => view), ...removes, ...cancels]);
  const staying = views.filter((view) => isStaying(view) && !busy.has(view));
  const { has, isForGivers = false } = widest(staying, traffic, views);
  const takers = staying.filter((view) => has(view) && view.stage === "ready" && !isFull(view));
  const { to } = traffic.course;
  const isMoving = traffic.missing > 0 || moversOf(traffic).length > 0;
  // Those who move need a pod of their revision, also if its last places come and go.
  const isSpared = ({ pod }: PodView): boolean =>
    takers.some((other) => !isMoving || pod.revision !== to || other.pod.revision === to);
  const wants = (view: PodView): boolean =>
    staying.includes(view) && has(view) && !(isFull(view) && isSpared(view));
  const wrong = views.filter((view) => !busy.has(view) && view.pod.receives !== wants(view));
  return {
    actions: [...wrong.filter(wants), ...wrong.filter((view) => !wants(view))].map(
      (view): Action => ({ kind: "set-receiving", pod: asSeen(view.pod), receives: wants(view) }),
    ),
    isRouted: staying.every((view) => isSettled(view, wants(view), traffic.preDelayMs)),
    isForGivers,
  };
}

/** Pods that drain into the revision of the course. */
function moversOf({ course, going }: Traffic): readonly PodView[] {
  return [
    ...going.continues.filter(({ mark }) => mark?.toRevision === course.to),
    ...going.starts.filter(({ toRevision }) => toRevision === course.to).map(({ view }) => view),
  ];
}

/** Whoever came would be turned away. */
function isFull({ load, places, stage, pod }: PodView): boolean {
  return stage === "ready" && load > (pod.receives ? FULL_FROM : FULL_UNTIL) * places;
}

/** Balancers have followed its label. */
function isSettled({ pod, stage }: PodView, wants: boolean, preDelayMs: number): boolean {
  if (stage !== "ready") return stage === "unborn" || pod.receives === wants;
  return pod.receives === wants && pod.receivesWatchedMs >= preDelayMs;
}

function widest(staying: readonly PodView[], traffic: Traffic, views: readonly PodView[]): Circle {
  const { to } = traffic.course;
  const isTo = ({ pod, stage }: PodView): boolean => pod.revision === to && stage === "ready";
  // Those who move are taken by no other revision. So its last pods receive, wherever they are.
  const isLast =
    moversOf(traffic).length > 0 && !staying.some((view) => isTo(view) && !isLeavingMachine(view));
  const stays = (view: PodView): boolean => !isLeavingMachine(view) || (isLast && isTo(view));
  const settled: Circle = {
    has: stays,
    arriving: connectionsOf(staying.filter((view) => !stays(view))),
  };
  const narrow = narrowest(staying, traffic, views);
  const circles =
    narrow === undefined
      ? [...levelled(staying, traffic), ...hollowed(staying, traffic), settled]
      : [evenly(narrow, staying), narrow, settled];
  return circles.find((circle) => isEnough(circle, staying)) ?? { has: () => true, arriving: 0 };
}

/** Of those within, the emptiest: they end up level, and nobody moves again for that. */
function evenly(circle: Circle, staying: readonly PodView[]): Circle {
  const { has, arriving, coming } = circle;
  if (coming === undefined) return circle;
  const within = staying.filter((view) => has(view) && view.isWarm && !isFull(view));
  const chosen = emptiest(within, coming);
  // What is not warm yet is not reckoned with: nobody waits for it, and it keeps what it has.
  return { has: (view) => has(view) && (!view.isWarm || chosen.has(view)), arriving };
}

/** The emptiest pods, for those who are above the mean. */
function levelled(staying: readonly PodView[], { givers }: Traffic): readonly Circle[] {
  if (givers.size === 0) return [];
  const mean = meanOf(staying);
  const below = staying.filter((view) => !givers.has(view) && view.load < mean);
  const coming = [...givers.values()].reduce((sum, excess) => sum + excess, 0);
  const chosen = emptiest(below, coming);
  return [{ has: (view) => chosen.has(view), arriving: 0, isForGivers: true }];
}

/** While nothing moves: the emptier pods, if others carry far more. */
function hollowed(
  staying: readonly PodView[],
  { course, going, rebalance }: Traffic,
): readonly Circle[] {
  const isBusy = course.isReleasing || going.continues.length > 0 || going.starts.length > 0;
  const among = staying.filter((view) => !isLeavingMachine(view));
  const few = isBusy || among.length < staying.length ? [] : hollow(among, rebalance);
  if (few.length === 0) return [];
  return [{ has: (view) => view.stage !== "ready" || few.includes(view), arriving: 0 }];
}

/** Whether those within have places enough to receive alone. */
function isEnough({ has, arriving }: Circle, staying: readonly PodView[]): boolean {
  const inside = staying.filter((view) => has(view) && view.stage === "ready");
  const outside = staying.filter((view) => !has(view) && mayTake(view));
  if (inside.length === 0) return false;
  if (outside.length === 0) return true;
  const isAlone = outside.some(({ pod }) => !pod.receives);
  const places = placesOf(inside);
  const free = places - connectionsOf(inside) - arriving;
  // Once alone, until newcomers have taken all that is to spare.
  return isAlone ? free + arriving > 0 && free >= 0 : free >= ALONE_FROM * places;
}

/** It takes people now, or will as soon as it obeys: its drain was undone, maybe for its places. */
const mayTake = ({ stage, pod }: PodView): boolean =>
  stage === "ready" ||
  (pod.mark?.wants === "serve" && pod.report?.state === "draining" && isHeard(pod));

/** Without a release: nothing narrower than all pods that stay. */
function narrowest(
  staying: readonly PodView[],
  traffic: Traffic,
  views: readonly PodView[],
): Circle | undefined {
  const { course, missing } = traffic;
  const isNew = ({ pod }: PodView): boolean => pod.revision === course.to;
  const fresh = (arriving: number): Circle => ({
    has: (view) => isNew(view) && !isLeavingMachine(view),
    arriving,
    coming: arriving,
  });
  const movers = moversOf(traffic);
  const arriving = connectionsOf(movers.filter((view) => !isNew(view)));
  const isMoving = movers.length > 0 || missing > 0;
  if (course.share < 1) {
    const total = connectionsOf(views);
    const carried = connectionsOf(views.filter(isNew));
    if (isMoving)
      return carried <= (course.share + SHARE_SLACK) * total
        ? fresh(arriving + missing)
        : undefined;
    const isFilled = staying.every((view) => !isNew(view) || !view.pod.receives);
    const until = (isFilled ? AGAIN : 1) * course.share * total;
    if (carried < until || carried === 0) return undefined;
    return { has: (view) => !isNew(view) && !isLeavingMachine(view), arriving: 0 };
  }
  // Nobody new comes to a revision that is rolled back, whatever moves.
  if (course.cause === "rollback")
    return { ...fresh(0), coming: connectionsOf(views.filter((view) => !isNew(view))) };
  if (isMoving) return fresh(arriving);
  // Between two drains it stays as it is, if the next one has its places. It would be two writes
  // of each old pod for each drain otherwise.
  const old = staying.filter((view) => !isNew(view));
  const isAlone = old.some(({ pod, stage }) => stage === "ready" && !pod.receives);
  if (!isAlone || course.held !== undefined || !course.isReleasing) return undefined;
  return fresh(Math.max(...old.map(({ load }) => load)));
}
