// Owns: the real clock and the real source of randomness.
import { randomBytes } from "node:crypto";
import type { Clock, Random } from "@holdfast/core";

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (task) => void setImmediate(task),
};

const ID_BYTES = 16;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => base32(randomBytes(ID_BYTES)),
};

/** RFC 4648 section 6, lower case, without padding: 26 characters for 16 bytes. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}
