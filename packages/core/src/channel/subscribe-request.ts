// Owns: beginning and ending a subscription on a client's request.

import type { ChannelRules, Contract, Identity } from "@holdfast/contract";
import { gapSize, type Publication } from "@holdfast/protocol";
import type { Contexts } from "../application/contexts.ts";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { FrameOf } from "../session/frames.ts";
import { inTime } from "../session/in-time.ts";
import { type PermitNeeds, permit, reserved } from "../session/permission.ts";
import { LIMIT_RETRY_MS, Refused } from "../session/refusal.ts";
import { SmallMap } from "../session/small-map.ts";
import { type CatchUpNeeds, feed, findStart, isWhole, pump } from "./catch-up.ts";
import type { ChannelHub } from "./channel-hub.ts";
import { type BoundedStart, startInMissed } from "./missed.ts";
import { Subscription } from "./subscription.ts";

/** What beginning a subscription needs of the node. */
export interface SubscribeNeeds extends PermitNeeds {
  readonly clock: Pick<Clock, "after" | "wallMs">;
  readonly contract: Pick<Contract, "hooks">;
  readonly contexts: Pick<Contexts, "of">;
  readonly observer: Pick<Observer, "bug" | "gap">;
  readonly sessions: PermitNeeds["sessions"] & { subscriptions: number };
  readonly hubs: { acquire(rules: ChannelRules): ChannelHub; release(hub: ChannelHub): void };
  readonly hubPorts: CatchUpNeeds;
}

/** What ending one needs. */
export interface UnsubscribeNeeds {
  readonly sessions: { endSubscription(connection: Connection, channel: string): boolean };
}

interface SubscribeRequest {
  readonly connection: Connection;
  readonly frame: FrameOf<"subscribe">;
  readonly rules: ChannelRules;
}

interface SubscribeCall extends SubscribeRequest {
  /** The subscription is there: it counts, and no longer the place that was kept for it. */
  readonly taken: () => void;
}

export function subscribe(parts: SubscribeNeeds, request: SubscribeRequest): Promise<void> | void {
  const { connection, frame } = request;
  const held = connection.subscriptions;
  if (held?.has(frame.ch))
    throw new Refused(
      "already_subscribed",
      `Cannot subscribe to "${frame.ch}": the connection is subscribed to it`,
    );
  const max = parts.settings().limits.subscriptionsMax;
  if ((held?.size ?? 0) + connection.subscribing >= max) {
    throw new Refused(
      "subscription_limit",
      `Cannot subscribe: the connection has ${max} subscriptions, expected fewer`,
      { retryMs: LIMIT_RETRY_MS },
    );
  }
  return reserved(connection, "subscribing", (taken) =>
    whenPermitted(parts, { ...request, taken }),
  );
}

function whenPermitted(parts: SubscribeNeeds, call: SubscribeCall): Promise<void> | void {
  const { connection, frame, rules } = call;
  // Ignored beside a position, and where the state comes by itself (spec 4.1).
  const isIgnored = frame.pos !== undefined || rules.stream.cls === "latest";
  const wantsLast = frame.last !== undefined && frame.last > 0 && !isIgnored;
  const { identity } = connection;
  const goOn = (mayRead: boolean): Promise<void> => askHook(parts, call, { mayRead, identity });
  return permit(parts, { connection, action: "subscribe", rules }, () =>
    wantsLast
      ? permit(parts, { connection, action: "history", rules }, () => goOn(true))
      : mayReturn(parts, call, goOn),
  );
}

/**
 * Going on from a position reads history where one is kept of every publication. The state of a
 * `latest` channel belongs to subscribing, and a volatile one has nothing to read.
 */
function mayReturn(
  parts: SubscribeNeeds,
  { connection, frame, rules }: SubscribeCall,
  goOn: (mayRead: boolean) => Promise<void>,
): Promise<void> {
  const { cls } = rules.stream;
  const mayRead =
    frame.pos === undefined ||
    cls === "latest" ||
    cls === "volatile" ||
    rules.allows("history", connection.view, connection.identity);
  return typeof mayRead === "boolean" ? goOn(mayRead) : inTime(parts, "rule", mayRead).then(goOn);
}

interface Permitted {
  readonly mayRead: boolean;
  /** Whom the rules were asked about. */
  readonly identity: Identity;
}

async function askHook(
  parts: SubscribeNeeds,
  call: SubscribeCall,
  { mayRead, identity }: Permitted,
): Promise<void> {
  const { connection, rules } = call;
  const { onSubscribe } = parts.contract.hooks;
  const answer = onSubscribe?.(
    connection.view,
    rules.channel,
    rules.params,
    parts.contexts.of(connection),
  );
  const refusal = answer instanceof Promise ? await inTime(parts, "onSubscribe", answer) : answer;
  if (refusal) throw new Refused("rejected", refusal.reject);
  const hub = parts.hubs.acquire(rules);
  let begun = false;
  let release: (() => void) | undefined;
  try {
    await hub.opened;
    if (!startsAtHead(hub, call.frame)) release = await roomToRead(parts, connection);
    // It may have ended while it waited: nothing is read for it.
    if (hasEnded(connection)) return;
    const { pos } = call.frame;
    const afterMs =
      mayRead || pos === undefined ? undefined : entitledAfterMs(parts, connection, rules);
    const found =
      pos === undefined || afterMs === undefined
        ? findStart(hub, call.frame)
        : startInMissed(hub, pos, { afterMs, nowMs: parts.clock.wallMs() });
    const start = found instanceof Promise ? await found : found;
    release?.();
    if (hasEnded(connection)) return;
    // The claims changed while the broker was asked (H5): everything is asked again.
    if (connection.identity !== identity) return await whenPermitted(parts, call);
    begin(parts, call, { hub, start, afterMs });
    begun = true;
  } finally {
    release?.();
    if (!begun) parts.hubs.release(hub);
  }
}

const hasEnded = ({ phase }: Connection): boolean => phase === "ended";

/**
 * The time, by the broker's clock, after which the session was surely allowed to subscribe.
 * Infinity if the application has a say: when it began to agree is not known.
 */
function entitledAfterMs(
  { contract, settings }: SubscribeNeeds,
  connection: Connection,
  rules: ChannelRules,
): number {
  return rules.byClaims("subscribe") && contract.hooks.onSubscribe === undefined
    ? connection.entitledSinceMs + settings().timeouts.clockSkewMs
    : Number.POSITIVE_INFINITY;
}

interface Beginning {
  readonly hub: ChannelHub;
  readonly start: BoundedStart;
  /** Only what was published after it is given; undefined: everything is. */
  readonly afterMs: number | undefined;
}

/** Nothing is read for a client that missed nothing, or asks for nothing from before. */
function startsAtHead(hub: ChannelHub, { pos, last = 0 }: SubscribeCall["frame"]): boolean {
  return pos === undefined
    ? last === 0 && hub.rules.stream.cls !== "latest"
    : pos.epoch === hub.epoch && pos.offset === hub.passed;
}

/** What is read is counted before: of a connection's subscriptions one reads at a time. */
async function roomToRead(parts: SubscribeNeeds, connection: Connection): Promise<() => void> {
  return connection.keepRoom(parts.settings().flow.lagBytes);
}

/**
 * In one turn of the event loop: the answer, the gap if there is one, what is known already, and
 * the way to live (rule 11 of docs/design/holding-connections.md).
 */
function begin(
  parts: SubscribeNeeds,
  { connection, frame, rules, taken }: SubscribeCall,
  { hub, start, afterMs }: Beginning,
): void {
  const subscription = new Subscription(connection, hub);
  subscription.cursor = start.cursor;
  if (frame.pos !== undefined)
    subscription.recovery = {
      count: 0,
      gap: start.gap !== undefined,
      ...(afterMs === undefined
        ? {}
        : { bounds: { afterMs, position: { epoch: hub.epoch, offset: hub.passed } } }),
    };
  if (start.withheldBytes !== undefined) connection.charge(start.withheldBytes);
  connection.subscriptions ??= new SmallMap();
  connection.subscriptions.set(frame.ch, subscription);
  taken();
  parts.sessions.subscriptions += 1;
  hub.add(subscription);
  connection.send({
    t: "subscribed",
    id: frame.id,
    ch: frame.ch,
    cls: rules.stream.cls,
    pos: { epoch: hub.epoch, offset: start.cursor },
    head: headOf(hub, start),
    recovered: start.recovered,
  });
  if (start.gap !== undefined) {
    connection.send(start.gap);
    // What the session may not read is no loss.
    if (isWhole(hub) && afterMs === undefined) parts.hubPorts.felt.lost(connection);
    parts.observer.gap(start.gap.reason, gapSize(start.gap.from, start.gap.to));
  }
  if (start.page?.epoch === hub.epoch) feed(subscription, start.page, parts.hubPorts);
  pump(subscription, parts.hubPorts);
}

/** A client whose last offset has reached this has seen everything. */
function headOf(hub: ChannelHub, start: BoundedStart): number {
  if (hub.rules.stream.cls !== "latest" || start.page === undefined)
    return Math.max(hub.passed, start.cursor);
  // The newest key may have expired: only what is there can be reached.
  const reachable = start.page.entries
    .map(({ publication }: { publication: Publication }) => publication.offset)
    .filter((offset) => offset <= hub.passed);
  return Math.max(start.cursor, ...reachable.slice(-1));
}

export function unsubscribe(
  parts: UnsubscribeNeeds,
  connection: Connection,
  frame: FrameOf<"unsubscribe">,
): void {
  if (!parts.sessions.endSubscription(connection, frame.ch)) {
    throw new Refused(
      "not_subscribed",
      `Cannot unsubscribe from "${frame.ch}": the connection is not subscribed to it`,
    );
  }
  connection.send({ t: "ok", id: frame.id });
}
