// Owns: reading a client's frame out of JSON text. Known members are read, others are passed over.
import { fromBase64 } from "./base64.ts";
import {
  type DecodedItem,
  frameFault,
  type ReceivedData,
  readClientFrame,
} from "./client-frame-reader.ts";
import { pathText } from "./data-path.ts";
import { JsonWalk } from "./json-walk.ts";
import { KNOWN_MEMBERS, knownInText } from "./known-members.ts";
import { dataProblem, describe, type Problem, tooLarge } from "./member-reader.ts";
import { fitsUtf8, utf8Length } from "./utf8.ts";

type Members = Record<string, unknown>;

/** One frame's text as a frame or a fault. The text of `d` is checked and left as it stands. */
export function readJsonFrame(text: string, dataBytesMax: number): DecodedItem {
  const reader = new FrameReader(text, dataBytesMax);
  const map = reader.read();
  return map === undefined
    ? frameFault("a frame", reader.found, "one JSON object on one line")
    : readClientFrame(map, reader.data);
}

class FrameReader {
  found = "";
  data: ReceivedData;
  readonly #walk: JsonWalk;
  readonly #dataBytesMax: number;

  constructor(text: string, dataBytesMax: number) {
    this.#walk = new JsonWalk(text);
    this.#dataBytesMax = dataBytesMax;
  }

  /** The known members; undefined when the text is no object or a known member stands twice. */
  read(): Members | undefined {
    const walk = this.#walk;
    if (walk.space() !== 0x7b) return this.#fail("text that is not a JSON object");
    const map = this.#map(false);
    if (map === undefined) return undefined;
    if (walk.space() >= 0) return this.#fail("text behind the object");
    if (map.b !== undefined) this.data = this.#bytes(map);
    return map;
  }

  #map(isInner: boolean): Members | undefined {
    const walk = this.#walk;
    const map: Members = {};
    let seen = 0;
    walk.position++;
    if (walk.space() === 0x7d) {
      walk.position++;
      return map;
    }
    for (;;) {
      if (walk.space() !== 0x22) return this.#broken();
      const start = walk.position;
      if (!walk.string()) return this.#broken();
      const place = this.#knownFrom(start);
      if (walk.space() !== 0x3a) return this.#broken();
      walk.position++;
      if (place < 0) {
        if (!walk.skip()) return this.#broken();
      } else {
        const name = KNOWN_MEMBERS[place] as string;
        if (seen & (1 << place)) return this.#fail(`member ${name} twice`);
        seen |= 1 << place;
        if (!this.#member(map, name, isInner)) return undefined;
      }
      const unit = walk.space();
      walk.position++;
      if (unit === 0x7d) return map;
      if (unit !== 0x2c) return this.#broken();
    }
  }

  /** The place of the known name in the string that was passed over; -1 for another name. */
  #knownFrom(start: number): number {
    const walk = this.#walk;
    if (!walk.lastHasEscape) return knownInText(walk.text, start + 1, walk.position - 1);
    // No known name is longer, however it is written.
    if (walk.position - start > 100) return -1;
    const name = walk.parsed(start) as string;
    return knownInText(name, 0, name.length);
  }

  #member(map: Members, name: string, isInner: boolean): boolean {
    const walk = this.#walk;
    const unit = walk.space();
    const start = walk.position;
    if (name === "d" && !isInner) {
      map.d = true;
      return this.#readData(start);
    }
    if (unit === 0x7b && !isInner) {
      const inner = this.#map(true);
      map[name] = inner;
      return inner !== undefined;
    }
    if (!walk.skip()) return this.#broken() !== undefined;
    // What stands for a list or a map inside of a map is of the wrong type, whatever is in it.
    if (unit === 0x22 && !walk.lastHasEscape)
      map[name] = walk.text.slice(start + 1, walk.position - 1);
    else if (unit === 0x5b) map[name] = [];
    else if (unit === 0x7b) map[name] = {};
    else if (unit <= 0x39 && unit !== 0x22)
      map[name] = Number(walk.text.slice(start, walk.position));
    else map[name] = walk.parsed(start);
    return true;
  }

  #readData(start: number): boolean {
    const walk = this.#walk;
    let problem: Problem | undefined;
    if (!walk.data()) {
      if (walk.isBroken) return this.#broken() !== undefined;
      problem = dataProblem(pathText(walk.trail) || "d", walk.found);
      walk.position = start;
      if (!walk.skip()) return this.#broken() !== undefined;
    }
    const text = walk.text.slice(start, walk.position);
    if (fitsUtf8(text, this.#dataBytesMax)) this.data = problem ?? { kind: "json", text };
    else this.data = tooLarge("d", utf8Length(text), this.#dataBytesMax);
    return true;
  }

  #bytes({ b, d }: Members): ReceivedData {
    if (d !== undefined)
      return { code: "request_invalid", path: "b", found: "b beside d", expected: "one of them" };
    const max = this.#dataBytesMax;
    const wanted = "a string of base64";
    if (typeof b !== "string") return dataProblem("b", describe(b), wanted);
    // Refused before it is decoded: nothing is allocated for it.
    if (b.length > Math.ceil(max / 3) * 4) return tooLarge("b", Math.floor(b.length / 4) * 3, max);
    const bytes = fromBase64(b);
    if (bytes === undefined) return dataProblem("b", "a string that is not padded base64", wanted);
    return bytes.length > max ? tooLarge("b", bytes.length, max) : { kind: "bytes", bytes };
  }

  #broken(): undefined {
    return this.#fail("text that is not JSON");
  }

  #fail(found: string): undefined {
    this.found = found;
    return undefined;
  }
}
