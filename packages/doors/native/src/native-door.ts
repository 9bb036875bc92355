// Owns: the door for holdfast.v1 (spec/protocol.md): which subprotocol a client gets, and its
// messages to and from the engine's items. No I/O.
import type { Connection, DoorClient, DoorCodec, DoorEngine, Link } from "@holdfast/core";
import {
  type CodecName,
  type Encoded,
  fitsUtf8,
  type NodeCodec,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
} from "@holdfast/protocol";
import { NODE_CODECS } from "@holdfast/protocol/node";

/** How a connection begins. */
export interface Acceptance {
  /** For the answer's Sec-WebSocket-Protocol; empty: none. */
  readonly subprotocol: string;
  open(link: Link): DoorClient;
}

export interface NativeDoor {
  /**
   * The first of the client's subprotocols that this door speaks. If none is offered (null or
   * blank): JSON. If only others are offered, the door echoes the first. Otherwise a browser could
   * not read the goodbye `version_unsupported`.
   */
  accept(offered: string | null): Acceptance;
  /** A client that is known to speak a codec. */
  open(link: Link, codec: CodecName): NativeClient;
}

/** A codec that reads and writes; what it writes is the same for everybody. */
interface NativeCodec extends DoorCodec {
  readonly decode: NodeCodec["decode"];
}

const CODECS: Readonly<Record<CodecName, NativeCodec>> = {
  json: { ...NODE_CODECS.json, shared: true },
  msgpack: { ...NODE_CODECS.msgpack, shared: true },
};

export function createNativeDoor(engine: DoorEngine): NativeDoor {
  const speaking = (subprotocol: string, codec: CodecName): Acceptance => ({
    subprotocol,
    open: (link) => new NativeClient(engine, engine.open(link, CODECS[codec]), CODECS[codec]),
  });
  const unnamed = speaking("", "json");
  const named: Readonly<Record<string, Acceptance>> = {
    [SUBPROTOCOL_JSON]: speaking(SUBPROTOCOL_JSON, "json"),
    [SUBPROTOCOL_MSGPACK]: speaking(SUBPROTOCOL_MSGPACK, "msgpack"),
  };
  return {
    accept(offered) {
      if (offered === null || offered.trim() === "") return unnamed;
      const names = offered.split(",").map((part) => part.trim());
      const ours = names.find((name) => Object.hasOwn(named, name));
      return (ours === undefined ? undefined : named[ours]) ?? refusing(engine, names[0] ?? "");
    },
    open: (link, codec) =>
      new NativeClient(engine, engine.open(link, CODECS[codec]), CODECS[codec]),
  };
}

const refusing = (engine: DoorEngine, subprotocol: string): Acceptance => ({
  subprotocol,
  open: (link) =>
    new NativeClient(engine, engine.open(link, CODECS.json, "version_unsupported"), CODECS.json),
});

export class NativeClient implements DoorClient {
  readonly connection: Connection;
  readonly #engine: DoorEngine;
  readonly #codec: NativeCodec;

  constructor(engine: DoorEngine, connection: Connection, codec: NativeCodec) {
    this.#engine = engine;
    this.connection = connection;
    this.#codec = codec;
  }

  message(message: Encoded): void {
    const engine = this.#engine;
    const limits = engine.limits();
    if (this.connection.phase === "ended") return;
    if (fits(message, limits.messageBytesMax))
      engine.receive(this.connection, this.#codec.decode(message, limits), message.length);
    else engine.refuse(this.connection, "frame_too_large");
  }

  processed(ms: number): void {
    this.#engine.processed(this.connection, ms);
  }

  writable(): void {
    this.#engine.writable(this.connection);
  }

  alive(): void {
    this.#engine.alive(this.connection);
  }

  closed(isClean = false): void {
    this.#engine.closed(this.connection, isClean);
  }
}

const fits = (message: Encoded, bytesMax: number): boolean =>
  typeof message === "string" ? fitsUtf8(message, bytesMax) : message.length <= bytesMax;
