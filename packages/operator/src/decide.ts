// Owns: the decision: from what is seen and what is wished to what is done. Pure, and without any
// memory of its own: what it must remember is in the status and in the pods' marks.
import type { Action, Decision } from "./model/actions.ts";
import type { Desired } from "./model/desired.ts";
import type { Observed, Status } from "./model/observed.ts";
import { planCounts } from "./plan/counts.ts";
import { type Going, planGoing } from "./plan/going.ts";
import { asSeen, isRepeated, ordersFor } from "./plan/orders.ts";
import { sheds } from "./plan/shares.ts";
import { type PodView, survey } from "./plan/survey.ts";
import { type News, steer } from "./release/steering.ts";
import { type Scaling, scale } from "./scaling.ts";
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
  const counts = planCounts(observed, views, { course, going });
  const parts = { observed, views, scaling, steering, going, counts, nowMs };
  const status = statusOf(parts);
  const context = { leaderEpoch: observed.leaderEpoch, nowMs };
  const orders = ordersFor(going, views, context);
  const repeated = orders.filter((order) => isRepeated(order, views));
  return {
    actions: [
      ...repeated,
      ...(isSame(observed.status, status)
        ? []
        : [{ kind: "set-status" as const, status, resourceVersion: observed.resourceVersion }]),
      ...events(steering.news, observed, scaling, going),
      ...orders.filter((order) => !repeated.includes(order)),
      ...sheds(course, views, going),
      ...going.removes.map(remove),
      ...counts.scales.map((one): Action => ({ kind: "scale-revision", ...one })),
    ],
  };
}

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
function events(
  news: readonly News[],
  observed: Observed,
  scaling: Scaling,
  going: Going,
): readonly Action[] {
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
    ...going.removes
      .filter(({ stage }) => stage === "overdue")
      .map(({ pod, load }): News => {
        const text = `${pod.name} is removed with ${load} connections: its deadline is over.`;
        return { reason: "DeadlineOver", text };
      }),
  ].map((one) => ({ kind: "event", ...one }));
}
