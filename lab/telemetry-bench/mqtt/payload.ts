// Owns: the payload of a measured message: JSON of a fixed length that says its number and its
// publisher in places that are read without parsing.

const NUMBER_AT = '{"n":'.length;
const PUBLISHER_AT = NUMBER_AT + '1000000000,"p":'.length;
const NUMBER_BASE = 1_000_000_000;
const PUBLISHER_BASE = 100_000;
/** Least length: what comes before the text, and its end. */
const FRAME = '{"n":1000000000,"p":100000,"text":""}'.length;

export function payloadBytes(length: number): Uint8Array {
  const text = "x".repeat(Math.max(0, length - FRAME));
  return new TextEncoder().encode(`{"n":${NUMBER_BASE},"p":${PUBLISHER_BASE},"text":"${text}"}`);
}

export function writeNumber(bytes: Uint8Array, at: number, number: number): void {
  digits(bytes, at + NUMBER_AT, NUMBER_BASE + number, 10);
}

export function writePublisher(bytes: Uint8Array, at: number, publisher: number): void {
  digits(bytes, at + PUBLISHER_AT, PUBLISHER_BASE + publisher, 6);
}

export const readNumber = (bytes: Uint8Array, at: number): number =>
  value(bytes, at + NUMBER_AT, 10) - NUMBER_BASE;

export const readPublisher = (bytes: Uint8Array, at: number): number =>
  value(bytes, at + PUBLISHER_AT, 6) - PUBLISHER_BASE;

function digits(bytes: Uint8Array, at: number, number: number, count: number): void {
  let left = number;
  for (let place = at + count - 1; place >= at; place--) {
    bytes[place] = 48 + (left % 10);
    left = Math.floor(left / 10);
  }
}

function value(bytes: Uint8Array, at: number, count: number): number {
  let found = 0;
  for (let place = at; place < at + count; place++) found = found * 10 + (bytes[place] ?? 48) - 48;
  return found;
}
