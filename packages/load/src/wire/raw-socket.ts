// Owns: one WebSocket of a load generator: it opens from a chosen address, reads whole messages,
// writes frames, and reports its end once.
import type { Socket } from "bun";
import {
  clientFrame,
  closeFrame,
  frameAt,
  NONCE_ACCEPTED,
  OPCODE,
  upgradeRequest,
} from "./ws-frames.ts";

export interface Address {
  readonly url: URL;
  /** Local address to come from, as in 127.0.0.2. */
  readonly source?: string;
  readonly subprotocol?: string;
  /** Of the upgrade request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** False: accept any certificate. */
  readonly verifiesTls: boolean;
}

/** Why a socket ended: its name in a report, and the close code if there was a close frame. */
export interface SocketEnd {
  readonly name: string;
  readonly code?: number;
}

export interface SocketOwner {
  /** The WebSocket is open. */
  opened(): void;
  /** A whole message lies in `bytes` from..to; the memory is only good during the call. */
  message(bytes: Buffer, from: number, to: number, isText: boolean): void;
  /**
   * Called once, also when it never opened; nothing follows. Not called after `terminate` and
   * `hangUp`.
   */
  ended(end: SocketEnd): void;
}

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const HEAD_BYTES_MAX = 16_384;
const MESSAGE_BYTES_MAX = 16 << 20;
/** Most bytes that the kernel has not accepted yet. With more, the generator itself is stuck. */
const QUEUE_BYTES_MAX = 4 << 20;

/** A WebSocket that never masks and never compresses. */
export class RawSocket {
  readonly #owner: SocketOwner;
  #socket: Socket<RawSocket> | undefined;
  #state: "connecting" | "head" | "open" | "ended" = "connecting";
  #rest: Buffer | undefined;
  #fragments: { readonly isText: boolean; readonly parts: Buffer[]; bytes: number } | undefined;
  #queue: Buffer[] = [];
  #queueBytes = 0;
  #tlsFault: string | undefined;

  constructor(address: Address, owner: SocketOwner) {
    this.#owner = owner;
    const { url, source } = address;
    const isTls = url.protocol === "wss:";
    const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const options: Bun.TCPSocketConnectOptions<RawSocket> & { readonly localAddress?: string } = {
      hostname,
      port: Number(url.port) || (isTls ? 443 : 80),
      socket: HANDLERS,
      data: this,
      ...(isTls ? { tls: { serverName: hostname, rejectUnauthorized: address.verifiesTls } } : {}),
      ...(source === undefined ? {} : { localAddress: source }),
    };
    Bun.connect<RawSocket>(options).then(
      (socket) => this.#connected(socket, address),
      (error: { readonly code?: string }) => this.#end({ name: connectErrorName(error.code) }),
    );
  }

  send(message: string | Uint8Array): void {
    if (this.#state === "open")
      this.#write(clientFrame(typeof message === "string" ? OPCODE.text : OPCODE.binary, message));
  }

  /** Says goodbye: `ended` comes when the server has answered. */
  close(code = 1000): void {
    if (this.#state === "open") this.#write(closeFrame(code));
    else this.terminate();
  }

  /**
   * Ends the connection without a close frame, but what was sent still arrives; `ended` is not
   * called.
   */
  hangUp(): void {
    this.#state = "ended";
    this.#socket?.end();
  }

  /** Cuts the connection without a close frame; `ended` is not called. */
  terminate(): void {
    this.#state = "ended";
    this.#socket?.terminate();
  }

  #connected(socket: Socket<RawSocket>, { url, subprotocol, headers }: Address): void {
    this.#socket = socket;
    // Terminated while it connected.
    if (this.#state === "ended") return void socket.terminate();
    this.#state = "head";
    this.#write(
      Buffer.from(
        upgradeRequest({
          host: url.host,
          path: `${url.pathname}${url.search}`,
          ...(subprotocol === undefined ? {} : { subprotocol }),
          ...(headers === undefined ? {} : { headers }),
        }),
        "latin1",
      ),
    );
  }

  /** Bytes from the server, cut anywhere. */
  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    let at = this.#state === "head" ? this.#takeHead(bytes) : 0;
    while (at < bytes.length && this.#state === "open") {
      const frame = frameAt(bytes, at);
      if (frame === undefined) break;
      at = frame.to;
      if (frame.opcode === OPCODE.text && frame.fin)
        this.#owner.message(bytes, frame.from, frame.to, true);
      else this.#takeOther(bytes, frame);
    }
    if (this.#state === "ended" || at >= bytes.length) return;
    if (bytes.length - at > MESSAGE_BYTES_MAX) this.#cut({ name: "message_too_large" });
    else this.#rest = Buffer.from(bytes.subarray(at)); // the runtime reuses the chunk's memory
  }

  drained(): void {
    while (this.#queue[0] !== undefined) {
      const written = this.#socket?.write(this.#queue[0]) ?? 0;
      if (written < 0) return;
      this.#queueBytes -= written;
      if (written < this.#queue[0].length) {
        this.#queue[0] = this.#queue[0].subarray(written);
        return;
      }
      this.#queue.shift();
    }
  }

  closed(): void {
    this.#end({
      name: this.#state === "open" ? "connection_lost" : (this.#tlsFault ?? "connection_refused"),
    });
  }

  /** TLS came to an end; a certificate that is not trusted closes the connection. */
  shook(isTrusted: boolean, fault: { readonly code?: string } | null): void {
    if (!isTrusted && this.#state !== "open")
      this.#tlsFault = `tls_${connectErrorName(fault?.code)}`;
  }

  failed(error: { readonly code?: string }): void {
    this.#end({ name: this.#state === "open" ? "connection_lost" : connectErrorName(error.code) });
  }

  #takeHead(bytes: Buffer): number {
    const end = bytes.indexOf(END_OF_HEAD);
    if (end === -1) {
      if (bytes.length > HEAD_BYTES_MAX) this.#cut({ name: "not_websocket" });
      return 0;
    }
    const head = bytes.toString("latin1", 0, end);
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
    if (status !== "101" || !head.includes(NONCE_ACCEPTED)) {
      this.#cut({
        name: status === undefined || status === "101" ? "not_websocket" : `http_${status}`,
      });
      return 0;
    }
    this.#state = "open";
    this.#owner.opened();
    return end + END_OF_HEAD.length;
  }

  #takeOther(
    bytes: Buffer,
    { opcode, fin, from, to }: { opcode: number; fin: boolean; from: number; to: number },
  ): void {
    if (opcode === OPCODE.binary && fin) return this.#owner.message(bytes, from, to, false);
    if (opcode === OPCODE.ping)
      return this.#write(clientFrame(OPCODE.pong, bytes.subarray(from, to)));
    if (opcode === OPCODE.close) {
      const code = to - from >= 2 ? bytes.readUInt16BE(from) : 1005;
      this.#write(closeFrame(code === 1005 ? 1000 : code));
      return this.#cut({ name: `close_${code}`, code });
    }
    if (opcode > OPCODE.binary) return;
    if (opcode !== OPCODE.continuation)
      this.#fragments = { isText: opcode === OPCODE.text, parts: [], bytes: 0 };
    const fragments = this.#fragments;
    if (fragments === undefined) return this.#cut({ name: "frame_invalid" });
    fragments.parts.push(Buffer.from(bytes.subarray(from, to)));
    fragments.bytes += to - from;
    if (fragments.bytes > MESSAGE_BYTES_MAX) return this.#cut({ name: "message_too_large" });
    if (!fin) return;
    this.#fragments = undefined;
    this.#owner.message(Buffer.concat(fragments.parts), 0, fragments.bytes, fragments.isText);
  }

  #write(bytes: Buffer): void {
    const written = this.#queueBytes === 0 ? Math.max(0, this.#socket?.write(bytes) ?? 0) : 0;
    if (written === bytes.length) return;
    this.#queue.push(bytes.subarray(written));
    this.#queueBytes += bytes.length - written;
    if (this.#queueBytes > QUEUE_BYTES_MAX) this.#cut({ name: "send_queue_full" });
  }

  #cut(end: SocketEnd): void {
    this.#end(end);
    this.#socket?.end();
  }

  #end(end: SocketEnd): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#owner.ended(end);
  }
}

const connectErrorName = (code: string | undefined): string =>
  code === undefined || !/^[A-Z][A-Z0-9_]{2,40}$/.test(code)
    ? "connection_refused"
    : code.toLowerCase();

/** One object for all sockets. */
const HANDLERS = {
  data: (socket: Socket<RawSocket>, chunk: Buffer) => socket.data.take(chunk),
  drain: (socket: Socket<RawSocket>) => socket.data.drained(),
  handshake: (
    socket: Socket<RawSocket>,
    isTrusted: boolean,
    fault: (Error & { readonly code?: string }) | null,
  ) => socket.data.shook(isTrusted, fault),
  close: (socket: Socket<RawSocket>) => socket.data.closed(),
  error: (socket: Socket<RawSocket>, error: Error & { readonly code?: string }) =>
    socket.data.failed(error),
};
