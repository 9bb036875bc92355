// Owns: what a node accepts as JSON: a walk over the text that builds nothing.
import type { Trail } from "./data-path.ts";
import { KeyHashes } from "./key-set.ts";
import { DATA_DEPTH_MAX } from "./limits.ts";
import { hasLoneSurrogate } from "./utf8.ts";

/** How much is asked of a value. */
const NONE = 0;
const QUICK = 1;
const EXACT = 2;
const NOWHERE: Trail = [];
const TOO_DEEP = `data nested deeper than ${DATA_DEPTH_MAX} levels`;
/** What makes a string more than the text between two quotes. */
const ODD = /[^ -[\]-\ud7ff\ue000-\uffff]/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** A whole number of fewer digits is exact in a double, and one without an exponent is finite. */
const EXACT_DIGITS = 15;
const FINITE_LENGTH = 200;

/**
 * Walks over JSON text. `data` holds to the definition of application data: at most
 * DATA_DEPTH_MAX lists and maps deep, numbers that doubles hold, strings of whole characters, no
 * member twice, none that is called `__proto__`. `skip` asks for nothing but JSON, and below
 * DATA_DEPTH_MAX levels for nothing but matching brackets.
 */
export class JsonWalk {
  readonly text: string;
  position = 0;
  /** What was found instead, once a walk returned false. */
  found = "";
  /** Where in the data it was found. */
  trail: Trail = NOWHERE;
  /** It is not data that was found but text that is not JSON. */
  isBroken = false;
  #hashes: KeyHashes | undefined;
  #rules: typeof NONE | typeof QUICK | typeof EXACT = NONE;
  /** A key may stand twice in its map. */
  #isDoubtful = false;
  #hasEscape = false;
  readonly #isPlain: boolean;

  constructor(text: string) {
    this.text = text;
    // In most texts a string ends at the next quote, which the runtime finds faster than a loop.
    this.#isPlain = !ODD.test(text);
  }

  /** Passes over white space. The UTF-16 unit behind it; -1 at the end. */
  space(): number {
    const { text } = this;
    // Never asked beyond the end: that would be NaN, and the loop slower by half.
    for (; this.position < text.length; this.position++) {
      const unit = text.charCodeAt(this.position);
      if (unit > 0x20 || (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09))
        return unit;
    }
    return -1;
  }

  /** Passes over one value; false when it is not JSON. */
  skip(): boolean {
    this.#rules = NONE;
    return this.#value(0);
  }

  /** Passes over one value; false when it is no data. */
  data(depth = 0): boolean {
    const start = this.position;
    this.#rules = QUICK;
    this.#isDoubtful = false;
    if (!this.#value(depth)) return false;
    if (!this.#isDoubtful) return true;
    this.#rules = EXACT;
    this.position = start;
    return this.#value(depth);
  }

  /** Passes over a string whose quote is next. `lastHasEscape` tells of it afterwards. */
  string(): boolean {
    this.#hasEscape = false;
    if (!this.#isPlain) return this.#oddString();
    const end = this.text.indexOf('"', this.position + 1);
    if (end < 0) return this.broken();
    this.position = end + 1;
    return true;
  }

  /** The same in text that has escapes, surrogates or control characters somewhere. */
  #oddString(): boolean {
    const { text } = this;
    const start = this.position;
    let at = start + 1;
    let isHalf = false;
    for (;;) {
      const unit = at < text.length ? text.charCodeAt(at++) : -1;
      if (unit === QUOTE) break;
      if (unit === BACKSLASH) {
        this.#hasEscape = true;
        const size = escapeSize(text, at);
        if (size === 0) return this.broken();
        // `\ud800` to `\udfff` is half of a pair; the other half is looked for below.
        if (size === 5 && (text.charCodeAt(at + 1) | 0x20) === 0x64) isHalf = true;
        at += size;
      } else if (unit >= 0xd800 && unit < 0xe000) {
        const next = text.charCodeAt(at);
        if (unit < 0xdc00 && next >= 0xdc00 && next < 0xe000) at++;
        else isHalf = true;
      } else if (!(unit >= 0x20)) return this.broken();
    }
    this.position = at;
    if (!isHalf || this.#rules === NONE) return true;
    return (
      !hasLoneSurrogate(this.parsed(start) as string) || this.#fail("half of a surrogate pair")
    );
  }

  /** Whether the last string has escapes. */
  get lastHasEscape(): boolean {
    return this.#hasEscape;
  }

  /** The value of the text from `start`, which was passed over, to here. */
  parsed(start: number): unknown {
    return JSON.parse(this.text.slice(start, this.position));
  }

  broken(): false {
    this.isBroken = true;
    return this.#fail("text that is not JSON");
  }

  #value(depth: number): boolean {
    const unit = this.space();
    if (unit === QUOTE) return this.string();
    if (unit === 0x7b) return this.#map(depth);
    if (unit === 0x5b) return this.#list(depth);
    if (unit === 0x74) return this.#word("true");
    if (unit === 0x66) return this.#word("false");
    if (unit === 0x6e) return this.#word("null");
    return this.#number();
  }

  #word(word: string): boolean {
    if (!this.text.startsWith(word, this.position)) return this.broken();
    this.position += word.length;
    return true;
  }

  #number(): boolean {
    const { text } = this;
    const start = this.position;
    const first = text.charCodeAt(start) === 0x2d ? start + 1 : start;
    let at = text.charCodeAt(first) === 0x30 ? first + 1 : digitsEnd(text, first);
    if (at === first) return this.broken();
    let isChecked = at - first > EXACT_DIGITS;
    if (text.charCodeAt(at) === 0x2e) {
      const end = digitsEnd(text, at + 1);
      if (end === at + 1) return this.broken();
      at = end;
      isChecked = at - start > FINITE_LENGTH;
    }
    if ((text.charCodeAt(at) | 0x20) === 0x65) {
      const sign = text.charCodeAt(at + 1);
      const begin = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
      const end = digitsEnd(text, begin);
      if (end === begin) return this.broken();
      at = end;
      // With an exponent of two digits, a short number stays below 10^308.
      isChecked = end - begin > 2 || at - start > FINITE_LENGTH;
    }
    this.position = at;
    return !isChecked || this.#rules === NONE || this.#checkNumber(text.slice(start, at));
  }

  #checkNumber(text: string): boolean {
    const value = Number(text);
    if (!Number.isFinite(value)) return this.#fail("a number beyond the range of doubles");
    // Digits alone say an integer. It is exact, or a double as ECMAScript writes it.
    const isInteger = /^-?\d+$/.test(text) && !Number.isSafeInteger(value);
    if (!isInteger || String(value) === text || BigInt(value) === BigInt(text)) return true;
    return this.#fail("an integer that no double holds");
  }

  #list(depth: number): boolean {
    if (depth >= DATA_DEPTH_MAX) return this.#tooDeep();
    this.position++;
    if (this.space() === 0x5d) {
      this.position++;
      return true;
    }
    for (let index = 0; ; index++) {
      if (!this.#value(depth + 1)) return this.#inside(index);
      const unit = this.space();
      this.position++;
      if (unit === 0x5d) return true;
      if (unit !== 0x2c) return this.broken();
    }
  }

  #map(depth: number): boolean {
    if (depth >= DATA_DEPTH_MAX) return this.#tooDeep();
    this.position++;
    if (this.space() === 0x7d) {
      this.position++;
      return true;
    }
    if (this.#rules === NONE) return this.#members(depth, 0, undefined);
    this.#hashes ??= new KeyHashes();
    const base = this.#hashes.begin();
    const keys = this.#rules === EXACT ? new Set<string>() : undefined;
    if (!this.#members(depth, base, keys)) return false;
    this.#hashes.end(base);
    return true;
  }

  #members(depth: number, base: number, keys: Set<string> | undefined): boolean {
    for (;;) {
      if (this.space() !== QUOTE) return this.broken();
      const start = this.position;
      if (!this.string()) return !this.isBroken && this.#under(start, this.position);
      const end = this.position;
      if (this.#rules !== NONE && !this.#key(start, base, keys)) return this.#under(start, end);
      if (this.space() !== 0x3a) return this.broken();
      this.position++;
      if (!this.#value(depth + 1)) return this.#under(start, end);
      const unit = this.space();
      this.position++;
      if (unit === 0x7d) return true;
      if (unit !== 0x2c) return this.broken();
    }
  }

  /** Checks the key that was passed over last. */
  #key(start: number, base: number, keys: Set<string> | undefined): boolean {
    if (keys === undefined) {
      const hash = hashOf(this.text, start + 1, this.position - 1);
      if (this.#hasEscape || this.#hashes?.add(base, hash)) this.#isDoubtful = true;
      const isProto = this.position - start === 11 && this.text.startsWith("__proto__", start + 1);
      return !isProto || this.#fail("a member of this name");
    }
    const key = this.parsed(start) as string;
    if (keys.has(key)) return this.#fail("a member that stands twice");
    keys.add(key);
    return key !== "__proto__" || this.#fail("a member of this name");
  }

  #tooDeep(): boolean {
    if (this.#rules !== NONE) return this.#fail(TOO_DEEP);
    return this.skipBrackets();
  }

  /** Passes over a list or map, looking at nothing but strings and brackets. */
  skipBrackets(): boolean {
    const { text } = this;
    let depth = 0;
    do {
      if (this.position >= text.length) return this.broken();
      const unit = text.charCodeAt(this.position);
      if (unit === QUOTE) {
        if (!this.string()) return false;
        continue;
      }
      if (unit === 0x5b || unit === 0x7b) depth++;
      else if (unit === 0x5d || unit === 0x7d) depth--;
      this.position++;
    } while (depth > 0);
    return true;
  }

  #inside(step: string | number): false {
    // What is too deep is no matter of one field.
    if (this.found !== TOO_DEEP) this.trail = [step, ...this.trail];
    return false;
  }

  /** Adds the key between `start` and `end` to the trail. */
  #under(start: number, end: number): false {
    return this.#inside(JSON.parse(this.text.slice(start, end)) as string);
  }

  #fail(found: string): false {
    this.found = found;
    return false;
  }
}

function hashOf(text: string, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

/** Where the digits that begin at `start` end; `start` when there are none. */
function digitsEnd(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x30 || unit > 0x39) break;
  }
  return at;
}

/** UTF-16 units behind the backslash before `at` that are its escape; 0 for no escape of JSON. */
function escapeSize(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit === 0x75) {
    for (let i = 1; i <= 4; i++) if (!isHexDigit(text.charCodeAt(at + i))) return 0;
    return 5;
  }
  return isShortEscape(unit) ? 1 : 0;
}

const isHexDigit = (unit: number): boolean =>
  (unit >= 0x30 && unit <= 0x39) || ((unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x66);

/** One of `"\\/bfnrt`. */
const isShortEscape = (unit: number): boolean =>
  unit === QUOTE ||
  unit === BACKSLASH ||
  unit === 0x2f ||
  unit === 0x62 ||
  unit === 0x66 ||
  unit === 0x6e ||
  unit === 0x72 ||
  unit === 0x74;
