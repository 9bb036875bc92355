// Owns: messages from connections: their size, rate and order, the first frame, and which part
// handles each of the others.
import type { ClientFrame } from "@holdfast/protocol";
import type { DoorConnect, Item } from "../door.ts";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { Backlog, type BacklogNeeds, type Begun, heldLengthOf, type Read } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import type { Felt } from "./felt.ts";
import type { Handshake } from "./handshake.ts";
import type { Rates } from "./rates.ts";
import { Refused } from "./refusal.ts";
import { gives, isRelief } from "./relief.ts";
import type { Requests } from "./requests.ts";
import { answerPing, type PingNeeds, type RefreshNeeds, refresh } from "./session-requests.ts";
import type { Sessions } from "./sessions.ts";

const EARLY_FRAMES_MAX = 1024;
/** Messages of full size that may wait for the answer to connect. */
const EARLY_MESSAGES_MAX = 2;

/** What handling messages needs of the node. */
export interface IntakeNeeds extends PingNeeds, RefreshNeeds, BacklogNeeds {
  readonly authenticator: PingNeeds["authenticator"] & RefreshNeeds["authenticator"];
  readonly clock: Clock;
  readonly observer: Pick<
    Observer,
    "authFailed" | "bug" | "experienced" | "overShare" | "requestFailed"
  >;
  readonly rates: Pick<Rates, "arrived" | "floods" | "frames" | "received" | "rpc" | "useless">;
  readonly felt: Pick<Felt, "lost">;
  readonly sessions: Sessions;
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/** The parts that handle the frames. */
export interface FrameTakers {
  readonly handshake: Pick<Handshake, "connect">;
  readonly requests: Pick<Requests, "handle" | "refuse" | "refuseUnread">;
  windowMs(): number;
}

export class Intake {
  readonly #parts: IntakeNeeds;
  readonly #takers: FrameTakers;
  readonly #backlog: Backlog;

  constructor(parts: IntakeNeeds, takers: FrameTakers) {
    this.#parts = parts;
    this.#takers = takers;
    this.#backlog = new Backlog(parts, {
      message: (connection, message) => this.#read(connection, message),
      rest: (connection, begun) => this.#carryOut(connection, begun),
    });
  }

  /** What one message of `length` said. */
  receive(connection: Connection, items: readonly Item[], length: number): void {
    if (connection.phase === "ended") return;
    connection.lastReceivedMs = this.#parts.clock.nowMs();
    this.#parts.rates.arrived(connection, length);
    if (connection.held !== undefined || this.#backlog.blocked(connection))
      this.#backlog.hold(connection, { items, length });
    else this.#read(connection, { items, length });
  }

  #read(connection: Connection, { items, length }: Read): void {
    const { limits } = this.#parts.settings();
    if (connection.phase !== "open") {
      connection.earlyLength += length;
      if (connection.earlyLength > EARLY_MESSAGES_MAX * limits.messageBytesMax)
        return this.#parts.sessions.end(connection, "flooded");
      // Until `connected` all of it may have to be kept.
      if (!this.#backlog.charge(connection, heldLengthOf({ items, length }))) return;
    }
    const asking = items.reduce((count, item) => (isRelief(item) ? count : count + 1), 0);
    const retryMs = this.#parts.rates.frames(connection, asking);
    this.#carryOut(connection, { items, next: 0, length, retryMs });
    this.#parts.rates.received(connection, length);
  }

  #carryOut(connection: Connection, { items, next, length, retryMs }: Begun): void {
    for (let i = next; i < items.length; i++) {
      if (this.#endIfFlooding(connection)) return;
      if (i > next && this.#backlog.blocked(connection))
        return this.#backlog.holdRest(connection, { items, next: i, length, retryMs });
      const item = items[i] as Item;
      // Before `connected`, everything waits, within bounds, and nothing is answered.
      if (connection.phase !== "open") this.#item(connection, item);
      else if (isRelief(item)) {
        if (!gives(connection, item)) this.#parts.rates.useless(connection);
        this.#item(connection, item);
      } else if (retryMs > 0 && "id" in item) {
        const why = "Cannot take the request: over the rate of frames for a connection";
        const refused = new Refused("rate_limited", why, { retryMs });
        this.#takers.requests.refuse(connection, item, refused);
      } else this.#item(connection, item);
    }
  }

  #endIfFlooding(connection: Connection): boolean {
    if (connection.phase !== "ended" && this.#parts.rates.floods(connection))
      this.#parts.sessions.end(connection, "flooded");
    return connection.phase === "ended";
  }

  #fault(connection: Connection, { fault }: Extract<Item, { t: "fault" }>): void {
    const { code, message, path, id, ch } = fault;
    if (id === undefined || connection.phase === "opening") {
      this.#parts.observer.requestFailed(code);
      this.#parts.sessions.end(connection, "frame_invalid", { message });
    } else
      this.#takers.requests.refuseUnread(
        connection,
        { id, ch },
        new Refused(code, message, { path }),
      );
  }

  #item(connection: Connection, item: Item): void {
    // Without an id it ends the connection: no reason to wait.
    if (item.t === "fault" && (connection.phase === "opening" || item.fault.id === undefined))
      this.#fault(connection, item);
    else if (connection.phase === "checking") this.#keepEarly(connection, item);
    else if (connection.phase === "open") this.#openItem(connection, item);
    else if (item.t === "connect") this.#connect(connection, item);
    else
      this.#parts.sessions.end(connection, "frame_invalid", {
        message: `Cannot read first frame: found ${item.t}, expected connect`,
      });
  }

  #openItem(connection: Connection, item: Item): void {
    if (item.t === "fault") this.#fault(connection, item);
    else this.#openFrame(connection, item);
  }

  #connect(connection: Connection, frame: DoorConnect): void {
    const goOn = (): void => {
      const early = connection.early ?? [];
      connection.early = undefined;
      this.#parts.heldBytes.release(connection, connection.heldBytes);
      const { earlyLength: length } = connection;
      this.#carryOut(connection, { items: early, next: 0, length, retryMs: 0 });
    };
    const connecting = this.#takers.handshake
      .connect(connection, frame, goOn)
      .catch((error: unknown) => {
        this.#parts.observer.bug("connect", error);
        this.#parts.sessions.end(connection, "internal");
      });
    this.#parts.background("connect", connecting);
  }

  /** Frames after `connect` wait for its answer. */
  #keepEarly(connection: Connection, item: Item): void {
    connection.early ??= [];
    if (connection.early.length >= EARLY_FRAMES_MAX)
      this.#parts.sessions.end(connection, "flooded");
    else connection.early.push(item);
  }

  #openFrame(connection: Connection, frame: ClientFrame): void {
    switch (frame.t) {
      case "connect":
        return this.#parts.sessions.end(connection, "frame_invalid", {
          message: "Cannot connect: found a second connect frame, expected one",
        });
      case "ping":
        return answerPing(this.#parts, connection, {
          id: frame.id,
          windowMs: this.#takers.windowMs(),
        });
      case "refresh":
        return this.#parts.background("refresh", refresh(this.#parts, connection, frame));
      case "report":
        if (frame.counts.undeclared > 0) this.#parts.felt.lost(connection);
        return this.#parts.observer.experienced(frame.counts);
      case "bye":
        return this.#parts.sessions.leave(connection, frame.moved === true);
      default:
        return this.#takers.requests.handle(connection, frame);
    }
  }
}
