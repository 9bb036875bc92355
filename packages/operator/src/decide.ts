// Owns: the decision: from what is seen and what is wished to what is done. Pure, and without any
// memory of its own: what it must remember is in the status and in the pods' marks.
import type { Action, Decision } from "./model/actions.ts";
import type { Desired } from "./model/desired.ts";
import type { Observed, Status } from "./model/observed.ts";
import { planCounts } from "./plan/counts.ts";
import { planGoing } from "./plan/going.ts";
import { asSeen, costOf, GOING_COST, isRepeated, ordersFor } from "./plan/orders.ts";
import { portions, rebalancing } from "./plan/rebalance.ts";
import { planReceiving, type Receiving } from "./plan/receiving.ts";
import { ended, shedding, sheds } from "./plan/shares.ts";
import { type PodView, survey } from "./plan/survey.ts";
import { type News, steer } from "./release/steering.ts";
import { scale } from "./scaling.ts";
import { type Decided, wordsFor } from "./status.ts";

/**
 * What to do now. `nowMs` is wall time, which may jump: it decides how long a step, a pause or a
 * quiet time lasts, never whether a deadline is over. If everything was done, the same question
 * with what is seen then has the answer: nothing.
 */
export function decide(observed: Observed, desired: Desired, nowMs: number): Decision {
  const views = survey(observed, desired, nowMs);
  const scaling = scale(observed, desired, views, nowMs);
  const steering = steer({ observed, desired, views, replicas: scaling.replicas, nowMs });
  const { course } = steering;
  const going = planGoing(views, course, desired);
  const counts = planCounts(observed, views, { course, going, desired });
  const rebalance = rebalancing(views, {
    before: observed.status?.rebalancing,
    course,
    going,
    ends: observed.status?.release !== undefined && !course.isReleasing,
    wish: desired.rebalance,
    nowMs,
  });
  const parts = { observed, views, scaling, steering, going, counts, rebalance, nowMs };
  const status = statusOf(parts);
  const context = { leaderEpoch: observed.leaderEpoch, nowMs };
  const missing = shedding(course, views, going);
  const { preDelayMs } = desired.drain;
  const receiving = planReceiving(views, {
    course,
    going,
    missing,
    preDelayMs,
    givers: rebalance.givers,
    rebalance: desired.rebalance,
  });
  const all = ordersFor(going, views, context);
  const repeated = all.filter((order) => isRepeated(order, views));
  const { labels, orders } = oneWriteEach(receiving.actions, all, repeated);
  return {
    actions: [
      ...repeated,
      ...(isSame(observed.status, status)
        ? []
        : [{ kind: "set-status" as const, status, resourceVersion: observed.resourceVersion }]),
      ...events(parts),
      // Whoever moves finds the way that it is to go.
      ...labels,
      ...orders.filter((order) => !repeated.includes(order)),
      ...shares(parts, missing, receiving),
      // A pod that was written to since refuses this, and what follows is not done.
      ...counts.unsure.map(({ pod }): Action => costOf(pod, GOING_COST)),
      ...counts.scales.map((one): Action => ({ kind: "scale-revision", ...one })),
      ...counts.deletes.map(remove),
    ],
  };
}

/** Orders to give sessions away, and ends of such orders. They wait for balancers. */
function shares(
  { steering: { course }, views, rebalance: { givers } }: Decided,
  missing: number,
  { isRouted, isForGivers }: Receiving,
): readonly Action[] {
  if (givers.size > 0)
    return [...(isRouted && isForGivers ? portions(views, givers) : []), ...ended(views, givers)];
  return missing > 0 && !isRouted ? [] : sheds(course, views, missing);
}

/** One write for each pod: marks before labels, labels before what is not urgent. */
function oneWriteEach(
  labels: readonly Action[],
  orders: readonly Action[],
  repeated: readonly Action[],
): { readonly labels: readonly Action[]; readonly orders: readonly Action[] } {
  const isMark = ({ kind }: Action): boolean => kind === "order-drain" || kind === "cancel-drain";
  const marked = podsOf(orders.filter((order) => isMark(order) && !repeated.includes(order)));
  const urgent = labels.filter((label) => podsOf([label]).every((uid) => !marked.includes(uid)));
  const labelled = podsOf(urgent);
  return {
    labels: urgent,
    orders: orders.filter(
      (order) => isMark(order) || podsOf([order]).every((uid) => !labelled.includes(uid)),
    ),
  };
}

const podsOf = (actions: readonly Action[]): readonly string[] =>
  actions.flatMap((one) => ("pod" in one ? [one.pod.uid] : []));

function remove({ pod, stage }: PodView): Action {
  const because = stage === "overdue" ? "its deadline is over" : "nobody is on it";
  return { kind: "remove-pod", pod: asSeen(pod), because };
}

function statusOf(parts: Decided): Status {
  const { stable, release, rejected } = parts.steering;
  const { state } = parts.scaling;
  return {
    stable,
    ...(release === undefined ? {} : { release }),
    ...(state === undefined ? {} : { autoscaling: state }),
    ...(parts.rebalance.state === undefined ? {} : { rebalancing: parts.rebalance.state }),
    rejected,
    ...wordsFor(parts),
  };
}

/** Both were made here, so members have the same order whenever they are the same. */
function isSame(a: Status | undefined, b: Status): boolean {
  return a !== undefined && text(a) === text(b);
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    member !== null && typeof member === "object" && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([x], [y]) => (x < y ? -1 : 1)))
      : member,
  );

/** Told once: what they tell of is in the status or in a mark from then on. */
function events({ steering, observed, scaling, going, counts }: Decided): readonly Action[] {
  const { news } = steering;
  const before = observed.status?.autoscaling?.replicas;
  const { replicas } = scaling;
  const scaled: readonly News[] =
    scaling.state === undefined || before === undefined || before === replicas
      ? []
      : [
          {
            reason: before < replicas ? "ScaledUp" : "ScaledDown",
            text: `From ${before} to ${replicas} pods.`,
          },
        ];
  return [
    ...news,
    ...scaled,
    ...going.starts.map(({ view, cause }): News => {
      const text = `${view.pod.name} drains (${cause}): ${view.load} connections.`;
      return { reason: "DrainOrdered", text };
    }),
    ...going.cancels.map(({ pod }): News => {
      return { reason: "DrainCancelled", text: `${pod.name} serves again.` };
    }),
    ...counts.deletes
      .filter(({ stage }) => stage === "overdue")
      .map(({ pod, load }): News => {
        const text = `${pod.name} is removed with ${load} connections: its deadline is over.`;
        return { reason: "DeadlineOver", text };
      }),
  ].map((one) => ({ kind: "event", ...one }));
}
