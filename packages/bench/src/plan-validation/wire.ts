// Owns: one raw connection of a returning client: its upgrade, its frames, its end.
import type { Socket } from "bun";
import { frameAt, textFrame, upgradeRequest } from "../load/wire/ws-frames.ts";

export interface WireListener {
  /** The upgrade is done. */
  opened(): void;
  /** A frame of the node that is no publication. */
  frame(frame: ServerWord): void;
  delivered(count: number): void;
  /** Once, whoever ended it; also when it could not be made. */
  closed(): void;
}

/** What a returning client reads of a frame. */
export interface ServerWord {
  readonly t: string;
  readonly resume?: string;
  readonly windowMs?: number;
  readonly retryMs?: number;
  readonly resumed?: boolean;
}

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const PUBLICATION = '{"t":"pub"';
const PATH = { path: "/connect", subprotocol: "holdfast.v1" } as const;

export class Wire {
  readonly port: number;
  readonly #listener: WireListener;
  #socket: Socket<Wire> | undefined;
  #rest: Buffer | undefined;
  #upgraded = false;
  #ended = false;

  constructor(port: number, listener: WireListener) {
    this.port = port;
    this.#listener = listener;
    Bun.connect<Wire>({ hostname: "127.0.0.1", port, socket: handlers, data: this }).then(
      (socket) => {
        this.#socket = socket;
        if (this.#ended) socket.end();
        else socket.write(upgradeRequest({ host: `127.0.0.1:${port}`, ...PATH }));
      },
      () => this.ended(),
    );
  }

  send(frame: object): void {
    this.#socket?.write(textFrame(JSON.stringify(frame)));
  }

  /** Nothing is heard of it any more. */
  close(): void {
    this.#ended = true;
    this.#socket?.end();
  }

  ended(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener.closed();
  }

  /** Bytes from the node, cut anywhere. */
  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#upgraded ? 0 : this.#head(bytes);
    for (let span = frameAt(bytes, at); span !== undefined && at < bytes.length; span = frameAt(bytes, at)) {
      at = span.to;
      if (this.#ended) return;
      if (span.opcode === 1) this.#message(bytes.toString("utf8", span.from, span.to));
      else if (span.opcode === 8) this.close1000();
    }
    // The runtime reuses the chunk's memory.
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at));
  }

  /** The node closes: it is answered, as RFC 6455 wants it. */
  close1000(): void {
    this.#socket?.write(Buffer.from([0x88, 0x80, 0, 0, 0, 0]));
    this.#socket?.end();
  }

  #head(bytes: Buffer): number {
    const end = bytes.indexOf(END_OF_HEAD);
    if (end === -1) return 0;
    this.#upgraded = true;
    this.#listener.opened();
    return end + END_OF_HEAD.length;
  }

  #message(text: string): void {
    for (const line of text.split("\n")) {
      if (line.startsWith(PUBLICATION)) this.#listener.delivered(1);
      else this.#listener.frame(JSON.parse(line) as ServerWord);
    }
  }
}

/** One object for all sockets. */
const handlers = {
  data: (socket: Socket<Wire>, chunk: Buffer) => socket.data.take(chunk),
  close: (socket: Socket<Wire>) => socket.data.ended(),
  error: (socket: Socket<Wire>) => socket.data.ended(),
  connectError: (socket: Socket<Wire>) => socket.data.ended(),
};
