// Owns: the name of a version of the pod template: a hash of what it means, not of how it is
// written.
import type { Revision } from "../model/pod.ts";
import { RECEIVES_LABEL } from "./names.ts";
import { OWNED_LABELS } from "./set-rules.ts";
import { normalTemplate } from "./template.ts";

/** Letters and digits that spell no words, as in names that Kubernetes makes. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const LENGTH = 10;

/**
 * The revision of a pod template: 10 characters, a label's value. The order of keys does not
 * matter, nor whether a default is written, nor what the operator itself adds. Two templates of one
 * set share it by chance once in 10^14 pairs.
 */
export function revisionOf(template: unknown): Revision {
  let rest = fnv1a(canonical(normalTemplate(template, ADDED_LABELS)));
  let name = "";
  const base = BigInt(ALPHABET.length);
  for (let at = 0; at < LENGTH; at++) {
    name += ALPHABET.charAt(Number(rest % base));
    rest /= base;
  }
  return name;
}

/** Labels that the operator adds to the pods of a template. */
export const ADDED_LABELS: ReadonlySet<string> = new Set([...OWNED_LABELS, RECEIVES_LABEL]);

/** JSON with sorted keys. Absent and null are the same. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined && inner !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`);
  return `{${entries.join(",")}}`;
}

/** The offset 0xcbf29ce484222325 in two halves. */
const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
/** The prime is 2^40 and this. */
const PRIME_LOW = 0x1b3;

/**
 * FNV-1a with 64 bits over UTF-16 code units, low byte first. By two halves of 32 bits: with a
 * BigInt for each byte a template of 50 kB takes 40 times as long.
 */
function fnv1a(text: string): bigint {
  let high = OFFSET_HIGH;
  let low = OFFSET_LOW;
  for (let at = 0; at < 2 * text.length; at++) {
    const unit = text.charCodeAt(at >> 1);
    low ^= at % 2 === 0 ? unit & 0xff : unit >> 8;
    // By quarters of 16 bits, so that no product is above 32 bits.
    const first = (low & 0xffff) * PRIME_LOW;
    const second = (low >>> 16) * PRIME_LOW + (first >>> 16);
    high = (Math.imul(high, PRIME_LOW) + (low << 8) + (second >>> 16)) | 0;
    low = (second << 16) | (first & 0xffff);
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
