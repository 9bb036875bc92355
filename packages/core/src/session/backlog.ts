// Owns: messages of a connection that must wait, because its answers do not leave or a budget is
// overdrawn. The transport is told to stop reading.
import type { CodeName } from "@holdfast/protocol";
import type { Item } from "../door.ts";
import type { Observer } from "../observer.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import { HELD_FRAME_BYTES, type HeldBytes } from "./held-bytes.ts";

/** What the backlog needs of the node. */
export interface BacklogNeeds {
  readonly heldBytes: HeldBytes;
  readonly observer: Pick<Observer, "overShare">;
  readonly sessions: { end(connection: Connection, code: CodeName): void };
  settings(): Pick<NodeSettings, "limits">;
}

/** Carries out what waited. Both may find that the rest must wait again. */
export interface BacklogReader {
  message(connection: Connection, message: Read): void;
  rest(connection: Connection, begun: Begun): void;
}

/** A message, and how long it was. */
export interface Read {
  readonly items: readonly Item[];
  readonly length: number;
}

/** A message of which some frames were carried out. */
export interface Begun {
  readonly items: readonly Item[];
  readonly next: number;
  /** Length of the whole message: all of it is kept until its last frame is carried out. */
  readonly length: number;
  /** Set if it exceeds the rate of frames: ms after which the refused frames may come again. */
  readonly retryMs: number;
}

/** What waits. */
export interface Held {
  begun: Begun | undefined;
  readonly messages: Read[];
  /** Length of the messages, and a little for each. */
  length: number;
  /** Somebody will wake it. */
  armed: boolean;
  /** The link was told not to read on. */
  paused: boolean;
}

/** Length that is held before the link is told to stop: until then an end is noticed at once. */
const READ_AHEAD_LENGTH = 16 * 1024;
/** How much a transport may have read, besides one message, when it is told to stop. */
const READ_ALREADY_LENGTH = 1024 * 1024;
/** Short frames take this many times the memory of their text. */
const HELD_FACTOR = 4;

/** Length, with what each frame takes besides its text. */
export const heldLengthOf = ({ items, length }: Read): number =>
  length + HELD_FRAME_BYTES * (1 + items.length);

/**
 * A frame waits while the connection has no room for answers, and while one of its budgets is
 * overdrawn. So a client that does not read its answers, or asks for more than its share, slows
 * down only itself.
 */
export class Backlog {
  readonly #parts: BacklogNeeds;
  readonly #reader: BacklogReader;

  constructor(parts: BacklogNeeds, reader: BacklogReader) {
    this.#parts = parts;
    this.#reader = reader;
  }

  /** Whether the next frame must wait. */
  blocked(connection: Connection): boolean {
    return connection.phase === "open" && !connection.hasRoom();
  }

  /**
   * Keeps a message behind those that wait. The connection of a client that sends too much
   * meanwhile is ended, and so is one whose user or address holds too much.
   */
  hold(connection: Connection, message: Read): void {
    const length = heldLengthOf(message);
    if (!this.charge(connection, length)) return;
    const held = this.#heldOf(connection);
    held.messages.push(message);
    held.length += length;
    const { messageBytesMax } = this.#parts.settings().limits;
    if (held.length > HELD_FACTOR * (2 * messageBytesMax + READ_ALREADY_LENGTH))
      return this.#parts.sessions.end(connection, "flooded");
    if (!held.paused && held.length >= READ_AHEAD_LENGTH) {
      held.paused = true;
      connection.link.pause();
    }
    this.#arm(connection, held);
  }

  /** Keeps the rest of a message before all others. */
  holdRest(connection: Connection, begun: Begun): void {
    if (!this.charge(connection, heldLengthOf(begun))) return;
    const held = this.#heldOf(connection);
    held.begun = begun;
    this.#arm(connection, held);
  }

  /** False: the connection's user or address holds as much as is still free; it is ended. */
  charge(connection: Connection, bytes: number): boolean {
    if (this.#parts.heldBytes.charge(connection, bytes)) return true;
    this.#parts.observer.overShare("held");
    this.#parts.sessions.end(connection, "flooded");
    return false;
  }

  #heldOf(connection: Connection): Held {
    connection.held ??= {
      begun: undefined,
      messages: [],
      length: 0,
      armed: false,
      paused: false,
    };
    return connection.held;
  }

  #arm(connection: Connection, held: Held): void {
    if (held.armed) return;
    held.armed = true;
    connection.whenReadable(() => this.#wake(connection, held));
  }

  #wake(connection: Connection, held: Held): void {
    held.armed = false;
    while (connection.phase !== "ended") {
      if (this.blocked(connection)) return this.#arm(connection, held);
      const { begun } = held;
      const message = begun === undefined ? held.messages.shift() : undefined;
      held.begun = undefined;
      if (begun !== undefined) {
        this.#parts.heldBytes.release(connection, heldLengthOf(begun));
        this.#reader.rest(connection, begun);
      } else if (message !== undefined) {
        held.length -= heldLengthOf(message);
        this.#parts.heldBytes.release(connection, heldLengthOf(message));
        this.#reader.message(connection, message);
      } else {
        connection.held = undefined;
        if (held.paused) connection.link.resume();
        return;
      }
    }
  }
}
