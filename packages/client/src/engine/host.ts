// Owns: what the parts of the engine know of the whole.
import type { ClientCodec, ServerFrame } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import type { Counts } from "./counts.ts";
import type { ClientEnvironment } from "./environment.ts";
import type { HoldfastError } from "./errors.ts";

/** A node's answer to one request. */
export type Answer = Exclude<Extract<ServerFrame<unknown>, { readonly id: number }>, { readonly t: "connected" }>;

/** The whole, as its parts see it. */
export interface Host {
  readonly environment: ClientEnvironment;
  readonly codec: ClientCodec;
  readonly counts: Counts;
  /** The connection that new requests go to, when one is established. */
  ready(): Connection | undefined;
  /** Why the client has ended for good, once it has. */
  readonly final: HoldfastError | undefined;
  /** A request id that is in no use. */
  nextId(): number;
  /** Tells the application of an error that no call of its own can carry. Never throws. */
  report(error: unknown): void;
}

/** Calls the application's code; what it throws is reported and stops nothing. */
export function guard(host: Host, task: () => void): void {
  try {
    task();
  } catch (error) {
    host.report(error);
  }
}

/** Bytes of a message part on the wire. */
export function byteLength(encoded: string | Uint8Array): number {
  if (typeof encoded !== "string") return encoded.length;
  let bytes = encoded.length;
  for (let index = 0; index < encoded.length; index++) {
    const unit = encoded.charCodeAt(index);
    // A surrogate pair is two units and four bytes, so each half adds one; everything else above U+07FF adds two.
    if (unit > 0x7f) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}
