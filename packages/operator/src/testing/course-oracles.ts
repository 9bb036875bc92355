// Owns: what must be true of drains that begin, because of what is wished: a canary's share, and
// replacements of pods whose machine goes.
import type { Action } from "../model/actions.ts";
import type { Desired } from "../model/desired.ts";
import type { Observed, Status } from "../model/observed.ts";
import type { ObservedPod } from "../model/pod.ts";

type Begun = readonly [Extract<Action, { kind: "order-drain" }>, ObservedPod];

/** Connections of a pod when it was last heard of. */
export const carried = ({ report }: ObservedPod): number =>
  (report?.sessions ?? 0) + (report?.fixedSockets ?? 0);

export function courseWrongs(
  observed: Observed,
  desired: Desired,
  begun: readonly Begun[],
  actions: readonly Action[],
): readonly string[] {
  const written = actions.find((one) => one.kind === "set-status");
  const status = written?.kind === "set-status" ? written.status : observed.status;
  if (status === undefined || begun.length === 0) return [];
  return [
    ...shares(observed, desired, begun, status),
    ...replaced(observed, desired, begun, status),
  ];
}

/** A canary gets no more than its step's share by drains, but for a fiftieth. */
function shares(
  observed: Observed,
  { release: { strategy } }: Desired,
  begun: readonly Begun[],
  { release }: Status,
): readonly string[] {
  const step = strategy.kind === "Canary" ? strategy.steps[release?.step ?? 0] : undefined;
  const drains = begun.filter(([{ mark }]) => mark.cause === "release");
  if (step === undefined || release?.phase !== "advancing" || drains.length === 0) return [];
  const live = observed.pods.filter((pod) => !pod.isTerminating && pod.phase !== "Failed");
  const sum = (pods: readonly ObservedPod[]): number =>
    pods.reduce((total, pod) => total + carried(pod), 0);
  const most = (step.sharePercent / 100 + 0.02) * sum(live);
  const gets = sum(live.filter(({ revision }) => revision === release.to));
  const more = sum(drains.map(([, pod]) => pod));
  return more === 0 || gets + more <= most + 1e-9
    ? []
    : [`the canary gets ${gets + more} connections, at most ${most}`];
}

/** As many as wished are ready besides, unless the machine's end or the patience is near. */
function replaced(
  observed: Observed,
  desired: Desired,
  begun: readonly Begun[],
  status: Status,
): readonly string[] {
  const going = new Set(begun.map(([, { uid }]) => uid));
  const ready = observed.pods.filter(
    (pod) =>
      pod.isReady &&
      !pod.isTerminating &&
      pod.mark?.wants !== "drain" &&
      pod.report?.state === "ready" &&
      !going.has(pod.uid),
  ).length;
  const wished = status.autoscaling?.replicas ?? desired.replicas;
  return begun.flatMap(([{ mark }, pod]) => {
    const machine = observed.machines.find(({ name }) => name === pod.machine)?.going;
    if (mark.cause !== "machine" || machine === undefined || !pod.isReady) return [];
    if (machine.endsInMs !== undefined || ready >= wished) return [];
    const isTaken = pod.report?.state === "ready" && pod.report.ageMs <= 10_000;
    return isTaken && machine.watchedMs < desired.disruption.replacementMsMax
      ? [`${pod.name} drains with ${ready} of ${wished} pods ready besides`]
      : [];
  });
}
