// Owns: what doors and their transports may ask of the engine.
import type { CodeName } from "@holdfast/protocol";
import type { DoorCodec, DoorLimits, Item, KeptEntitlement } from "./door.ts";
import type { BusMessage, Link } from "./ports.ts";
import type { Connection } from "./session/connection.ts";
import type { DoorCosts } from "./session/door-costs.ts";

/** What doors and their transports tell the engine of connections. */
export interface DoorEngine {
  /** The limits that doors enforce now. */
  limits(): DoorLimits;
  /** A new connection. `refusal`: why the door cannot speak with this client; it is told so. */
  open(link: Link, codec: DoorCodec, refusal?: CodeName): Connection;
  /**
   * The items of one message, in order, at least one. `length` is the message's length: bytes, or
   * UTF-16 code units of text. After the connection's end the call does nothing.
   */
  receive(connection: Connection, items: readonly Item[], length: number): void;
  /** Reading and carrying out the last message took `ms`; called for large messages. */
  processed(connection: Connection, ms: number): void;
  /** The client broke a rule of its door: it is told, and the connection ends. */
  refuse(connection: Connection, code: CodeName, message?: string): void;
  /** What the door does on its own is charged here. */
  readonly costs: DoorCosts;
  /** The link has room again after `send` answered "queued". */
  writable(connection: Connection): void;
  /** The peer answered `Link.ping`. */
  alive(connection: Connection): void;
  /** The link is gone. `isClean`: with a closing handshake. Absent: the client vanished. */
  closed(connection: Connection, isClean?: boolean): void;
  /** What the door keeps with a session that outlives this open connection. */
  entitlement(connection: Connection): KeptEntitlement;
  /**
   * The connection goes on with a session of the same user. If its claims and the contract grant
   * the same as then, it may read what its channels kept meanwhile.
   */
  entitle(connection: Connection, kept: KeptEntitlement): void;
  /** What doors of other nodes, and of this one, send over `Broker.bus` with this kind. */
  hear(kind: string, listener: (message: BusMessage) => void): void;
}
