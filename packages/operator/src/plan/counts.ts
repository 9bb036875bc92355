// Owns: how many pods each ReplicaSet should have, counting pods that it has not made yet.
import type { Desired } from "../model/desired.ts";
import type { Observed, ObservedReplicaSet } from "../model/observed.ts";
import type { Revision } from "../model/pod.ts";
import { type Course, wantedPods } from "./course.ts";
import type { Going } from "./going.ts";
import { isGivenUp } from "./orders.ts";
import { isLeavingMachine, type PodView } from "./survey.ts";

/** A ReplicaSet that should have another number of pods. */
export interface Scale {
  readonly revision: Revision;
  readonly replicas: number;
  readonly resourceVersion?: string;
}

export interface Counts {
  readonly scales: readonly Scale[];
  /** Pods that are deleted once these numbers are written. */
  readonly deletes: readonly PodView[];
  /** Of these, pods that may have become ready since they were seen. */
  readonly unsure: readonly PodView[];
  /** Pods that are ordered or being made, and are not ready yet. */
  readonly coming: number;
  readonly waits: readonly string[];
}

interface CountsScene {
  readonly course: Course;
  readonly going: Going;
  readonly desired: Desired;
}

/** Of one revision: how many there are of what. */
interface Side {
  readonly revision: Revision;
  readonly set: ObservedReplicaSet | undefined;
  /** Pods that its ReplicaSet counts. */
  readonly active: number;
  /** Pods that stay, or are to serve again. */
  readonly staying: number;
  /** Pods that it should have made and that were not seen yet. */
  readonly holes: number;
  /** Pods that its ReplicaSet takes before any that carries people: it may be lowered by them. */
  readonly first: readonly PodView[];
}

/**
 * The numbers. A number is lowered only by pods that its ReplicaSet takes first, or for pods that
 * never came. It is lowered before these pods are deleted: there is no gap in which the ReplicaSet
 * makes another. Such a one might be ready when the ReplicaSet sees its new number, and then pods
 * that drain would go before it.
 */
export function planCounts(
  observed: Observed,
  views: readonly PodView[],
  { course, going, desired }: CountsScene,
): Counts {
  const revisions = new Set([
    course.to,
    ...(course.share < 1 ? [course.from] : []),
    ...observed.replicaSets.map(({ revision }) => revision),
    ...views.map(({ pod }) => pod.revision),
  ]);
  const sides = [...revisions]
    .sort()
    .map((revision) => sideOf(revision, observed, views, { going, desired }));
  const isComing = sides.some(({ revision, holes }) => revision === course.to && holes > 0);
  const extra = isComing ? 0 : extraPods(views, course, going);
  const wanted = wantedFor(sides, course, extra);
  const budget = Math.max(extra, budgetOf(sides, views, course));
  const waits: string[] = [];
  const scales = sides.flatMap((side) => {
    const missing = Math.max(0, (wanted.get(side.revision) ?? 0) - side.staying);
    const isTo = side.revision === course.to;
    const created = Math.max(
      0,
      isTo ? Math.min(missing - side.holes, budget) : missing - side.holes,
    );
    // In a release its own pods are waited for, also those beyond the wish.
    const holes = isTo && course.isReleasing ? side.holes : keptHoles(side, missing, waits);
    const replicas = side.active - side.first.length + holes + created;
    return scaleOf(side, replicas);
  });
  const unready = views.filter(({ stage }) => stage === "unborn").length;
  const ordered = scales.reduce(
    (sum, { revision, replicas }) =>
      sum + Math.max(0, replicas - (sides.find((one) => one.revision === revision)?.active ?? 0)),
    0,
  );
  const holes = sides.reduce((sum, side) => sum + side.holes, 0);
  return {
    scales,
    deletes: [...sides.flatMap(({ first }) => first), ...going.removes.filter(isDisobedient)],
    unsure: sides.flatMap(({ first }) => first.filter((view) => !obeys(view))),
    coming: unready + Math.max(ordered, holes),
    waits,
  };
}

function sideOf(
  revision: Revision,
  observed: Observed,
  views: readonly PodView[],
  { going, desired }: Pick<CountsScene, "going" | "desired">,
): Side {
  const set = observed.replicaSets.find((one) => one.revision === revision);
  const mine = views.filter(({ pod }) => pod.revision === revision);
  const goes = new Set([
    ...going.continues,
    ...going.removes,
    ...going.kept,
    ...going.starts.map(({ view }) => view),
  ]);
  return {
    revision,
    set,
    active: mine.length,
    staying: mine.filter((view) => !goes.has(view) && !isLeavingMachine(view)).length,
    holes: Math.max(0, (set?.replicas ?? 0) - mine.length),
    first: firstOf(mine, going, desired.drain.staysReady === true),
  };
}

/**
 * A ReplicaSet that is lowered takes pods that are not ready first, and of these the ones with the
 * lowest cost. A pod that obeys an order to drain never becomes ready. Any other one may be ready
 * when it is chosen. So it counts only if nobody is on those that would go instead.
 *
 * Where pods that drain stay ready, the lowest cost makes an empty one the first of those that are.
 */
function firstOf(mine: readonly PodView[], going: Going, staysReady: boolean): readonly PodView[] {
  const goesFirst = (view: PodView): boolean =>
    !view.pod.isReady || (staysReady && view.stage === "emptied" && obeys(view));
  const ends = mine.filter(
    (view) => going.removes.includes(view) && isGivenUp(view) && goesFirst(view),
  );
  const isRisky = mine.some(
    (view) => !going.removes.includes(view) && mayCarry(view) && !view.pod.isReady,
  );
  return ends.filter((view) => obeys(view) || !isRisky);
}

const obeys = ({ pod, mark }: PodView): boolean =>
  pod.report?.state === "draining" && pod.report.fence === mark?.token;

const mayCarry = ({ load, pod }: PodView): boolean =>
  load > 0 || (pod.report === undefined && pod.phase !== "Pending");

/**
 * Its time is over, and it is ready: its ReplicaSet would take others first. So only it is deleted.
 * The ReplicaSet makes another one, which goes in its turn.
 */
const isDisobedient = (view: PodView): boolean =>
  isGivenUp(view) && view.stage === "overdue" && view.pod.isReady;

/** How many pods of each revision should stay. Pods that wait for their drain are among them. */
function wantedFor(
  sides: readonly Side[],
  course: Course,
  extra: number,
): ReadonlyMap<Revision, number> {
  const want = wantedPods(course);
  const others = sides.filter(({ revision }) => revision !== course.to);
  const staying = (revision: Revision): number =>
    sides.find((side) => side.revision === revision)?.staying ?? 0;
  const oldStaying = others.reduce((sum, side) => sum + side.staying, 0);
  return new Map([
    [course.to, Math.max(want.to, extra === 0 ? 0 : staying(course.to) + extra)],
    ...others.map(({ revision, staying: has }): [Revision, number] => [
      revision,
      revision === course.from ? has + Math.max(0, want.old - oldStaying) : has,
    ]),
  ]);
}

/**
 * Pods of `to` that may be made now. Pods of machines that go are replaced one for one, beside the
 * surge.
 */
function budgetOf(sides: readonly Side[], views: readonly PodView[], course: Course): number {
  const holes = sides.reduce((sum, side) => sum + side.holes, 0);
  const live = views.filter((view) => !isLeavingMachine(view)).length + holes;
  // Pods that drain or are kept serve nobody new: whatever they are, as many as wished serve.
  const serving = sides.reduce((sum, { staying }) => sum + staying, holes);
  const surge = course.replicas + (course.held !== undefined ? 0 : course.surge) - live;
  return Math.max(0, surge, course.replicas - serving);
}

/**
 * One pod beyond the surge if a release stands still without it: no drain runs or may begin, and
 * nothing is coming. What an old pod carries may not fit on the new ones, which newcomers fill as
 * well. At most as many as the wish beside the wish.
 */
function extraPods(views: readonly PodView[], course: Course, going: Going): number {
  if (!course.isReleasing || course.held !== undefined) return 0;
  const isNew = ({ pod }: PodView): boolean => pod.revision === course.to;
  const old = views.filter(
    (view) => !isNew(view) && !isLeavingMachine(view) && !going.kept.includes(view),
  );
  const fresh = views.filter((view) => isNew(view) && !isLeavingMachine(view));
  const most = course.share < 1 ? wantedPods(course).to : 2 * Math.max(1, course.replicas);
  const moves = going.starts.length + going.continues.length + going.removes.length > 0;
  const isComing = fresh.some(({ isWarm }) => !isWarm);
  return old.length === 0 || moves || isComing || fresh.length >= most ? 0 : 1;
}

/** Pods that never came and are not wanted any more are taken back, once their absence is sure. */
function keptHoles(side: Side, missing: number, waits: string[]): number {
  const wanted = Math.min(side.holes, missing);
  if (wanted === side.holes || side.set === undefined) return side.holes;
  if (side.set.replicasSeen === side.active) return wanted;
  waits.push(`What is known of the pods of revision ${side.revision} is not up to date.`);
  return side.holes;
}

function scaleOf({ revision, set }: Side, replicas: number): readonly Scale[] {
  if (set === undefined) return replicas === 0 ? [] : [{ revision, replicas }];
  if (set.replicas === replicas) return [];
  return [{ revision, replicas, resourceVersion: set.resourceVersion }];
}
