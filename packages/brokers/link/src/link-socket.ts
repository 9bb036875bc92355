// Owns: one end's socket of the broker link: frames, batches, limits on what waits.
import type { Socket } from "node:net";
import type { Clock } from "@holdfast/core";
import { Packr, RESERVE_START_SPACE, Unpackr } from "msgpackr";
import { LinkFault, type LinkMessage, list, message } from "./link-wire.ts";

/**
 * Frame: four bytes of length (big endian), then that many bytes of MessagePack: a list of
 * messages.
 */
const HEADER_BYTES = 4;
/** A batch that is estimated to be larger begins a new frame. */
const BATCH_BYTES = 256 * 1024;

export interface LinkSocketLimits {
  /** Largest frame, either way. One message that is larger cannot be sent. */
  readonly frameBytesMax: number;
  /** Most bytes that wait for the peer to read. If more would wait, the connection is cut. */
  readonly queueBytesMax: number;
}

export const LINK_SOCKET_LIMITS: LinkSocketLimits = {
  frameBytesMax: 64 * 1024 * 1024,
  queueBytesMax: 64 * 1024 * 1024,
};

export interface LinkSocketHandlers {
  message(message: LinkMessage): void;
  /**
   * The connection is gone, for whatever reason. Called once, never inside a call of the socket's
   * methods.
   */
  ended(reason: string): void;
}

export interface LinkSocketOptions {
  readonly socket: Socket;
  readonly clock: Clock;
  readonly limits: LinkSocketLimits;
  readonly handlers: LinkSocketHandlers;
}

/**
 * Sends messages in order, all messages of one turn in one write. Passes on received ones in order.
 */
export class LinkSocket {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #limits: LinkSocketLimits;
  readonly #handlers: LinkSocketHandlers;
  readonly #packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });
  readonly #reader: FrameReader;
  #batch: LinkMessage[] = [];
  #batchBytes = 0;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #flushes = false;
  #reason = "the peer closed the connection";
  #gone = false;

  constructor(options: LinkSocketOptions) {
    this.#socket = options.socket;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#handlers = options.handlers;
    this.#reader = new FrameReader(options.limits.frameBytesMax);
    options.socket.setNoDelay(true);
    options.socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    options.socket.on("error", (error: Error) => {
      this.#reason = error.message;
    });
    options.socket.on("close", () => this.#end());
  }

  /**
   * From now on larger frames are refused: for peers that have not shown that they know the secret.
   */
  limitFrames(bytesMax: number): void {
    this.#reader.frameBytesMax = Math.min(bytesMax, this.#limits.frameBytesMax);
  }

  /** Bytes that wait; for this turn's messages an estimate. */
  get waitingBytes(): number {
    return this.#batchBytes + this.#frameBytes + this.#socket.writableLength;
  }

  /**
   * Queues a message; `bytes` is an estimate of its size. Cuts the connection if too much waits: it
   * does not wait for a peer that does not read.
   */
  send(outgoing: LinkMessage, bytes: number): void {
    if (this.#gone) return;
    if (this.waitingBytes > this.#limits.queueBytesMax) {
      this.cut("the peer reads too slowly");
      return;
    }
    this.#batch.push(outgoing);
    this.#batchBytes += bytes + 32;
    if (this.#batchBytes >= BATCH_BYTES) this.#pack();
    if (this.#flushes) return;
    this.#flushes = true;
    this.#clock.defer(() => this.#flush());
  }

  /** Ends the connection after everything that was sent. */
  end(): void {
    this.#flush();
    this.#socket.end();
  }

  /** Ends the connection at once. */
  cut(reason: string): void {
    if (this.#gone) return;
    this.#reason = reason;
    this.#gone = true;
    this.#batch = [];
    this.#frames = [];
    this.#socket.destroy();
  }

  #pack(): void {
    if (this.#batch.length === 0) return;
    const frame = this.#packr.pack(this.#batch, RESERVE_START_SPACE + HEADER_BYTES);
    this.#batch = [];
    this.#batchBytes = 0;
    const bodyBytes = frame.byteLength - HEADER_BYTES;
    if (bodyBytes > this.#limits.frameBytesMax) {
      this.cut(`a frame of ${bodyBytes} bytes is over the limit`);
      return;
    }
    new DataView(frame.buffer, frame.byteOffset).setUint32(0, bodyBytes);
    this.#frames.push(frame);
    this.#frameBytes += frame.byteLength;
  }

  #flush(): void {
    this.#flushes = false;
    if (this.#gone) return;
    this.#pack();
    const frames = this.#frames;
    this.#frames = [];
    this.#frameBytes = 0;
    const [first] = frames;
    if (first === undefined) return;
    if (frames.length === 1) {
      this.#socket.write(first);
      return;
    }
    this.#socket.cork();
    for (const frame of frames) this.#socket.write(frame);
    this.#socket.uncork();
  }

  #receive(chunk: Uint8Array): void {
    try {
      for (const incoming of this.#reader.read(chunk)) {
        if (this.#gone) return;
        this.#handlers.message(incoming);
      }
    } catch (error) {
      // Nothing after a broken frame can be read: the connection ends, whichever end caused it.
      this.cut(error instanceof Error ? error.message : "a message could not be handled");
    }
  }

  #end(): void {
    this.#gone = true;
    this.#handlers.ended(this.#reason);
  }
}

/** Cuts what arrives into frames and reads their messages. Holds at most one unfinished frame. */
class FrameReader {
  frameBytesMax: number;
  /**
   * Copies byte strings out of the received chunk: a kept publication must not keep the whole
   * chunk.
   */
  readonly #unpackr = new Unpackr({ useRecords: false, copyBuffers: true });
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes that are needed before the next attempt. */
  #needed = HEADER_BYTES;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  *read(chunk: Uint8Array): Generator<LinkMessage> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes < this.#needed) return;
    const received = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    const view = new DataView(received.buffer, received.byteOffset, received.byteLength);
    let at = 0;
    this.#needed = HEADER_BYTES;
    while (received.byteLength - at >= HEADER_BYTES) {
      const bodyBytes = view.getUint32(at);
      if (bodyBytes > this.frameBytesMax) throw new LinkFault(`a frame of ${bodyBytes} bytes`);
      this.#needed = HEADER_BYTES + bodyBytes;
      if (received.byteLength - at < this.#needed) break;
      const body = received.subarray(at + HEADER_BYTES, at + this.#needed);
      at += this.#needed;
      this.#needed = HEADER_BYTES;
      for (const item of list(this.#unpackr.unpack(body))) yield message(item);
    }
    const rest = received.subarray(at);
    this.#chunks = rest.byteLength > 0 ? [rest] : [];
    this.#bytes = rest.byteLength;
  }
}
