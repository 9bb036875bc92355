// Owns: the data that simulated clients publish: each piece says who made it and which it is. And
// how two pieces of data are compared.
import type { SeededRandom } from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";
import { payloadValue } from "@holdfast/protocol/node";
import { drawData } from "./drawn-data.ts";

export interface Asked {
  readonly publisher: string;
  readonly count: number;
  /** About how long. */
  readonly bytes: number;
}

/** Every kind of data that the specification knows; every seventh is a byte string. */
export function makeData(random: SeededRandom, { publisher, count, bytes }: Asked): unknown {
  const id = `${publisher}#${count}`;
  const filler = ".".repeat(Math.max(0, bytes - id.length));
  if (count % 7 === 6) return bytesOf(random, `${id} ${filler}`);
  switch (random.int(8)) {
    case 0:
      return [id, drawData(random), filler];
    case 1:
    case 2:
      return { id, of: drawData(random), filler };
    case 3:
      return `${id} ${filler}${random.pick(["", "\n", "🛶", "\u0000", '"'])}`;
    case 4:
      return drawScalar(random, { publisher, count, bytes });
    default:
      return { id, filler };
  }
}

/** Text that is no UTF-8 as well. */
function bytesOf(random: SeededRandom, text: string): Uint8Array {
  const tail = Array.from({ length: random.int(4) }, () => random.int(256));
  return new Uint8Array([...new TextEncoder().encode(text), ...tail]);
}

/** A number that no other piece of data is, or one of the three that say nothing of themselves. */
function drawScalar(random: SeededRandom, { publisher, count }: Asked): unknown {
  if (random.chance(0.1)) return random.pick([null, true, false]);
  const own = count * 64 + Number(publisher.replace(/\D/g, ""));
  return random.pick([own, -own - 0.5, own + 2 ** 40, own * 2 ** 60 + 2 ** 90]);
}

/** Whether a piece of data may stand in a stream twice although nobody repeated it. */
export const isNameless = (text: string): boolean => /^(null|true|false)$/.test(text);

/**
 * The same text for the same data, deep, whichever codec it went through; another one for anything
 * else. What is no data has a text as well.
 */
export function dataText(value: unknown): string {
  if (value instanceof Uint8Array) return `bytes ${value.toHex()}`;
  return textOf(value);
}

function textOf(value: unknown): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return Number.isFinite(value) ? numberText(value) : `no ${value}`;
  if (Array.isArray(value)) return `[${Array.from(value, textOf).join()}]`;
  if (typeof value !== "object" || !isPlain(value)) return `no data: ${kindOf(value)}`;
  let text = "";
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    if (member !== undefined)
      text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${textOf(member)}`;
  }
  return `{${text}}`;
}

/** `-0` is `0`. */
const numberText = (value: number): string => String(value);
const kindOf = (value: unknown): string => Object.prototype.toString.call(value);

function isPlain(value: object): boolean {
  const above: unknown = Object.getPrototypeOf(value);
  return above === null || above === Object.prototype;
}

export function payloadText(payload: Payload): string {
  return dataText(payloadValue(payload));
}

/** For people. */
export const short = (text: string): string =>
  text.length <= 120 ? text : `${text.slice(0, 60)}…${text.length}`;
