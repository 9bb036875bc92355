// Owns: the data that simulated clients publish: each piece says who made it and which it is.
import type { Payload } from "@holdfast/protocol";
import { payloadValue } from "@holdfast/protocol/node";

/** Data number `count` of a publisher, about `bytes` long. Every seventh is a byte string. */
export function makeData(publisher: string, count: number, bytes: number): unknown {
  const id = `${publisher}#${count}`;
  const filler = ".".repeat(Math.max(0, bytes - id.length));
  return count % 7 === 6 ? new TextEncoder().encode(`${id} ${filler}`) : { id, filler };
}

/** The same text for the same data, whichever codec it went through. */
export function valueKey(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes ${short(new TextDecoder().decode(value))}`;
  return short(JSON.stringify(value) ?? "nothing");
}

export function payloadKey(payload: Payload): string {
  return valueKey(payloadValue(payload));
}

const short = (text: string): string =>
  text.length <= 120 ? text : `${text.slice(0, 60)}…${text.length}`;
