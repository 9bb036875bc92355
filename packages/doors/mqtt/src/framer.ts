// Owns: cutting a stream of bytes into packets, by their fixed headers (MQTT 5, section 2.1).
import { type Fault, REASON } from "./reason.ts";

/** One packet: `type` and `flags` of its first byte, its body between `from` and `to`. */
export interface RawPacket {
  readonly type: number;
  readonly flags: number;
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}

/** Bytes of chunks beyond which what is left of one is copied, so that the chunk can go. */
const HEADER_BYTES_MAX = 5;

/**
 * Keeps what of the stream was not taken as packets yet. It holds at most one packet, as far as it
 * came, and what the transport brought behind it. A packet over the limit is refused when its
 * header is there: none of it is gathered.
 */
export class Framer {
  #chunks: Uint8Array[] | undefined;
  /** Bytes in the chunks, from `#at` of the first. */
  #bytes = 0;
  #at = 0;

  /** Bytes that wait. */
  get waiting(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#chunks === undefined) this.#chunks = [chunk];
    else this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** The next packet; undefined: it is not whole yet. */
  next(packetBytesMax: number): RawPacket | Fault | undefined {
    const first = this.#chunks?.[0];
    if (first === undefined || this.#bytes < 2) return undefined;
    const isHere = first.length - this.#at >= Math.min(HEADER_BYTES_MAX, this.#bytes);
    const head = isHere ? first : this.#gathered(Math.min(HEADER_BYTES_MAX, this.#bytes));
    const start = isHere ? this.#at : 0;
    let length = 0;
    let factor = 1;
    let headerBytes = 1;
    for (;;) {
      const byte = headerBytes < HEADER_BYTES_MAX ? head[start + headerBytes] : undefined;
      if (byte === undefined)
        return headerBytes < HEADER_BYTES_MAX
          ? undefined
          : { reason: REASON.malformedPacket, text: "a remaining length of more than four bytes" };
      headerBytes += 1;
      length += (byte & 127) * factor;
      if (byte < 128) break;
      factor *= 128;
    }
    const size = headerBytes + length;
    if (size > packetBytesMax)
      return {
        reason: REASON.packetTooLarge,
        text: `a packet of ${size} bytes, expected at most ${packetBytesMax}`,
      };
    if (this.#bytes < size) {
      this.#tidy();
      return undefined;
    }
    const { bytes, at } = this.#take(size);
    const lead = bytes[at] as number;
    return { type: lead >> 4, flags: lead & 15, bytes, from: at + headerBytes, to: at + size };
  }

  #gathered(count: number): Uint8Array {
    const head = new Uint8Array(count);
    this.#copy(head);
    return head;
  }

  #copy(into: Uint8Array): void {
    let filled = 0;
    let at = this.#at;
    for (const chunk of this.#chunks as Uint8Array[]) {
      if (filled === into.length) return;
      const part = chunk.subarray(at, at + into.length - filled);
      into.set(part, filled);
      filled += part.length;
      at = 0;
    }
  }

  #take(size: number): { readonly bytes: Uint8Array; readonly at: number } {
    const chunks = this.#chunks as Uint8Array[];
    const first = chunks[0] as Uint8Array;
    let bytes = first;
    let at = this.#at;
    if (first.length - at < size) {
      bytes = new Uint8Array(size);
      this.#copy(bytes);
      at = 0;
    }
    this.#bytes -= size;
    let left = size;
    while (left > 0) {
      const chunk = chunks[0] as Uint8Array;
      const here = Math.min(left, chunk.length - this.#at);
      this.#at += here;
      left -= here;
      if (this.#at < chunk.length) break;
      chunks.shift();
      this.#at = 0;
    }
    if (chunks.length === 0) this.#chunks = undefined;
    return { bytes, at };
  }

  /** The rest of a chunk keeps no more memory than it is long; many small chunks become one. */
  #tidy(): void {
    const chunks = this.#chunks as Uint8Array[];
    if (this.#at === 0 && chunks.length < CHUNKS_MAX) return;
    const rest = new Uint8Array(this.#bytes);
    this.#copy(rest);
    this.#chunks = [rest];
    this.#at = 0;
  }
}

/** Chunks of a packet that is not whole. A client that sends bytes one by one costs no more. */
const CHUNKS_MAX = 64;
