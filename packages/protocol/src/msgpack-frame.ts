// Owns: reading a client's frame out of MessagePack: known members are read, others passed over.
import {
  type DecodedItem,
  frameFault,
  type ReceivedData,
  readClientFrame,
} from "./client-frame-reader.ts";
import { pathText } from "./data-path.ts";
import { KNOWN_MEMBERS, knownInBytes } from "./known-members.ts";
import { dataProblem, describe, tooLarge } from "./member-reader.ts";
import { MsgpackReader } from "./msgpack-read.ts";
import { MsgpackWalk } from "./msgpack-walk.ts";
import { textOf } from "./text-bytes.ts";
import { isUtf8 } from "./utf8.ts";

type Members = Record<string, unknown>;

/**
 * Reads the frames of one message. `bytes` is a plain Uint8Array; what is read shares no memory
 * with it.
 */
export class MsgpackFrames {
  readonly #bytes: Uint8Array;
  readonly #dataBytesMax: number;
  readonly #walk: MsgpackWalk;
  #found = "";

  constructor(bytes: Uint8Array, dataBytesMax: number) {
    this.#bytes = bytes;
    this.#dataBytesMax = dataBytesMax;
    this.#walk = new MsgpackWalk(bytes);
  }

  get isAtEnd(): boolean {
    return this.#walk.position >= this.#bytes.length;
  }

  /** The next frame, or a fault. */
  next(): DecodedItem {
    const map = this.#map(false);
    return map === undefined
      ? frameFault("a frame", this.#found, "a map in MessagePack")
      : readClientFrame(map, this.#data(map));
  }

  /** The known members; undefined for no whole map, and when a known member stands twice. */
  #map(isInner: boolean): Members | undefined {
    const walk = this.#walk;
    const size = walk.mapHead();
    if (size === undefined) return this.#fail("a value that is no map");
    const map: Members = {};
    let seen = 0;
    for (let i = 0; i < size; i++) {
      const start = walk.stringStart();
      if (start === undefined) return this.#fail(walk.found || "a member without a name");
      const place = knownInBytes(this.#bytes, start, walk.position);
      if (place < 0) {
        if (!walk.skip()) return this.#fail(walk.found);
      } else {
        const name = KNOWN_MEMBERS[place] as string;
        if (seen & (1 << place)) return this.#fail(`member ${name} twice`);
        seen |= 1 << place;
        const value = this.#value(isInner);
        if (value === undefined) return undefined;
        map[name] = value;
      }
    }
    return map;
  }

  /** A known member's value; an empty list or map stands for one that no member may have. */
  #value(isInner: boolean): unknown {
    const walk = this.#walk;
    const start = walk.position;
    const token = this.#bytes[start] ?? 0xc1;
    if (token < 0x80 || token >= 0xe0) {
      walk.position++;
      return token < 0x80 ? token : token - 256;
    }
    const isMap = token < 0x90 || token === 0xde || token === 0xdf;
    if (isMap && !isInner) return this.#map(true);
    if ((token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb)) return this.#text();
    if (!walk.skip()) return this.#fail(walk.found);
    if (isMap) return {};
    if (token < 0xa0 || token === 0xdc || token === 0xdd) return [];
    if ((token >= 0xc7 && token <= 0xc9) || (token >= 0xd4 && token <= 0xd8))
      return this.#fail("an extension type");
    return new MsgpackReader(this.#bytes, start, true).value();
  }

  #text(): string | undefined {
    const start = this.#walk.stringStart();
    if (start === undefined) return this.#fail(this.#walk.found);
    const end = this.#walk.position;
    if (isUtf8(this.#bytes, start, end)) return textOf(this.#bytes, start, end);
    return this.#fail("a string that is not UTF-8");
  }

  #data({ d, b }: Members): ReceivedData {
    if (d === undefined && b === undefined) return undefined;
    if (d !== undefined && b !== undefined)
      return { code: "request_invalid", path: "b", found: "b beside d", expected: "one of them" };
    const path = d === undefined ? "b" : "d";
    const bytes = d ?? b;
    if (!(bytes instanceof Uint8Array)) return dataProblem(path, describe(bytes), "a bin");
    if (bytes.length > this.#dataBytesMax) return tooLarge(path, bytes.length, this.#dataBytesMax);
    if (path === "b") return { kind: "bytes", bytes };
    const walk = new MsgpackWalk(bytes);
    if (!walk.data()) return dataProblem(pathText(walk.trail) || "d", walk.found);
    if (walk.position < bytes.length) return dataProblem("d", "bytes behind the value");
    return { kind: "msgpack", bytes };
  }

  #fail(found: string): undefined {
    this.#found = found;
    return undefined;
  }
}
