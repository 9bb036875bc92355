// Owns: one connection as the engine keeps it: its identity, what it has subscribed to, and its
// outbox.

import type { Identity, SessionView } from "@holdfast/contract";
import {
  CODES,
  type CodeName,
  type Encoded,
  FRAMES_PER_MESSAGE_MAX,
  type Payload,
  type ServerFrame,
} from "@holdfast/protocol";
import type { Receiver, Subscription } from "../channel/subscription.ts";
import type { DoorCodec, Item } from "../door.ts";
import type { TokenBucket } from "../pacing/token-bucket.ts";
import type { Clock, Link } from "../ports.ts";
import type { Held } from "./backlog.ts";
import type { CallSignal } from "./call-signal.ts";
import type { ChannelOrder } from "./channel-order.ts";
import type { Holder } from "./held-bytes.ts";
import type { Refused } from "./refusal.ts";
import { hasRoom, type RoomNeeds, type Waiter, whenRoom } from "./room.ts";
import type { SmallMap } from "./small-map.ts";

export type Phase = "opening" | "checking" | "open" | "ended";

const NOBODY: Identity = {};
/**
 * Longest message of several frames, in bytes, or in UTF-16 code units of text: the specification
 * lets clients refuse more than 4 MiB.
 */
const MESSAGE_LENGTH_MAX = 1024 * 1024;
/** Answers are charged when this many bytes have gathered: small ones cost nothing. */
const CHARGE_FROM_BYTES = 4096;

/**
 * One transport connection and everything that belongs to it. The engine's parts change its fields;
 * nothing here decides.
 */
export class Connection implements Receiver {
  readonly link: Link;
  readonly codec: DoorCodec;
  readonly codecNumber: number;
  /** Presence entries belong to this (see PresenceStore). */
  readonly owner: string;
  readonly openedMs: number;
  phase: Phase = "opening";
  /** What was bad in which minute (felt.ts). */
  felt = 0;
  /** Counts once the connection is open: its connect frame was received by then. */
  lastReceivedMs = 0;
  /** Silence after which it ends, if that is not `timeouts.idleMs`. */
  idleMs: number | undefined = undefined;
  /** When the peer was last asked for a sign of life. */
  pingedMs = 0;

  session = "";
  identity: Identity = NOBODY;
  client: string | undefined = undefined;
  migrates = false;
  connectedAtMs = 0;
  resumeIssuedMs = 0;
  /** Wall time since when the session has been allowed what it is allowed now. */
  entitledSinceMs = Number.POSITIVE_INFINITY;
  /** The window that the client was told last. */
  windowToldMs = 0;
  /** The code it ended with; undefined while open and when the client left on its own. */
  endedWith: CodeName | undefined = undefined;
  /** The client said bye: nothing is kept for its return. */
  saidBye: "no" | "left" | "moved" = "no";
  /** An older connection of the same session that is open on purpose. */
  older: Connection | undefined = undefined;
  /** Told to migrate or to leave by the running drain. */
  toldToLeave = false;
  /** How often its client tried to move, and reached this node again, in a drain. */
  returns = 0;
  cancelExpiry: (() => void) | undefined = undefined;

  lagging = false;
  lagSinceMs = 0;

  /** Each is made when it is first needed: most connections only listen. */
  frameBucket: TokenBucket | undefined = undefined;
  publishBucket: TokenBucket | undefined = undefined;
  publishedBucket: TokenBucket | undefined = undefined;
  rpcBucket: TokenBucket | undefined = undefined;
  receivedBucket: TokenBucket | undefined = undefined;
  answeredBucket: TokenBucket | undefined = undefined;
  /** Requests refused for their rate; a connection that does not stop is closed as flooded. */
  refusals = 0;

  subscriptions: SmallMap<string, Subscription> | undefined = undefined;
  /** Channels entered, with the data. */
  entries: Map<string, Payload | undefined> | undefined = undefined;
  /** What is charged for those, if the node shares the broker's room (kept-bytes.ts). */
  present: Holder | undefined = undefined;
  watches: Set<string> | undefined = undefined;
  calls: Map<number, CallSignal> | undefined = undefined;
  /** The requests in flight, for each channel that has any. */
  orders: Map<string, ChannelOrder> | undefined = undefined;
  /** How many requests are under way, or wait, in those; not publishes that the broker has. */
  waiting = 0;
  /** What waits (backlog.ts); undefined: what comes is carried out at once. */
  held: Held | undefined = undefined;
  /** The party whose share of the node it uses (shares.ts). */
  party = "";
  /** Bytes of what waits, as charged to its party (held-bytes.ts). */
  heldBytes = 0;
  /** The channel that it last used and that the node did not carry. */
  lastChannel = "";
  /** Bytes kept free for answers that are being made. */
  reserved = 0;
  /** Bytes of answers that were not charged to the connection's budget yet. */
  answered = 0;
  /** The link has bytes that it could not send yet. */
  queued = false;
  /** One of the connection's budgets may be overdrawn. */
  overdrawn = false;
  /** Who waits for room, oldest first (room.ts), and how they hear of it. */
  roomWaiters: Waiter[] | undefined = undefined;
  onRoom: (() => void) | undefined = undefined;
  /**
   * Requests under way that will take a subscription, or a place in presence, if they succeed: they
   * count towards the limits.
   */
  subscribing = 0;
  entering = 0;
  /** How many channels a session that came back may still enter without counting as publishes. */
  restores = 0;
  /** What came before `connected`. */
  early: Item[] | undefined = undefined;
  /** Length of all messages before `connected`. */
  earlyLength = 0;

  /** Length of what is in the outbox: bytes, or UTF-16 code units of text. */
  outLength = 0;
  #out: Encoded | Encoded[] | undefined = undefined;
  readonly #flusher: Flusher;

  constructor(options: {
    link: Link;
    codec: DoorCodec;
    codecNumber: number;
    owner: string;
    nowMs: number;
    flusher: Flusher;
  }) {
    this.link = options.link;
    this.codec = options.codec;
    this.codecNumber = options.codecNumber;
    this.owner = options.owner;
    this.openedMs = options.nowMs;
    this.#flusher = options.flusher;
  }

  /** What rules and hooks see. */
  get view(): SessionView {
    const { user, info } = this.identity;
    const view: { -readonly [Name in keyof SessionView]: SessionView[Name] } = {
      id: this.session,
      address: this.link.address,
    };
    if (user !== undefined) view.user = user;
    if (info !== undefined) view.info = info;
    return view;
  }

  /** A frame for this connection alone: it counts as an answer. */
  send(frame: ServerFrame): void {
    this.answer(this.codec.encode(frame));
  }

  /** A frame that the client did not ask for. */
  push(frame: ServerFrame): void {
    this.enqueue(this.codec.encode(frame));
  }

  /** Adds an encoded frame that the client caused by asking. */
  answer(encoded: Encoded): void {
    this.charge(encoded.length);
    this.enqueue(encoded);
  }

  /** Charges bytes of an answer, or bytes that were read for one and are not in it. */
  charge(bytes: number): void {
    this.answered += bytes;
    if (this.answered >= CHARGE_FROM_BYTES) this.#flusher.charge(this);
  }

  fail(id: number, code: CodeName, msg: string, more?: { path?: string; retryMs?: number }): void {
    this.send(errFrame(id, { code, message: msg, ...more }));
  }

  /**
   * Adds an encoded frame; everything that is added in one turn of the event loop leaves as one
   * message.
   */
  enqueue(encoded: Encoded): void {
    if (this.phase === "ended") return;
    const out = this.#out;
    this.outLength += encoded.length;
    if (out === undefined) {
      this.#out = encoded;
      this.#flusher.add(this);
    } else if (Array.isArray(out)) out.push(encoded);
    else this.#out = [out, encoded];
  }

  /** Hands the outbox to the link now. */
  flush(): void {
    const out = this.#out;
    if (out === undefined) return;
    const length = this.outLength;
    this.#out = undefined;
    this.outLength = 0;
    const { codec } = this;
    if (!Array.isArray(out)) this.#hand(out);
    else if (codec.join === undefined) for (const frame of out) this.#hand(frame);
    else if (out.length <= FRAMES_PER_MESSAGE_MAX && length <= MESSAGE_LENGTH_MAX)
      this.#hand(codec.join(out));
    else for (const frames of messagesOf(out)) this.#hand(codec.join(frames));
    this.onRoom?.();
  }

  /** Whether another answer may be made now. */
  hasRoom(): boolean {
    return hasRoom(this, this.#flusher.room);
  }

  /** Runs `then` when another answer may be made, or the connection has ended. See room.ts. */
  whenRoom(then: () => void): void {
    whenRoom(this, this.#flusher.room, { then, isBegun: true });
  }

  /** Runs `then` when another frame may be carried out, or the connection has ended. */
  whenReadable(then: () => void): void {
    whenRoom(this, this.#flusher.room, { then, isBegun: false });
  }

  /** Keeps room for an answer that is being made; the result gives it back, once. */
  reserve(bytes: number): () => void {
    this.reserved += bytes;
    let isKept = true;
    return () => {
      if (isKept) this.reserved -= bytes;
      isKept = false;
      this.onRoom?.();
    };
  }

  /**
   * Waits for room, or the connection's end, and keeps it in the same step: of many who wait each
   * next one sees what is kept for those before it.
   */
  keepRoom(bytes: number): (() => void) | Promise<() => void> {
    return this.roomWaiters === undefined && this.hasRoom()
      ? this.reserve(bytes)
      : new Promise((resolve) => this.whenRoom(() => resolve(this.reserve(bytes))));
  }

  checkPressure(): void {
    this.#flusher.pressed(this);
  }

  #hand(message: Encoded): void {
    const result = this.link.send(message);
    if (result === "sent") return;
    // A link that does not read may not notice its end: what waits would be carried out for nobody.
    if (result === "closed" && this.held?.paused === true) this.link.resume();
    this.queued = true;
    this.checkPressure();
  }
}

/** The answer to a request that is refused. */
export function errFrame(
  id: number,
  { code, message, path, retryMs }: Pick<Refused, "code" | "message"> & Partial<Refused>,
): ServerFrame {
  return {
    t: "err",
    id,
    code: CODES[code].number,
    name: code,
    msg: message,
    ...(path === undefined ? {} : { path }),
    ...(retryMs === undefined ? {} : { retryMs }),
  };
}

/**
 * Frames of one turn in parts that each fit a message. A frame that is larger gets its own message.
 */
function* messagesOf(frames: readonly Encoded[]): Generator<readonly Encoded[]> {
  for (let from = 0, to = 0; from < frames.length; from = to) {
    let length = 0;
    do length += (frames[to++] as Encoded).length;
    while (
      to < frames.length &&
      to - from < FRAMES_PER_MESSAGE_MAX &&
      length + (frames[to] as Encoded).length <= MESSAGE_LENGTH_MAX
    );
    yield frames.slice(from, to);
  }
}

interface FlusherNeeds extends RoomNeeds {
  readonly clock: Clock;
  /** Takes `answered` from the connection's budget. */
  charge(connection: Connection): void;
}

/** Gathers connections with something to send and flushes each once at the end of the turn. */
export class Flusher {
  readonly room: FlusherNeeds;
  readonly #clock: Clock;
  readonly #onPressure: (connection: Connection) => void;
  #dirty: Connection[] = [];

  constructor(room: FlusherNeeds, onPressure: (connection: Connection) => void) {
    this.room = room;
    this.#clock = room.clock;
    this.#onPressure = onPressure;
  }

  add(connection: Connection): void {
    this.#dirty.push(connection);
    if (this.#dirty.length === 1) this.#clock.defer(() => this.flush());
  }

  flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (let i = 0; i < dirty.length; i++) (dirty[i] as Connection).flush();
  }

  charge(connection: Connection): void {
    this.room.charge(connection);
  }

  /** The link took a message but could not send it all, or is gone. */
  pressed(connection: Connection): void {
    this.#onPressure(connection);
  }
}
