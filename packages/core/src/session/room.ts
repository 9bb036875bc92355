// Owns: whether a connection has room for another answer, and who waits until it has.
import type { TokenBucket } from "../pacing/token-bucket.ts";
import type { Clock, Link } from "../ports.ts";

/** What waiting for room needs of the node. */
export interface RoomNeeds {
  readonly clock: Pick<Clock, "after" | "defer">;
  /** Unsent bytes above which nothing more is answered. */
  roomBytes(): number;
  /** 0, or ms until the connection's budgets are no longer overdrawn. */
  overdrawnMs(connection: Roomy): number;
  /** A wait begins. */
  waits(why: "room" | "budget"): void;
}

/** What an answer needs that is not counted by itself: an `err` with its text, roughly. */
const ANSWER_BYTES = 128;

/** Who waits for room. */
export interface Waiter {
  readonly then: () => void;
  /**
   * It makes an answer of something that was begun. Requests may wait behind it, and their answers
   * must not take its room: it runs if nothing is unsent and nothing else is in the making.
   */
  readonly isBegun: boolean;
}

/** What is looked at. */
export interface Roomy {
  readonly phase: string;
  readonly lagging: boolean;
  readonly link: Pick<Link, "bufferedBytes">;
  /** The link has bytes that it could not send yet. */
  readonly queued: boolean;
  /** Length of what was not handed to the link yet. */
  readonly outLength: number;
  /** Requests under way: each will have an answer. */
  readonly waiting: number;
  /** Bytes kept free for large answers that are being made. */
  readonly reserved: number;
  /** One of the connection's budgets may be overdrawn. */
  overdrawn: boolean;
  readonly party: string;
  readonly receivedBucket: TokenBucket | undefined;
  readonly answeredBucket: TokenBucket | undefined;
  roomWaiters: Waiter[] | undefined;
  /** Called when there may be room again. */
  onRoom: (() => void) | undefined;
}

/**
 * True while what is unsent and what is kept free is less than the limit, and no budget is
 * overdrawn.
 */
export function hasRoom(connection: Roomy, needs: RoomNeeds): boolean {
  return hasSpace(connection, needs) && isWithinBudgets(connection, needs);
}

function isWithinBudgets(connection: Roomy, needs: RoomNeeds): boolean {
  return !connection.overdrawn || needs.overdrawnMs(connection) === 0;
}

function hasSpace(connection: Roomy, needs: RoomNeeds): boolean {
  if (connection.lagging) return false;
  const making = connection.waiting * ANSWER_BYTES + connection.reserved;
  const length = connection.outLength + making;
  const roomBytes = needs.roomBytes();
  return connection.queued
    ? length + connection.link.bufferedBytes() < roomBytes
    : length < roomBytes;
}

/** Nothing is unsent, and no large answer is in the making. */
function isIdle(connection: Roomy, needs: RoomNeeds): boolean {
  return isEmpty(connection) && isWithinBudgets(connection, needs);
}

function isEmpty({ lagging, queued, outLength, reserved }: Roomy): boolean {
  return !lagging && !queued && outLength + reserved === 0;
}

/**
 * Runs `then` when the connection has room, one after the other in the order of the calls. At once
 * if there is room and nobody waits. Also runs `then` when the connection has ended: `then` MUST
 * check which it is. `isBegun`: see `Waiter`.
 */
export function whenRoom(connection: Roomy, needs: RoomNeeds, { then, isBegun }: Waiter): void {
  if (connection.phase === "ended") return then();
  const waiters = connection.roomWaiters;
  if (waiters === undefined && hasRoom(connection, needs)) return then();
  const isFirst = isBegun && !(waiters?.some((waiter) => waiter.isBegun) ?? false);
  if (isFirst && isIdle(connection, needs)) return then();
  if (waiters !== undefined) return void waiters.push({ then, isBegun });
  connection.roomWaiters = [{ then, isBegun }];
  needs.waits(hasSpace(connection, needs) ? "budget" : "room");
  lookLater(connection, needs);
}

/** Not called within a flush: those that waited may enqueue more, or end the connection. */
function lookLater(connection: Roomy, needs: RoomNeeds): void {
  const look = (): void => lookNow(connection, needs);
  if (hasSpace(connection, needs) || isEmpty(connection)) {
    const waitMs = needs.overdrawnMs(connection);
    if (waitMs > 0) return void needs.clock.after(waitMs, look);
    if (hasSpace(connection, needs)) return needs.clock.defer(look);
  }
  connection.onRoom = () => {
    connection.onRoom = undefined;
    needs.clock.defer(look);
  };
}

function lookNow(connection: Roomy, needs: RoomNeeds): void {
  const waiters = connection.roomWaiters;
  if (waiters === undefined) return;
  for (;;) {
    const next = nextOf(connection, needs, waiters);
    if (next === undefined) break;
    next.then();
    // Ended by it: the others were told.
    if (connection.roomWaiters !== waiters) return;
  }
  if (waiters.length > 0) lookLater(connection, needs);
  else connection.roomWaiters = undefined;
}

function nextOf(connection: Roomy, needs: RoomNeeds, waiters: Waiter[]): Waiter | undefined {
  if (waiters.length === 0) return undefined;
  if (hasRoom(connection, needs)) return waiters.shift();
  const first = waiters.findIndex(({ isBegun }) => isBegun);
  return first >= 0 && isIdle(connection, needs) ? waiters.splice(first, 1)[0] : undefined;
}
