// Owns: the orders that make pods do what the plan wants of them: each is given again until the
// data plane says that it obeyed, and each new one has a higher token.
import type { Action, PodAsSeen } from "../model/actions.ts";
import type { DrainMark, ObservedPod, PodReport } from "../model/pod.ts";
import type { Start } from "./gate.ts";
import type { Going } from "./going.ts";
import { isHeard, type PodView } from "./survey.ts";

/**
 * Of a pod that is given up: of pods that are not ready, its ReplicaSet takes it first.
 * Whoever wrote it read the pod as it was, and no operator lets the pod serve again after it.
 */
export const GOING_COST = -2_147_483_647;
/** Of a pod that drains. It is not ready, so only the cost saves its people from a ReplicaSet. */
export const DRAINING_COST = 2_147_483_647;

/** Tokens of one leader lie between its epoch and the next: `epoch * EPOCH_TOKENS`. */
const EPOCH_TOKENS = 2 ** 20;
/**
 * Tokens of leaders are below this: a Lease counts 2^31 terms. What is not below comes from no
 * leader, and no order can be above it: it would be no whole number soon.
 */
export const TOKEN_MAX = 2 ** 52;
/**
 * An order begins anew so often because its pod obeyed a later one. A data plane that always
 * reports a later one has its deadline then.
 */
const ANEW_MAX = 3;

/** What tokens and marks depend on besides the pod. */
export interface OrderContext {
  readonly leaderEpoch: number;
  readonly nowMs: number;
}

/** Orders, and what else must be written to the pods. At most one write for each pod. */
export function ordersFor(
  going: Going,
  views: readonly PodView[],
  context: OrderContext,
): readonly Action[] {
  const started = new Map(going.starts.map((start) => [start.view, start]));
  const cancelled = new Set(going.cancels);
  const removed = new Set(going.removes);
  const kept = new Set(going.kept);
  return views.flatMap((view): readonly Action[] => {
    const { pod } = view;
    const start = started.get(view);
    if (start !== undefined) return [drainOrder(start, context)];
    if (removed.has(view)) return isGivenUp(view) ? [] : [costOf(pod, GOING_COST)];
    if (cancelled.has(view)) return [serveOrder(pod, context)];
    if (kept.has(view) && pod.isProtected)
      return [{ kind: "set-protection", pod: asSeen(pod), isProtected: false }];
    return view.mark === undefined ? serving(pod, context) : draining(view, context);
  });
}

/**
 * Whether an order is only given again. It is safe with any status: a data plane that heard of a
 * later one refuses it.
 */
export function isRepeated(action: Action, views: readonly PodView[]): boolean {
  if (action.kind !== "order-drain" && action.kind !== "cancel-drain") return false;
  const mark = views.find(({ pod }) => pod.uid === action.pod.uid)?.pod.mark;
  return mark?.token === action.mark.token && mark.wants === action.mark.wants;
}

/** The pod as an action names it. */
export function asSeen({ name, uid, resourceVersion }: ObservedPod): PodAsSeen {
  return { name, uid, resourceVersion };
}

function drainOrder({ view, cause, toRevision, ...times }: Start, context: OrderContext): Action {
  return {
    kind: "order-drain",
    pod: asSeen(view.pod),
    mark: {
      wants: "drain",
      token: nextToken(view.pod, context),
      cause,
      windowMs: times.windowMs,
      preDelayMs: times.preDelayMs,
      orderedAtMs: context.nowMs,
      ...(toRevision === undefined ? {} : { toRevision }),
    },
  };
}

function serveOrder(pod: ObservedPod, context: OrderContext): Action {
  return {
    kind: "cancel-drain",
    pod: asSeen(pod),
    mark: { wants: "serve", token: nextToken(pod, context) },
  };
}

/** A pod that serves: an order to serve that its data plane has not obeyed is given again. */
function serving(pod: ObservedPod, context: OrderContext): readonly Action[] {
  const { mark, report } = pod;
  if (mark?.wants === "serve" && report?.state === "draining" && isHeard(pod))
    return isOvertaken(mark, report)
      ? [{ kind: "cancel-drain", pod: asSeen(pod), mark: anew(pod, mark, context) }]
      : [{ kind: "cancel-drain", pod: asSeen(pod), mark }];
  if (!pod.isProtected) return [{ kind: "set-protection", pod: asSeen(pod), isProtected: true }];
  if (pod.deletionCost === GOING_COST || pod.deletionCost === DRAINING_COST)
    return [costOf(pod, 0)];
  return [];
}

/** A pod that drains: the same for the order to drain. */
function draining({ pod, mark, stage }: PodView, context: OrderContext): readonly Action[] {
  if (mark === undefined) return [];
  const { report } = pod;
  // Somebody's later order was obeyed. This one's deadline would be no deadline: it begins again.
  if (report !== undefined && isOvertaken(mark, report)) {
    const { nowMs } = context;
    const later = { ...anew(pod, mark, context), orderedAtMs: nowMs };
    return [{ kind: "order-drain", pod: asSeen(pod), mark: later }];
  }
  const obeys = report?.state === "draining" && report.fence === mark.token;
  if (!obeys && stage === "draining") return [{ kind: "order-drain", pod: asSeen(pod), mark }];
  const isWritten = isGivenUp({ pod, mark }) || pod.deletionCost === DRAINING_COST;
  return isWritten || stage === "emptied" ? [] : [costOf(pod, DRAINING_COST)];
}

/** Writes the cost; if the pod has it already, only whether the pod is as it was seen. */
export const costOf = (pod: ObservedPod, cost: number): Action => ({
  kind: "set-deletion-cost",
  pod: asSeen(pod),
  cost,
});

/** It goes, whatever is wished from now on: its ReplicaSet may take it at any time. */
export const isGivenUp = ({ pod, mark }: Pick<PodView, "pod" | "mark">): boolean =>
  mark !== undefined && pod.deletionCost === GOING_COST;

/** Its data plane obeyed a later order, and one above that can be given. */
const isOvertaken = ({ token, anew = 0 }: DrainMark, { fence }: PodReport): boolean =>
  fence > token && fence < TOKEN_MAX && anew < ANEW_MAX;

function anew<M extends DrainMark>(pod: ObservedPod, mark: M, context: OrderContext): M {
  return { ...mark, token: nextToken(pod, context), anew: (mark.anew ?? 0) + 1 };
}

/**
 * Above every token that the pod obeyed or was to obey, and above those of earlier leaders. Tokens
 * that are none are left out.
 */
const nextToken = ({ mark, report }: ObservedPod, { leaderEpoch }: OrderContext): number =>
  leastToken([mark?.token ?? 0, report?.fence ?? 0], leaderEpoch) + 1;

/**
 * Not below these tokens, nor below those of earlier leaders. An order that may be given beside the
 * last one has it: the leader that was replaced loses, and the order that stands is not disturbed.
 */
export const leastToken = (tokens: readonly number[], leaderEpoch: number): number =>
  Math.max(...tokens.filter((token) => token < TOKEN_MAX), leaderEpoch * EPOCH_TOKENS);
