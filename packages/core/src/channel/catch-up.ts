// Owns: how a subscription gets from its position to the live stream: from the node's ring, from
// the broker's history, or by a declared gap.
import { type GapFrame, type GapReason, gapSize, type Position } from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import { BrokerError, type Clock, type Random } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import type { Felt } from "../session/felt.ts";
import type { NodeSettings } from "../settings.ts";
import { type Outgoing, type OutgoingPage, olderThan } from "./ring.ts";
import type { SubscribedHub, Subscription } from "./subscription.ts";

/** What catching up needs of the node. */
export interface CatchUpNeeds {
  readonly clock: Pick<Clock, "after" | "defer">;
  readonly random: Pick<Random, "next">;
  readonly observer: Pick<Observer, "gap">;
  readonly felt: Pick<Felt, "lost">;
  settings(): Pick<NodeSettings, "flow">;
}

/**
 * The position at which a new subscription begins. `page` is a first read that need not be
 * repeated. `ahead`: the client knows of publications that the node has not heard of.
 */
export interface Start {
  readonly cursor: number;
  readonly recovered: boolean;
  readonly gap?: GapFrame;
  readonly page?: OutgoingPage | undefined;
}

const RETRY_MS = 250;

/**
 * Finds the position at which a subscription begins. The answer is synchronous if the node knows
 * enough. Rejects with BrokerError.
 */
export function findStart(
  hub: SubscribedHub,
  wanted: { pos?: Position; last?: number },
): Start | Promise<Start> {
  const { cls } = hub.rules.stream;
  const { pos, last } = wanted;
  if (pos !== undefined) {
    if (pos.epoch !== hub.epoch) return startInNewEpoch(hub, pos);
    if (pos.offset > hub.passed) return startAhead(hub, pos);
    if (pos.offset === hub.passed) return { cursor: pos.offset, recovered: true };
    if (cls === "volatile") return withGap(hub, pos.offset + 1, hub.passed, "dropped");
    return hub.ring.covers(pos.offset)
      ? { cursor: pos.offset, recovered: true }
      : startInHistory(hub, pos);
  }
  if (cls === "latest") return startOfState(hub);
  if (last === undefined || last === 0 || cls === "volatile" || hub.rules.stream.sizeMax === 0)
    return { cursor: hub.passed, recovered: false };
  const cursor = Math.max(0, hub.passed - last);
  return hub.ring.covers(cursor) ? { cursor, recovered: false } : startInLast(hub, last);
}

/** For a session that gets nothing of what it missed, and is told so. Gives no page. */
export function startWithoutHistory(hub: SubscribedHub, pos: Position): Start | Promise<Start> {
  if (pos.epoch !== hub.epoch) return inNewEpochWithoutHistory(hub, pos);
  if (pos.offset > hub.passed) return aheadWithoutHistory(hub, pos);
  return pos.offset === hub.passed
    ? { cursor: pos.offset, recovered: true }
    : withGap(hub, pos.offset + 1, hub.passed, "history");
}

function inNewEpochWithoutHistory(hub: SubscribedHub, pos: Position): Start {
  return {
    cursor: hub.passed,
    recovered: false,
    gap: hub.gapFrame(pos.offset + 1, null, "epoch", hub.passed),
  };
}

/** The broker is asked for its head alone: no position leads to what it keeps (H5). */
async function aheadWithoutHistory(hub: SubscribedHub, pos: Position): Promise<Start> {
  const { head } = await readInEpoch(hub, pos.offset);
  if (hub.epoch === pos.epoch && head >= pos.offset) return { cursor: pos.offset, recovered: true };
  return inNewEpochWithoutHistory(hub, pos);
}

function withGap(
  hub: SubscribedHub,
  from: number,
  to: number,
  reason: GapReason,
  page?: OutgoingPage,
): Start {
  return {
    cursor: to,
    recovered: false,
    gap: hub.gapFrame(from, to, reason, to),
    ...(page === undefined ? {} : { page }),
  };
}

/**
 * A page of the hub's own epoch. If the broker has another epoch, this node has not heard of it
 * yet: the hub repairs its position, and the client asks again. A client may come from a node that
 * heard of the new epoch earlier. Such a client must not return to an epoch that is over, or it
 * would get the new one twice.
 */
async function readInEpoch(hub: SubscribedHub, offset: number): Promise<OutgoingPage> {
  const page = await hub.read(offset);
  if (page.epoch === hub.epoch) return page;
  hub.recheck();
  throw new BrokerError(
    "unavailable",
    `the stream of "${hub.channel}" began anew and this node is catching up`,
  );
}

async function startInHistory(hub: SubscribedHub, pos: Position): Promise<Start> {
  const page = await readInEpoch(hub, pos.offset);
  if (pos.epoch !== hub.epoch) return startInNewEpoch(hub, pos);
  if (hub.rules.stream.cls === "latest") return { cursor: pos.offset, recovered: true, page };
  const lost = Math.min(page.oldest - 1, hub.passed);
  return lost > pos.offset
    ? withGap(hub, pos.offset + 1, lost, "history", page)
    : { cursor: pos.offset, recovered: true, page };
}

async function startOfState(hub: SubscribedHub): Promise<Start> {
  const start = { cursor: 0, recovered: false };
  return hub.passed === 0 ? start : { ...start, page: await readInEpoch(hub, 0) };
}

async function startInLast(hub: SubscribedHub, last: number): Promise<Start> {
  const page = await readInEpoch(hub, Math.max(0, hub.passed - last));
  return {
    cursor: Math.min(hub.passed, Math.max(page.oldest - 1, hub.passed - last, 0)),
    recovered: false,
  };
}

/**
 * Everything of the new epoch that is kept is new to the client. The broker is asked which of the
 * two epochs is the new one.
 */
async function startInNewEpoch(hub: SubscribedHub, pos: Position): Promise<Start> {
  const { cls } = hub.rules.stream;
  const page = await readInEpoch(hub, 0);
  if (pos.epoch === hub.epoch) return findStart(hub, { pos });
  const begin = (cursor: number): Start => ({
    cursor,
    recovered: false,
    gap: hub.gapFrame(pos.offset + 1, null, "epoch", cursor),
    page,
  });
  if (cls === "volatile") return begin(hub.passed);
  if (cls === "latest") return begin(0);
  if (hub.ring.covers(0)) return { ...begin(0), page: undefined };
  return begin(Math.min(page.oldest - 1, hub.passed));
}

/**
 * The client was told of publications that have not reached this node. The broker knows whether
 * they exist.
 */
async function startAhead(hub: SubscribedHub, pos: Position): Promise<Start> {
  const page = await readInEpoch(hub, pos.offset);
  if (hub.epoch !== pos.epoch) return startInNewEpoch(hub, pos);
  if (page.head >= pos.offset) return { cursor: pos.offset, recovered: true };
  // A new epoch in all but name.
  return startInNewEpoch(hub, { epoch: "", offset: pos.offset });
}

/**
 * Sends a subscription as much as is possible now; called again when more is possible. Never sends
 * beyond what the hub has passed on.
 */
export function pump(subscription: Subscription, ports: CatchUpNeeds): void {
  const { hub, connection } = subscription;
  for (;;) {
    if (
      subscription.state === "ended" ||
      subscription.state === "live" ||
      subscription.reading ||
      hub.state === "closed"
    )
      return;
    if (subscription.cursor > hub.passed) {
      subscription.state = "ahead";
      return;
    }
    if (subscription.cursor === hub.passed) return hub.goLive(subscription);
    if (connection.lagging) {
      subscription.state = "lagging";
      return;
    }
    subscription.state = "catching";
    if (hub.rules.stream.cls === "volatile") {
      declare(subscription, hub.passed, "dropped", ports);
    } else if (hub.ring.covers(subscription.cursor)) {
      const { chunkBytes } = ports.settings().flow;
      const entries = hub.ring.after(subscription.cursor, chunkBytes);
      sendEntries(subscription, allowed(subscription, entries, ports));
      // Other connections are served between two chunks.
      if (subscription.cursor < hub.passed) return pumpLater(subscription, ports);
    } else return readOn(subscription, ports);
  }
}

/** In another turn, when the connection has room. */
function pumpLater(subscription: Subscription, ports: CatchUpNeeds): void {
  subscription.reading = true;
  ports.clock.defer(() =>
    subscription.connection.whenRoom(() => {
      subscription.reading = false;
      pump(subscription, ports);
    }),
  );
}

/** Counted before it is read: a connection has one page, or little more, in the making. */
function readOn(subscription: Subscription, ports: CatchUpNeeds): void {
  subscription.reading = true;
  subscription.connection.whenRoom(() => {
    subscription.reading = false;
    // Nothing is read for a connection that has ended while it waited.
    if (subscription.state !== "catching" || subscription.connection.phase === "ended") return;
    // It may have become easier meanwhile.
    if (subscription.hub.ring.covers(subscription.cursor)) pump(subscription, ports);
    else readNow(subscription, ports);
  });
}

function readNow(subscription: Subscription, ports: CatchUpNeeds): void {
  const { hub, connection } = subscription;
  const release = connection.reserve(ports.settings().flow.lagBytes);
  const { epoch } = hub;
  const again = (): void =>
    void ports.clock.after(RETRY_MS * (0.5 + ports.random.next()), () => pump(subscription, ports));
  subscription.reading = true;
  hub.read(subscription.cursor).then(
    (page) => {
      subscription.reading = false;
      release();
      if (subscription.state === "ended") return;
      if (page.epoch !== hub.epoch) return hub.recheck();
      const { cursor } = subscription;
      if (epoch === hub.epoch) feed(subscription, page, ports);
      // A history that lags behind the feed has nothing new yet.
      if (epoch === hub.epoch && subscription.cursor === cursor) again();
      else ports.clock.defer(() => pump(subscription, ports));
    },
    () => {
      subscription.reading = false;
      release();
      again();
    },
  );
}

/**
 * Sends a page that was read from the subscription's cursor. First it declares what is no longer
 * there. It stops if the connection lags: many subscriptions that come back at once must not fill
 * its queue.
 */
export function feed(subscription: Subscription, page: OutgoingPage, ports: CatchUpNeeds): void {
  const { hub, connection } = subscription;
  const latest = hub.rules.stream.cls === "latest";
  const known = page.entries.filter(
    ({ publication: { offset } }) => offset > subscription.cursor && offset <= hub.passed,
  );
  const usable = allowed(subscription, known, ports);
  for (const { size } of known.slice(0, known.length - usable.length)) connection.charge(size);
  // What follows is read on from the new position.
  if (known.length > 0 && usable.length === 0) return;
  if (!latest) {
    // The first that is there, or the newest that is not: everything before is gone.
    const next = usable[0]?.publication.offset ?? Math.min(page.head, hub.passed) + 1;
    if (next > subscription.cursor + 1) declare(subscription, next - 1, "history", ports);
  }
  for (const chunk of chunksOf(usable, ports.settings().flow.chunkBytes)) {
    if (connection.lagging) return;
    sendEntries(subscription, chunk);
  }
  // Keys that expired, or were replaced further on, leave offsets that nobody will see again.
  if (latest && page.complete)
    subscription.cursor = Math.max(subscription.cursor, Math.min(page.head, hub.passed));
}

/** Without what is too old for the session, which is declared. */
function allowed(
  subscription: Subscription,
  entries: readonly Outgoing[],
  ports: CatchUpNeeds,
): readonly Outgoing[] {
  const { hub, recovery } = subscription;
  if (recovery?.bounds === undefined) return entries;
  const { afterMs, position } = recovery.bounds;
  const older = olderThan(
    position.epoch === hub.epoch
      ? entries.filter(({ publication: { offset } }) => offset <= position.offset)
      : entries,
    afterMs,
  );
  const last = entries[older - 1];
  if (last !== undefined) declare(subscription, last.publication.offset, "history", ports);
  return entries.slice(older);
}

/** Parts of about `bytesMax`, each of at least one entry. */
function* chunksOf(entries: readonly Outgoing[], bytesMax: number): Generator<readonly Outgoing[]> {
  for (let from = 0, to = 0; from < entries.length; from = to) {
    let bytes = 0;
    for (; to < entries.length && (to === from || bytes < bytesMax); to++)
      bytes += entries[to]?.size ?? 0;
    yield entries.slice(from, to);
  }
}

/** A gap behind what the subscription has. `to` null: another epoch began. */
export function declare(
  subscription: Subscription,
  to: number | null,
  reason: GapReason,
  ports: CatchUpNeeds,
): void {
  const from = subscription.cursor + 1;
  subscription.cursor = to ?? 0;
  subscription.connection.send(subscription.hub.gapFrame(from, to, reason, subscription.cursor));
  if (subscription.recovery !== undefined) subscription.recovery.gap = true;
  // What the session may not read is no loss.
  if (isWhole(subscription.hub) && subscription.recovery?.bounds === undefined)
    ports.felt.lost(subscription.connection);
  ports.observer.gap(reason, gapSize(from, to));
}

/** Whether a hole in the channel's stream is a loss. */
export const isWhole = ({ rules: { stream } }: Pick<SubscribedHub, "rules">): boolean =>
  stream.cls === "ordered" || stream.cls === "durable";

function sendEntries(subscription: Subscription, entries: readonly Outgoing[]): void {
  const { hub, connection } = subscription;
  const last = entries[entries.length - 1];
  if (last === undefined) return;
  for (const entry of hub.rules.stream.cls === "latest" ? newestByKey(entries) : entries) {
    if (connection.codecNumber === OWN) connection.send(hub.frameOf(entry));
    else connection.answer(hub.encode(entry, connection));
    if (subscription.recovery !== undefined) subscription.recovery.count += 1;
  }
  subscription.cursor = last.publication.offset;
  // So that the next look at the link's buffer counts what was just sent.
  connection.flush();
}

/** Conflation: only the newest for each key, in offset order. */
function newestByKey(entries: readonly Outgoing[]): readonly Outgoing[] {
  const newest = new Map<string, number>();
  for (const { publication } of entries) newest.set(publication.key ?? "", publication.offset);
  return entries.filter(({ publication: p }) => newest.get(p.key ?? "") === p.offset);
}
