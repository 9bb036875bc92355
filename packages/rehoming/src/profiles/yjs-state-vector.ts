// Owns: what a client is known to have of a document: a Yjs state vector.
import { copied, joined, Lib0Reader } from "./lib0.ts";

/** Nothing of the document. Every server answers it with all that it has. */
const EMPTY = new Uint8Array([0]);
/** A longer one is not kept: the next server tells the client everything again. */
const BYTES_MAX = 64 * 1024;

/**
 * Each client of a document numbers its changes; a state vector has the next number of each. A
 * server's answer to one holds all that is missing in it. So once a client has that answer, it has
 * at least what it had, and what the server had said it has.
 */
export class KnownState {
  #client: Uint8Array | undefined;
  /** What the current server said it has, until the client was told that much. */
  #server: Uint8Array | undefined;

  get bytes(): number {
    return (this.#client?.length ?? 0) + (this.#server?.length ?? 0);
  }

  /** As it is told to the next server. Undefined: the client has not asked for anything yet. */
  get client(): Uint8Array | undefined {
    return this.#client;
  }

  clientSaid(vector: Uint8Array): void {
    this.#client = kept(vector);
  }

  serverSaid(vector: Uint8Array): void {
    this.#server = kept(vector);
  }

  /** The current server told the client what it lacked. */
  clientWasTold(): void {
    const server = this.#server;
    this.#server = undefined;
    if (this.#client === undefined || server === undefined) return;
    this.#client = kept(merged(this.#client, server));
  }

  /** Another server: it has something else. */
  serverLeft(): void {
    this.#server = undefined;
  }
}

const kept = (vector: Uint8Array): Uint8Array =>
  vector.length > BYTES_MAX || read(vector) === undefined ? EMPTY : copied(vector);

/** Undefined: it is none. */
function read(vector: Uint8Array): Map<number, number> | undefined {
  const reader = new Lib0Reader(vector);
  const clocks = new Map<number, number>();
  for (let left = reader.uint(); left > 0 && !reader.isBroken; left--)
    clocks.set(reader.uint(), reader.uint());
  return reader.isBroken ? undefined : clocks;
}

function merged(a: Uint8Array, b: Uint8Array): Uint8Array {
  const clocks = read(a) ?? new Map<number, number>();
  for (const [client, clock] of read(b) ?? [])
    clocks.set(client, Math.max(clock, clocks.get(client) ?? 0));
  return joined(clocks.size, ...[...clocks].flat());
}
