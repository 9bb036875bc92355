// Owns: a will's form in the broker.
import type { Payload } from "@holdfast/protocol";
import { textOf } from "@holdfast/protocol/node";
import { utf8, Writer } from "./bytes.ts";

/** What is published, as the engine has it. */
export interface WillMessage {
  readonly channel: string;
  readonly key: string | undefined;
  readonly payload: Payload;
  readonly meta: Uint8Array;
  readonly user: string | undefined;
}

/** A session, as whoever had it knew it: a higher fence says that its client came back. */
export interface WillSession {
  readonly key: string;
  readonly fence: number;
}

export interface WillRecord {
  readonly messages: readonly WillMessage[];
  /** Absent: nobody can go on with the session. */
  readonly session: WillSession | undefined;
  /** Names it in idempotency keys. */
  readonly id: string;
  /** From the end of the connection. */
  readonly delayMs: number;
  /** By the wall clock. Absent: the connection was open when this was written. */
  readonly dueMs: number | undefined;
  /** Whose share of the node and of the broker it takes. */
  readonly party: string;
}

const FORM = 1;

/** A head of JSON, and behind it the bytes of payloads and metas, in turn. */
export function writeRecord({
  messages,
  session,
  id,
  delayMs,
  dueMs,
  party,
}: WillRecord): Uint8Array {
  const parts = messages.flatMap(({ payload, meta }) => [payloadBytes(payload), meta]);
  const head = utf8(
    JSON.stringify([
      FORM,
      id,
      session === undefined ? null : [session.key, session.fence],
      delayMs,
      dueMs ?? null,
      party,
      messages.map(({ channel, key, payload, user }) => [
        channel,
        key ?? null,
        payload.kind,
        user ?? null,
      ]),
      parts.map(({ length }) => length),
    ]),
  );
  const out = new Writer(4 + head.length + parts.reduce((sum, { length }) => sum + length, 0));
  out.u32(head.length).raw(head);
  for (const part of parts) out.raw(part);
  return out.done();
}

type Head = [
  number,
  string,
  [string, number] | null,
  number,
  number | null,
  string,
  [string, string | null, Payload["kind"], string | null][],
  number[],
];

/** Undefined: a node of another version wrote it. */
export function readRecord(bytes: Uint8Array): WillRecord | undefined {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 4 + view.getUint32(0);
    const head = JSON.parse(textOf(bytes, 4, at)) as Head;
    const [form, id, session, delayMs, dueMs, party, rows, lengths] = head;
    if (form !== FORM) return undefined;
    const next = (place: number): Uint8Array => {
      const from = at;
      at += lengths[place] ?? 0;
      return bytes.slice(from, at);
    };
    const messages = rows.map(([channel, key, kind, user], row): WillMessage => {
      const data = next(2 * row);
      return {
        channel,
        key: key ?? undefined,
        payload:
          kind === "json" ? { kind, text: textOf(data, 0, data.length) } : { kind, bytes: data },
        meta: next(2 * row + 1),
        user: user ?? undefined,
      };
    });
    return {
      messages,
      session: session === null ? undefined : { key: session[0], fence: session[1] },
      id,
      delayMs,
      dueMs: dueMs ?? undefined,
      party,
    };
  } catch {
    return undefined;
  }
}

const payloadBytes = (payload: Payload): Uint8Array =>
  payload.kind === "json" ? utf8(payload.text) : payload.bytes;

/** Bytes that the messages take in memory, about. */
export const willBytes = (messages: readonly WillMessage[]): number =>
  messages.reduce((sum, { payload, meta }) => sum + 128 + sizeOf(payload) + meta.length, 0);

const sizeOf = (payload: Payload): number =>
  payload.kind === "json" ? payload.text.length : payload.bytes.length;
