// Owns: base64 (RFC 4648 section 4, padded) for byte strings in JSON frames.

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Newer runtimes have both; the types of ES2023 do not. */
interface NativeBytes {
  toBase64?(): string;
}

/** Base64 text of `bytes`, padded. */
export function toBase64(bytes: Uint8Array): string {
  const native = (bytes as NativeBytes).toBase64;
  return native ? native.call(bytes) : encodeBase64(bytes);
}

/** The same without the runtime's help. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += ALPHABET.charAt(group >> 18) + ALPHABET.charAt((group >> 12) & 63);
    text +=
      (left > 1 ? ALPHABET.charAt((group >> 6) & 63) : "=") +
      (left > 2 ? ALPHABET.charAt(group & 63) : "=");
  }
  return text;
}

/**
 * The bytes behind `text`, or undefined when it is not padded base64 (white space, the URL alphabet
 * and stray bits are refused).
 */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let at = 0;
  for (let i = 0; i < text.length; i += 4) {
    const last = i + 4 === text.length;
    let group = 0;
    for (let k = 0; k < 4; k++) {
      const value = last && k >= 4 - padding ? 0 : sextet(text.charCodeAt(i + k));
      if (value < 0) return undefined;
      group = (group << 6) | value;
    }
    const size = last ? 3 - padding : 3;
    if (size < 3 && (group & (size === 2 ? 0xff : 0xffff)) !== 0) return undefined;
    bytes[at++] = group >> 16;
    if (size > 1) bytes[at++] = (group >> 8) & 255;
    if (size > 2) bytes[at++] = group & 255;
  }
  return bytes;
}

function sextet(unit: number): number {
  if (unit >= 65 && unit <= 90) return unit - 65;
  if (unit >= 97 && unit <= 122) return unit - 71;
  if (unit >= 48 && unit <= 57) return unit + 4;
  return unit === 43 ? 62 : unit === 47 ? 63 : -1;
}
