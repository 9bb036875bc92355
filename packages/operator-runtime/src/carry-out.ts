// Owns: doing what was decided: each action is one write to Kubernetes or one order to a data
// plane. The first that is refused ends it, and the next decision sees why.
import { type Json, type KubeApi, KubeApiError } from "@holdfast/kube";
import {
  type Action,
  DRAINING_COST,
  type DrainMark,
  type PodAsSeen,
  type Status,
} from "@holdfast/operator";
import {
  COST_ANNOTATION,
  DRAIN_ANNOTATION,
  PATHS,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
} from "./names.ts";
import type { OrderPace } from "./order-pace.ts";
import { PlaneError, type PlanePlace, type Planes } from "./plane.ts";

/** One set, as its actions need it. */
export interface Target {
  readonly namespace: string;
  readonly planes: Planes;
  readonly pace: OrderPace;
  /** Of orders to keep only so many sessions. */
  readonly windowMs: number;
  /** Where a pod's data plane is; absent if it has no address. */
  place(uid: string): PlanePlace | undefined;
  /** The least token of an order that changes no other one; absent: its data plane takes none. */
  tokenOf(uid: string): number | undefined;
  /** The mark that the pod had when it was seen. */
  markOf(uid: string): DrainMark | undefined;
  /** Whether the pod follows this very order to keep only so many sessions. */
  isShedding(uid: string, order: { readonly keep: number; readonly toRevision: string }): boolean;
  /** Name of the ReplicaSet of a revision; absent if there is none. */
  replicaSet(revision: string): string | undefined;
  /** The manifest of a ReplicaSet to be made; absent: this revision's template is not known. */
  manifest(revision: string, replicas: number): Json | undefined;
  writeStatus(status: Status, resourceVersion: string): Promise<void>;
  event(reason: string, text: string): void;
}

export interface CarryOutNeeds {
  readonly api: Pick<KubeApi, "create" | "merge" | "remove">;
  /** Whether this process may still act. */
  readonly mayAct: () => boolean;
  /** Called for each action that was tried. MUST NOT throw. */
  readonly acted?: (kind: Action["kind"], outcome: ActionOutcome) => void;
}

/**
 * `unanswered`: an order that the data plane did not take; it is given again. `overtaken`: somebody
 * wrote first, or it is gone. What is behind an action that was refused is not tried.
 */
export type ActionOutcome = "done" | "unanswered" | "overtaken" | "failed";

/** What became of the actions. */
export type Outcome =
  | { readonly kind: "done"; readonly count: number }
  /** Somebody wrote first, or it is gone: decide again. */
  | {
      readonly kind: "overtaken";
      /** The action that was refused, and why. */
      readonly by: string;
      readonly why: string;
      readonly count: number;
    }
  | { readonly kind: "not-leading"; readonly count: number }
  | { readonly kind: "failed"; readonly error: Error; readonly count: number };

/**
 * Orders to data planes under way at a time. If so many were taken by nobody, the others are left
 * to the next look: it comes a second later, and those that are silent wait longer then.
 */
const ORDERS_MAX = 32;

/**
 * Writes to Kubernetes in order. Orders to data planes run beside each other and what follows:
 * pods that are silent keep nothing else waiting. Never rejects for what Kubernetes or a data
 * plane answers.
 */
export async function carryOut(
  actions: readonly Action[],
  target: Target,
  needs: CarryOutNeeds,
): Promise<Outcome> {
  const turns = target.pace.turns(actions.flatMap((one) => ("pod" in one ? [one.pod.uid] : [])));
  const orders = new Orders(needs, target.pace, turns);
  const outcome = await writes(actions, target, needs, orders).finally(() => orders.ended());
  return { ...outcome, count: outcome.count + orders.obeyed };
}

async function writes(
  actions: readonly Action[],
  target: Target,
  needs: CarryOutNeeds,
  orders: Orders,
): Promise<Outcome> {
  let count = 0;
  for (const action of actions) {
    if (!needs.mayAct()) return { kind: "not-leading", count };
    try {
      const order = await act(action, target, needs);
      if (order !== undefined) {
        await orders.give(action.kind, order);
        continue;
      }
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error;
      const isOvertaken = error.status === 409 || error.status === 404;
      needs.acted?.(action.kind, isOvertaken ? "overtaken" : "failed");
      return isOvertaken
        ? { kind: "overtaken", by: action.kind, why: error.message, count }
        : { kind: "failed", error, count };
    }
    needs.acted?.(action.kind, "done");
    count += 1;
  }
  return { kind: "done", count };
}

interface PlaneOrder {
  readonly uid: string;
  readonly give: () => Promise<void>;
}

class Orders {
  readonly #needs: CarryOutNeeds;
  readonly #pace: OrderPace;
  readonly #turns: ReadonlySet<string>;
  #missed = 0;
  readonly #underWay = new Set<Promise<void>>();
  #fault: { readonly error: unknown } | undefined;
  obeyed = 0;

  constructor(needs: CarryOutNeeds, pace: OrderPace, turns: ReadonlySet<string>) {
    this.#needs = needs;
    this.#pace = pace;
    this.#turns = turns;
  }

  /** Resolves when it is on its way, or left to a later look. */
  async give(kind: Action["kind"], order: PlaneOrder): Promise<void> {
    if (!this.#turns.has(order.uid)) return;
    while (this.#underWay.size >= ORDERS_MAX) await Promise.race(this.#underWay);
    if (this.#missed >= ORDERS_MAX || !this.#needs.mayAct()) return;
    const given: Promise<void> = this.#result(kind, order).finally(() =>
      this.#underWay.delete(given),
    );
    this.#underWay.add(given);
  }

  /** Resolves when all were answered or not. Rejects for a fault of ours alone. */
  async ended(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#fault !== undefined) throw this.#fault.error;
  }

  async #result(kind: Action["kind"], { uid, give }: PlaneOrder): Promise<void> {
    try {
      await give();
      this.#pace.answered(uid);
      this.obeyed += 1;
      this.#needs.acted?.(kind, "done");
    } catch (error) {
      // One that did not arrive is given again by the next decision: the mark is written.
      if (!(error instanceof PlaneError)) {
        this.#fault = { error };
        return;
      }
      this.#needs.acted?.(kind, "unanswered");
      if (error.code !== "unreachable") return this.#pace.answered(uid);
      this.#missed += 1;
      this.#pace.missed(uid);
    }
  }
}

/** Resolves with what its data plane is to be told, if anything. */
async function act(
  action: Action,
  target: Target,
  { api }: CarryOutNeeds,
): Promise<PlaneOrder | undefined> {
  switch (action.kind) {
    case "event":
      target.event(action.reason, action.text);
      return undefined;
    case "set-status":
      await target.writeStatus(action.status, action.resourceVersion);
      return undefined;
    case "order-drain":
    case "cancel-drain":
      return order(action, target, api);
    case "shed": {
      const place = target.place(action.pod.uid);
      if (place === undefined) return undefined;
      const { sessionsKept: keep, toRevision } = action;
      // Given again it would begin anew, and ask everybody once more.
      if (target.isShedding(action.pod.uid, { keep, toRevision })) return undefined;
      const { windowMs } = target;
      const { uid } = place;
      const token = target.tokenOf(uid);
      const given = { keep, toRevision, windowMs, ...(token === undefined ? {} : { token }) };
      return { uid, give: () => target.planes.shed(place, given) };
    }
    case "set-deletion-cost":
      await write(api, target, action.pod, {
        annotations: { [COST_ANNOTATION]: String(action.cost) },
      });
      return undefined;
    case "set-protection":
      await write(api, target, action.pod, {
        labels: { [PROTECTED_LABEL]: action.isProtected ? "true" : null },
      });
      return undefined;
    case "set-receiving":
      await write(api, target, action.pod, {
        labels: { [RECEIVES_LABEL]: action.receives ? "true" : null },
      });
      return undefined;
    case "remove-pod":
      await api.remove(podPath(target, action.pod), {
        uid: action.pod.uid,
        resourceVersion: action.pod.resourceVersion,
      });
      return undefined;
    case "scale-revision":
      await scale(action, target, api);
      return undefined;
  }
}

type Order = Extract<Action, { kind: "order-drain" | "cancel-drain" }>;

/** First the mark, then the order: a process that dies between them is followed by another. */
async function order(
  { pod, mark }: Order,
  target: Target,
  api: CarryOutNeeds["api"],
): Promise<PlaneOrder | undefined> {
  const has = target.markOf(pod.uid);
  const isRepeated = has?.token === mark.token && has.wants === mark.wants;
  if (!isRepeated) {
    const drains = mark.wants === "drain";
    await write(api, target, pod, {
      annotations: {
        [DRAIN_ANNOTATION]: JSON.stringify(mark),
        [COST_ANNOTATION]: drains ? String(DRAINING_COST) : "0",
      },
      labels: { [PROTECTED_LABEL]: "true", [RECEIVES_LABEL]: drains ? null : "true" },
    });
  }
  const place = target.place(pod.uid);
  if (place === undefined) return undefined;
  const { uid } = pod;
  if (mark.wants === "serve")
    return { uid, give: () => target.planes.serve(place, { token: mark.token }) };
  const { token, windowMs, preDelayMs, toRevision, cause } = mark;
  const drain = {
    token,
    windowMs,
    ...(preDelayMs === undefined ? {} : { preDelayMs }),
    ...(toRevision === undefined ? {} : { toRevision, isPreferred: cause === "machine" }),
  };
  return { uid, give: () => target.planes.drain(place, drain) };
}

const podPath = ({ namespace }: Target, { name }: PodAsSeen): string =>
  `${PATHS.pods(namespace)}/${name}`;

async function write(
  api: CarryOutNeeds["api"],
  target: Target,
  pod: PodAsSeen,
  metadata: Json,
): Promise<void> {
  const { uid, resourceVersion } = pod;
  await api.merge(podPath(target, pod), { metadata: { uid, resourceVersion, ...metadata } });
}

async function scale(
  { revision, replicas, resourceVersion }: Extract<Action, { kind: "scale-revision" }>,
  target: Target,
  api: CarryOutNeeds["api"],
): Promise<void> {
  const path = PATHS.replicaSets(target.namespace);
  if (resourceVersion !== undefined) {
    const name = target.replicaSet(revision);
    if (name === undefined) throw notThere(`no ReplicaSet of revision ${revision}`);
    await api.merge(`${path}/${name}`, { metadata: { resourceVersion }, spec: { replicas } });
    return;
  }
  const manifest = target.manifest(revision, replicas);
  if (manifest === undefined) throw notThere(`no template of revision ${revision}`);
  await api.create(path, manifest);
}

/** The cache is behind: the next decision has another. */
const notThere = (found: string): KubeApiError =>
  new KubeApiError(`Cannot scale: found ${found}, expected one`, {
    status: 404,
    reason: "NotFound",
  });
