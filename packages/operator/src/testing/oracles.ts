// Owns: what must be true of every decision, checked by arithmetic of its own on what the operator
// saw.
import { decide } from "../decide.ts";
import type { Action } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { Observed } from "../model/observed.ts";
import type { ObservedPod } from "../model/pod.ts";
import { GOING_COST, TOKEN_MAX } from "../plan/orders.ts";
import { lastsMs } from "../plan/survey.ts";
import { applied } from "./applied.ts";
import { carried, courseWrongs } from "./course-oracles.ts";

/** Decisions after which the same standing world must have nothing new. */
const REPEATS_MAX = 40;

type NewDrain = Extract<Action, { kind: "order-drain" }>;

/** What is wrong with what was decided. */
export function wrongs(
  observed: Observed,
  desired: Desired,
  actions: readonly Action[],
): readonly string[] {
  return [
    ...courseWrongs(observed, desired, begun(observed, actions), actions),
    ...sideBySide(observed, actions),
    ...places(observed, actions),
    ...receivers(observed, actions),
    ...stopped(observed, actions),
    ...tokens(observed, actions),
    ...removals(observed, actions),
    ...words(observed, actions),
    ...oneWrite(observed, actions),
    ...received(observed, actions),
    ...settledFirst(observed, actions),
    ...evened(observed, actions),
  ];
}

const isDraining = (pod: ObservedPod): boolean => pod.mark?.wants === "drain";

/** Drains that this decision begins. */
function begun(observed: Observed, actions: readonly Action[]): readonly [NewDrain, ObservedPod][] {
  return actions.flatMap((action): [NewDrain, ObservedPod][] => {
    if (action.kind !== "order-drain") return [];
    const pod = observed.pods.find(({ uid }) => uid === action.pod.uid);
    return pod === undefined || isDraining(pod) ? [] : [[action, pod]];
  });
}

function sideBySide(observed: Observed, actions: readonly Action[]): readonly string[] {
  const busy = observed.pods
    .filter((pod) => isDraining(pod) && !pod.isTerminating && carried(pod) > 0)
    .filter(
      ({ uid }) =>
        !actions.some(
          (one) =>
            (one.kind === "remove-pod" || one.kind === "cancel-drain") && one.pod.uid === uid,
        ),
    )
    .map(({ machine }) => machine);
  const wrong: string[] = [];
  for (const [, pod] of begun(observed, actions)) {
    if (pod.phase === "Pending" && pod.report === undefined) continue;
    const machine = observed.machines.find(({ name }) => name === pod.machine);
    if (
      machine !== undefined &&
      machine.going?.endsInMs === undefined &&
      busy.includes(pod.machine)
    )
      wrong.push(`${pod.name} drains beside another pod of ${pod.machine}`);
    busy.push(pod.machine);
  }
  return wrong;
}

/** Places that are left on ready pods, without those that go, hold everybody. */
function places(observed: Observed, actions: readonly Action[]): readonly string[] {
  const begins = begun(observed, actions).filter(
    ([{ mark }, pod]) =>
      mark.cause !== "machine" && (carried(pod) > 0 || (pod.isReady && pod.report !== undefined)),
  );
  if (begins.length === 0) return [];
  const going = new Set(begun(observed, actions).map(([, { uid }]) => uid));
  const live = observed.pods.filter(
    ({ isTerminating, phase }) => !isTerminating && phase !== "Failed",
  );
  const left = live
    .filter((pod) => pod.isReady && !isDraining(pod) && !going.has(pod.uid))
    .filter(({ report }) => report?.state === "ready")
    .reduce((sum, { report }) => sum + (report?.connectionsMax ?? 0), 0);
  const need = live.reduce((sum, pod) => sum + carried(pod), 0);
  return need <= left ? [] : [`${need} connections on ${left} places after a drain began`];
}

/** Pods of the revision that a release drains into hold what comes. */
function receivers(observed: Observed, actions: readonly Action[]): readonly string[] {
  return begun(observed, actions).flatMap(([{ mark }, pod]) => {
    const { toRevision, cause } = mark;
    if (toRevision === undefined || cause === "machine" || carried(pod) === 0) return [];
    const coming = observed.pods.filter(
      (one) =>
        one.revision !== toRevision &&
        (one.uid === pod.uid ||
          (isDraining(one) &&
            !one.isTerminating &&
            one.phase !== "Failed" &&
            !isDone(one, actions))),
    );
    const open = observed.pods.filter(
      (one) =>
        one.revision === toRevision &&
        one.isReady &&
        !isDraining(one) &&
        !one.isTerminating &&
        one.report?.state === "ready",
    );
    const room = open.reduce(
      (sum, one) => sum + (one.report?.connectionsMax ?? 0) - carried(one),
      0,
    );
    const need = coming.reduce((sum, one) => sum + carried(one), 0);
    return need <= room ? [] : [`${need} connections drain into ${room} places of ${toRevision}`];
  });
}

/** If connections have no place, a drain that could give places back is undone. */
function stopped(observed: Observed, actions: readonly Action[]): readonly string[] {
  const live = observed.pods.filter(
    ({ isTerminating, phase }) => !isTerminating && phase !== "Failed",
  );
  const isBack = (pod: ObservedPod): boolean =>
    actions.some((one) => one.kind === "cancel-drain" && one.pod.uid === pod.uid);
  const isHeard = ({ report }: ObservedPod): boolean =>
    report !== undefined && report.ageMs <= 10_000;
  const taking = live.filter(
    (pod) =>
      isHeard(pod) &&
      (isBack(pod) || (pod.isReady && !isDraining(pod) && pod.report?.state === "ready")),
  );
  const places = taking.reduce((sum, { report }) => sum + (report?.connectionsMax ?? 0), 0);
  const need = live.reduce((sum, pod) => sum + carried(pod), 0);
  if (need <= places) return [];
  return live
    .filter(
      (pod) =>
        isDraining(pod) &&
        isHeard(pod) &&
        pod.report?.state === "draining" &&
        pod.deletionCost !== GOING_COST &&
        !isDone(pod, actions),
    )
    .filter(({ mark, machine, markWatchedMs }) => {
      const goes = observed.machines.find(({ name }) => name === machine)?.going !== undefined;
      if (mark?.wants !== "drain" || goes || markWatchedMs >= lastsMs(mark)) return false;
      return mark.cause === "release" || mark.cause === "scale-down";
    })
    .map(({ name }) => `${name} drains on while ${need} connections have ${places} places`);
}

/** The autoscaling takes a pod away only from a set in which nothing else is under way. */
function settledFirst(observed: Observed, actions: readonly Action[]): readonly string[] {
  const before = observed.status?.autoscaling?.replicas;
  const written = actions.find((one) => one.kind === "set-status");
  const after = written?.kind === "set-status" ? written.status.autoscaling?.replicas : undefined;
  if (before === undefined || after === undefined || after >= before) return [];
  const going = new Set(
    observed.machines.filter((one) => one.going !== undefined).map(({ name }) => name),
  );
  const busy = observed.pods.find(
    (pod) =>
      !pod.isTerminating &&
      pod.phase !== "Failed" &&
      (isDraining(pod) || !pod.isReady || going.has(pod.machine ?? "")),
  );
  if (busy !== undefined) return [`fewer pods are wished while ${busy.name} is unsettled`];
  return observed.status?.release === undefined ? [] : ["fewer pods are wished in a release"];
}

/** Outside of a release pods give to their own revision, one of a machine, in a set at rest. */
function evened(observed: Observed, actions: readonly Action[]): readonly string[] {
  const written = actions.find((one) => one.kind === "set-status");
  const status = written?.kind === "set-status" ? written.status : observed.status;
  if (status?.release !== undefined) return [];
  const live = observed.pods.filter((pod) => !pod.isTerminating && pod.phase !== "Failed");
  const mean = live.reduce((sum, pod) => sum + carried(pod), 0) / Math.max(1, live.length);
  const isGiving = ({ report }: ObservedPod): boolean => (report?.shed?.remaining ?? 0) > 0;
  const machines = live.filter(isGiving).map(({ machine }) => machine);
  return actions.flatMap((action): readonly string[] => {
    const pod = live.find((one) => action.kind === "shed" && one.uid === action.pod.uid);
    if (action.kind !== "shed" || pod === undefined) return [];
    // It ends an order.
    if (action.sessionsKept >= (pod.report?.sessions ?? 0)) return [];
    const isBeside = machines.includes(pod.machine);
    machines.push(pod.machine);
    const unsettled = live.find((one) => isDraining(one) || !one.isReady);
    const fixed = pod.report?.fixedSockets ?? 0;
    return [
      ...(isBeside ? [`${pod.name} gives beside another pod of its machine`] : []),
      ...(action.toRevision === pod.revision ? [] : [`${pod.name} gives to another revision`]),
      ...(unsettled === undefined
        ? []
        : [`${pod.name} gives while ${unsettled.name} is unsettled`]),
      ...(action.sessionsKept + fixed + 1 > mean
        ? []
        : [`${pod.name} gives more than is too much`]),
      ...(pod.receives ? [`${pod.name} gives and receives`] : []),
    ];
  });
}

/** A new order is above all that the pod obeyed or was to obey. */
function tokens(observed: Observed, actions: readonly Action[]): readonly string[] {
  return actions.flatMap((action) => {
    if (action.kind !== "order-drain" && action.kind !== "cancel-drain") return [];
    const pod = observed.pods.find(({ uid }) => uid === action.pod.uid);
    const isAgain = pod?.mark?.token === action.mark.token && pod.mark.wants === action.mark.wants;
    const fence = pod?.report?.fence ?? 0;
    // No leader gave that.
    const before = Math.max(pod?.mark?.token ?? 0, fence < TOKEN_MAX ? fence : 0);
    return isAgain || action.mark.token > before
      ? []
      : [`the token ${action.mark.token} for ${action.pod.name} is not above ${before}`];
  });
}

/** Nobody is on a pod that is removed, or its deadline is over by a clock that does not jump. */
function removals(observed: Observed, actions: readonly Action[]): readonly string[] {
  return actions.flatMap((action) => {
    if (action.kind !== "remove-pod") return [];
    const pod = observed.pods.find(({ uid }) => uid === action.pod.uid);
    if (pod === undefined) return ["a pod is removed that was not seen"];
    const { mark, report } = pod;
    if (pod.phase === "Pending" && carried(pod) === 0) return [];
    if (mark?.wants !== "drain") return [`${pod.name} is removed and was not told to drain`];
    const isOver = pod.markWatchedMs >= lastsMs(mark) || (report?.drainLeftMs ?? 1) <= 0;
    const isEmpty =
      report?.state === "draining" && report.fence === mark.token && carried(pod) === 0;
    return isOver || isEmpty ? [] : [`${pod.name} is removed too early`];
  });
}

/** The status says so if anything is under way. */
function words(observed: Observed, actions: readonly Action[]): readonly string[] {
  const written = actions.find((one) => one.kind === "set-status");
  const status = written?.kind === "set-status" ? written.status : observed.status;
  if (status === undefined) return ["there is no status"];
  if (status.message.length < 10) return ["the status says nothing"];
  const unsaid = observed.pods.find(
    (pod) =>
      isDraining(pod) &&
      carried(pod) > 0 &&
      !pod.isTerminating &&
      !isDone(pod, actions) &&
      !status.message.includes(`${pod.name} drains`) &&
      !status.message.includes(" more."),
  );
  if (unsaid !== undefined)
    return [`the status says "${status.message}" and not that ${unsaid.name} drains`];
  if (status.condition !== "Settled") return [];
  const drains = begun(observed, actions).length;
  const others = observed.pods.filter(
    (pod) =>
      !pod.isTerminating &&
      (!pod.isReady || (isDraining(pod) && carried(pod) > 0)) &&
      !isDone(pod, actions),
  );
  if (drains === 0 && others.length === 0 && status.release === undefined) return [];
  return [`the status says "${status.message}" while something is under way`];
}

/** It is removed or serves again. */
const isDone = (pod: ObservedPod, actions: readonly Action[]): boolean =>
  actions.some(
    (one) => (one.kind === "remove-pod" || one.kind === "cancel-drain") && one.pod.uid === pod.uid,
  );

/** The order is given again: it writes nothing. */
function isAgain(action: Action, { pods }: Observed): boolean {
  if (action.kind !== "order-drain" && action.kind !== "cancel-drain") return false;
  const mark = pods.find(({ uid }) => uid === action.pod.uid)?.mark;
  return mark?.token === action.mark.token && mark.wants === action.mark.wants;
}

/** The cost is what it was: nothing is written. */
const isConfirmed = (action: Action, { pods }: Observed): boolean =>
  action.kind === "set-deletion-cost" &&
  pods.find(({ uid }) => uid === action.pod.uid)?.deletionCost === action.cost;

/** Two writes of one pod in one decision: the second would be refused. */
function oneWrite(observed: Observed, actions: readonly Action[]): readonly string[] {
  const pods = actions.flatMap((one) =>
    "pod" in one && one.kind !== "shed" && !isAgain(one, observed) && !isConfirmed(one, observed)
      ? [one.pod.uid]
      : [],
  );
  return new Set(pods).size === pods.length ? [] : ["a pod is written to twice"];
}

/** Once everything is done, and the world stands still, nothing new is decided. */
export function unstable(observed: Observed, desired: Desired, nowMs: number): string | undefined {
  const ask = (): string => JSON.stringify(decide(observed, desired, nowMs));
  const answers = new Set([ask(), ask()]);
  if (answers.size > 1) return "the same question had two answers";
  let [now, before] = [observed, ""];
  for (let i = 0; i < REPEATS_MAX; i++) {
    const { actions } = decide(now, desired, nowMs);
    const text = JSON.stringify(actions);
    // The same orders again are no news: they are given until they are obeyed.
    if (actions.length === 0 || text === before) return undefined;
    const once = applied(now, actions);
    if (JSON.stringify(applied(once, actions)) !== JSON.stringify(once))
      return `applied twice is not applied once: ${text}`;
    [now, before] = [once, text];
  }
  return `it goes on deciding: ${before}`;
}

/** After the decision somebody receives, and with places if other pods have some. */
function received(observed: Observed, actions: readonly Action[]): readonly string[] {
  const after = applied(observed, actions);
  const takes = after.pods.filter(
    (pod) =>
      pod.isReady &&
      !isDraining(pod) &&
      !pod.isTerminating &&
      pod.phase === "Running" &&
      pod.report?.state === "ready" &&
      pod.report.ageMs <= 10_000,
  );
  if (takes.length === 0) return [];
  const receiving = takes.filter(({ receives }) => receives);
  if (receiving.length === 0) return ["nobody receives"];
  const room = (pods: readonly ObservedPod[]): number =>
    pods.reduce((sum, pod) => sum + (pod.report?.connectionsMax ?? 0) - carried(pod), 0);
  return room(receiving) > 0 || room(takes) <= 0 ? [] : ["only full pods receive"];
}
