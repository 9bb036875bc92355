// Owns: the messages of holdfast.handoff.v1 as bytes (spec/handoff.md), both ways.
import type { Frame } from "../frame.ts";

/** The subprotocol of a client that has none of its own. Others are `HANDOFF+theirs`. */
export const HANDOFF = "holdfast.handoff.v1";

/** What one side tells the other, in the order of its index: a message, or as the last a close. */
export type Entry =
  | { readonly type: "message"; readonly index: number; readonly frame: Frame }
  | {
      readonly type: "close";
      readonly index: number;
      readonly code: number;
      readonly reason: string;
    };

/** `up`: it commits, too. `early`: the client gets it at once, committed or not. */
export type PodEntry = Entry & { readonly up?: number; readonly early?: boolean };

export type FromPod =
  | PodEntry
  | { readonly type: "ready" }
  | { readonly type: "commit"; readonly up: number; readonly state?: Uint8Array }
  | { readonly type: "draft"; readonly state: Uint8Array }
  | { readonly type: "sync" };

export type FromGateway =
  | Entry
  | {
      readonly type: "hello";
      readonly stateBytesMax: number;
      readonly uncommittedBytesMax: number;
    }
  | {
      readonly type: "attach";
      readonly up: number;
      readonly down: number;
      readonly got: number;
      readonly state: Uint8Array;
    }
  | { readonly type: "leave" }
  | { readonly type: "saved"; readonly up: number; readonly down: number };

const TEXT = 0x01;
const BINARY = 0x02;
const CLOSE = 0x03;
const COMMITS = 0x10;
const EARLY = 0x20;
const HELLO = 0x40;
const ATTACH = 0x41;
const LEAVE = 0x42;
const SAVED = 0x43;
const READY = 0x80;
const COMMIT = 0x81;
const STATE = 0x82;
const SYNC = 0x83;
const DRAFT = 0x84;

const INDEX_BYTES = 8;
const REASON_BYTES_MAX = 123;
const U32 = 0x1_0000_0000;
/** Longer texts are written by the runtime, shorter ones by a loop. */
const SHORT = 32;

/** What runtimes have and the types of ES2023 do not. */
interface Coders {
  TextEncoder: new () => { encode(text: string): Uint8Array };
  TextDecoder: new (
    label: string,
    options: { fatal: boolean; ignoreBOM: boolean },
  ) => { decode(bytes: Uint8Array): string };
}
const { TextEncoder, TextDecoder } = globalThis as unknown as Coders;
const encoder = /* @__PURE__ */ new TextEncoder();
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A message of a pod. Undefined: it is none. */
export function readFromPod(message: Frame): FromPod | undefined {
  const type = typeof message === "string" ? undefined : message[0];
  if (typeof message === "string" || type === undefined) return undefined;
  const isBare = message.length === 1;
  switch (type) {
    case READY:
      return isBare ? { type: "ready" } : undefined;
    case SYNC:
      return isBare ? { type: "sync" } : undefined;
    case DRAFT:
      return { type: "draft", state: message.slice(1) };
    case COMMIT: {
      const up = numberAt(message, 1);
      return up === undefined || message.length !== 9 ? undefined : { type: "commit", up };
    }
    case STATE: {
      const up = numberAt(message, 1);
      return up === undefined ? undefined : { type: "commit", up, state: message.slice(9) };
    }
  }
  return readPodEntry(message, type);
}

function readPodEntry(message: Uint8Array, type: number): FromPod | undefined {
  const kind = type & ~(COMMITS | EARLY);
  const isEarly = (type & EARLY) !== 0;
  if (kind === CLOSE && isEarly) return undefined;
  if ((type & COMMITS) === 0) {
    const entry = readEntry(message, kind, 1 + INDEX_BYTES);
    return entry === undefined || !isEarly ? entry : { ...entry, early: true };
  }
  const up = numberAt(message, 1 + INDEX_BYTES);
  const entry = readEntry(message, kind, 1 + 2 * INDEX_BYTES);
  if (entry === undefined || up === undefined) return undefined;
  return isEarly ? { ...entry, up, early: true } : { ...entry, up };
}

/** A message of a gateway. Undefined: it is none. */
export function readFromGateway(message: Frame): FromGateway | undefined {
  const type = typeof message === "string" ? undefined : message[0];
  if (typeof message === "string" || type === undefined) return undefined;
  switch (type) {
    case LEAVE:
      return { type: "leave" };
    case HELLO: {
      if (message.length < 9) return undefined;
      const [stateBytesMax, uncommittedBytesMax] = [u32(message, 1), u32(message, 5)];
      return { type: "hello", stateBytesMax, uncommittedBytesMax };
    }
    case ATTACH: {
      const [up, down] = [numberAt(message, 1), numberAt(message, 9)];
      const got = numberAt(message, 17);
      if (up === undefined || down === undefined || got === undefined) return undefined;
      return { type: "attach", up, down, got, state: message.slice(25) };
    }
    case SAVED: {
      const [up, down] = [numberAt(message, 1), numberAt(message, 9)];
      return up === undefined || down === undefined ? undefined : { type: "saved", up, down };
    }
  }
  return readEntry(message, type, 1 + INDEX_BYTES);
}

function readEntry(message: Uint8Array, kind: number, from: number): Entry | undefined {
  const index = numberAt(message, 1);
  if (index === undefined || index === 0 || message.length < from) return undefined;
  if (kind === BINARY) return { type: "message", index, frame: message.slice(from) };
  if (kind === TEXT) {
    const frame = textOf(message.subarray(from));
    return frame === undefined ? undefined : { type: "message", index, frame };
  }
  const bytes = message.length - from - 2;
  if (kind !== CLOSE || bytes < 0 || bytes > REASON_BYTES_MAX) return undefined;
  const code = (message[from] as number) * 256 + (message[from + 1] as number);
  const reason = textOf(message.subarray(from + 2));
  return reason === undefined ? undefined : { type: "close", index, code, reason };
}

/** A message of a client or to a client. */
export function writeMessage(
  index: number,
  frame: Frame,
  { up, early = false }: { readonly up?: number | undefined; readonly early?: boolean } = {},
): Uint8Array {
  const isText = typeof frame === "string";
  const type = (isText ? TEXT : BINARY) | (early ? EARLY : 0);
  return entry(type, index, { up, payload: isText ? bytesOfText(frame) : frame });
}

/** A close of a client or of an application. `reason` has 123 bytes of UTF-8 at most. */
export function writeClose(
  index: number,
  { code, reason, up }: { readonly code: number; readonly reason: string; readonly up?: number },
): Uint8Array {
  const words = bytesOfText(reason);
  const payload = new Uint8Array(2 + words.length);
  payload[0] = code >>> 8;
  payload[1] = code & 0xff;
  payload.set(words, 2);
  return entry(CLOSE, index, { up, payload });
}

function entry(
  type: number,
  index: number,
  { up, payload }: { readonly up: number | undefined; readonly payload: Uint8Array },
): Uint8Array {
  const from = 1 + (up === undefined ? 1 : 2) * INDEX_BYTES;
  const bytes = new Uint8Array(from + payload.length);
  bytes[0] = up === undefined ? type : type | COMMITS;
  putNumber(bytes, 1, index);
  if (up !== undefined) putNumber(bytes, 1 + INDEX_BYTES, up);
  bytes.set(payload, from);
  return bytes;
}

export const writeLeave = (): Uint8Array => Uint8Array.of(LEAVE);
export const writeReady = (): Uint8Array => Uint8Array.of(READY);
export const writeSync = (): Uint8Array => Uint8Array.of(SYNC);
export const writeSaved = (up: number, down: number): Uint8Array =>
  numbers(SAVED, [up, down], NOTHING);
export const writeCommit = (up: number, state?: Uint8Array): Uint8Array =>
  state === undefined ? numbers(COMMIT, [up], NOTHING) : numbers(STATE, [up], state);
export const writeDraft = (state: Uint8Array): Uint8Array => numbers(DRAFT, [], state);
export const writeAttach = (
  at: { readonly up: number; readonly down: number; readonly got: number },
  state: Uint8Array,
): Uint8Array => numbers(ATTACH, [at.up, at.down, at.got], state);

export function writeHello(limits: {
  readonly stateBytesMax: number;
  readonly uncommittedBytesMax: number;
}): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = HELLO;
  putU32(bytes, 1, limits.stateBytesMax);
  putU32(bytes, 5, limits.uncommittedBytesMax);
  return bytes;
}

const NOTHING = new Uint8Array(0);

function numbers(type: number, values: readonly number[], rest: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + INDEX_BYTES * values.length + rest.length);
  bytes[0] = type;
  for (const [i, value] of values.entries()) putNumber(bytes, 1 + INDEX_BYTES * i, value);
  bytes.set(rest, 1 + INDEX_BYTES * values.length);
  return bytes;
}

/** 8 bytes, big-endian. Undefined: they are not there, or it is no safe integer. */
function numberAt(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length < at + INDEX_BYTES) return undefined;
  const value = u32(bytes, at) * U32 + u32(bytes, at + 4);
  return Number.isSafeInteger(value) ? value : undefined;
}

function u32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 4; i++) value = value * 256 + (bytes[i] as number);
  return value;
}

function putNumber(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, Math.floor(value / U32));
  putU32(bytes, at + 4, value % U32);
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = (value >>> 16) & 0xff;
  bytes[at + 2] = (value >>> 8) & 0xff;
  bytes[at + 3] = value & 0xff;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function bytesOfText(text: string): Uint8Array {
  if (text.length > SHORT) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return encoder.encode(text);
    bytes[i] = unit;
  }
  return bytes;
}
