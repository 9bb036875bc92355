// Owns: text to and from UTF-8 bytes, by a loop if it is short and by the runtime's coders if not.
import { hasLoneSurrogate } from "./utf8.ts";

/** What runtimes have and the types of ES2023 do not. */
interface Coders {
  TextEncoder: new () => {
    encode(text: string): Uint8Array;
    encodeInto(text: string, bytes: Uint8Array): { written: number };
  };
  TextDecoder: new (
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ) => { decode(bytes: Uint8Array): string };
}
const { TextEncoder, TextDecoder } = globalThis as unknown as Coders;
const encoder = /* @__PURE__ */ new TextEncoder();
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this many bytes or units a loop is faster than the runtime's coder. */
const SHORT = 32;

/** The text in bytes `start` to `end`. Throws a TypeError when they are not UTF-8. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT) return decoder.decode(bytes.subarray(start, end));
  let text = "";
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte >= 0x80) return decoder.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The text as UTF-8, in an array of its own. A lone surrogate becomes U+FFFD. */
export const textBytes = (text: string): Uint8Array => encoder.encode(text);

/**
 * Writes `text` at `at`; `bytes` has room for 3 bytes for each UTF-16 unit. Where it ends; -1 when
 * the text holds half of a surrogate pair.
 */
export function writeText(text: string, bytes: Uint8Array, at: number): number {
  const { length } = text;
  let i = 0;
  if (length <= SHORT) {
    for (; i < length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) break;
      bytes[at + i] = unit;
    }
    if (i === length) return at + length;
  }
  const { written } = encoder.encodeInto(text, bytes.subarray(at));
  return written > length && hasLoneSurrogate(text) ? -1 : at + written;
}
