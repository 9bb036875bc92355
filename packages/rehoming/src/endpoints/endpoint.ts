// Owns: one endpoint as its table knows it, and as people see it.
import type { Emptying } from "./emptying.ts";
import { type EndpointFelt, more } from "./felt.ts";
import { type Health, seen } from "./health.ts";
import type { Latency } from "./latency.ts";

/** What discovery says of an endpoint. */
export interface Endpoint {
  /** `host:port`, unique in the service. */
  readonly address: string;
  /** New clients go there. False for pods that are not ready or terminate. */
  readonly takes: boolean;
  /** Its clients are to move away: it terminates. */
  readonly leaves?: boolean;
  /** 1 to 100; twice the weight gets twice the clients. Default 1. */
  readonly weight?: number;
  readonly zone?: string;
  /** Of its application, such as a hash of the pod's template. Absent: nobody knows it. */
  readonly revision?: string;
}

/** What a table knows of one. */
export interface Known {
  readonly endpoint: Endpoint;
  readonly sinceMs: number;
  readonly health: Health;
  /** Open and opening sockets. */
  readonly connections: number;
  /** Ordered by somebody, with the highest fencing token that was obeyed. */
  readonly order?: Order;
  /** What active checks found. */
  readonly check?: { readonly failures: number; readonly isIll: boolean };
  /** An order to give clients away: of a drain, or all but some. */
  readonly emptying?: Emptying | undefined;
  /** Of its handshakes. Absent: there was none. */
  readonly latency?: Latency;
  readonly felt: EndpointFelt;
  /** Since when `felt.connectionMs` lacks its connections. */
  readonly feltMs: number;
}

export interface Order {
  readonly token: number;
  readonly isDrained: boolean;
  /** Instead of what discovery says. */
  readonly weight?: number;
}

/** An endpoint as people see it. */
export interface EndpointState {
  readonly address: string;
  /** `waiting`: it takes nobody and keeps its clients. */
  readonly state: "taking" | "ill" | "leaving" | "waiting";
  readonly connections: number;
  readonly weight: number;
  readonly zone?: string;
  readonly revision?: string;
  /** What its handshakes took lately, in ms. */
  readonly handshakeMs?: number;
  /** Ordered to drain, and by which token; a token alone: an order was taken back. */
  readonly isDrained: boolean;
  readonly token?: number;
  /** Of a drain with a window: ms until it is over, 0 or less if it is. */
  readonly drainLeftMs?: number;
  /** An order to give all but some away that is obeyed. */
  readonly keep?: number;
  readonly felt: EndpointFelt;
}

/** As people see it. */
export function stateOf(known: Known, felt: EndpointFelt, nowMs: number): EndpointState {
  const { endpoint, connections, order } = known;
  const { address, zone, revision } = endpoint;
  return {
    ...{ address, connections, weight: weightOf(known) },
    state: leaves(known)
      ? "leaving"
      : !takes(known)
        ? "waiting"
        : isIllAt(nowMs)(known)
          ? "ill"
          : "taking",
    isDrained: order?.isDrained === true,
    felt,
    ...emptyingFacts(known, nowMs),
    ...(zone === undefined ? {} : { zone }),
    ...(revision === undefined ? {} : { revision }),
    ...((known.latency?.count ?? 0) === 0
      ? {}
      : { handshakeMs: Math.round((known.latency?.ms ?? 0) * 10) / 10 }),
    ...(order === undefined ? {} : { token: order.token }),
  };
}

export const feltUntil = ({ felt, feltMs, connections }: Known, nowMs: number): EndpointFelt =>
  more(felt, "connectionMs", connections * Math.max(0, nowMs - feltMs));

/** What people see of an order to give clients away. */
function emptyingFacts(
  { order, emptying: given }: Known,
  nowMs: number,
): Pick<EndpointState, "drainLeftMs" | "keep"> {
  if (given === undefined) return {};
  if (order?.isDrained === true)
    return given.windowMs === undefined ? {} : { drainLeftMs: given.untilMs - nowMs };
  return nowMs < given.untilMs ? { keep: given.keep } : {};
}

/** One that gives clients away, and how many it keeps. */
export interface Giver {
  readonly address: string;
  readonly keep: number;
  readonly windowMs: number | undefined;
}

/** Undefined: it gives none away now. */
export function giverOf(known: Known, nowMs: number): Giver | undefined {
  const { endpoint, emptying: order } = known;
  const { address } = endpoint;
  if (leaves(known)) return { address, keep: 0, windowMs: order?.windowMs };
  if (order === undefined || nowMs >= order.untilMs) return undefined;
  return { address, keep: order.keep, windowMs: order.windowMs };
}

export const takes = ({ endpoint, order }: Known): boolean =>
  endpoint.takes && order?.isDrained !== true;
export const weightOf = ({ endpoint, order }: Known): number =>
  order?.weight ?? endpoint.weight ?? 1;
export const weighted = (known: Known): { readonly address: string; readonly weight: number } => ({
  ...{ address: known.endpoint.address, weight: weightOf(known) },
});
/** A later order than that of the token was obeyed. */
export const isOutdated = ({ order }: Known, token: number): boolean => token < (order?.token ?? 0);
export const isSeen =
  (as: ReturnType<typeof seen>, nowMs: number) =>
  ({ health }: Known): boolean =>
    seen(health, nowMs) === as;
/** By checks, or because its handshakes are slow. */
export const isOut = ({ check, latency }: Known, nowMs: number): boolean =>
  check?.isIll === true || (latency !== undefined && nowMs < latency.slowUntilMs);
/** By its sockets, or as above. */
export const isIllAt =
  (nowMs: number) =>
  (known: Known): boolean =>
    isOut(known, nowMs) || !isSeen("well", nowMs)(known);
export const leaves = ({ endpoint, order }: Known): boolean =>
  endpoint.leaves === true || order?.isDrained === true;
