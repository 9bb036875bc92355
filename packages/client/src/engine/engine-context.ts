// Owns: what the pieces of the engine know of the whole.
import type { ClientCodec, ClientFrame, ServerFrame } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import type { Counts } from "./counts.ts";
import type { ClientEnvironment } from "./environment.ts";
import type { HoldfastError } from "./errors.ts";

/** A node's answer to one request. */
export type Answer = Exclude<
  Extract<ServerFrame<unknown>, { readonly id: number }>,
  { readonly t: "connected" }
>;

type WithoutId<F> = F extends { readonly id: number } ? Omit<F, "id"> : never;
/** A request that has no id yet. */
export type Request = WithoutId<ClientFrame<unknown>>;

/** The members that are not undefined: what a frame or an event leaves out. */
export function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}

/** Members that may be undefined become optional ones. */
export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The whole engine, as its pieces see it. */
export interface EngineContext {
  /** Opens transports. Time and chance are asked for below. */
  readonly environment: ClientEnvironment;
  readonly codec: ClientCodec;
  readonly counts: Counts;
  /** The connection that new requests go to, when one is established. */
  ready(): Connection | undefined;
  /** Why the client has ended for good, once it has. */
  readonly final: HoldfastError | undefined;
  /** A request id that is in no use. */
  nextId(): number;
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Uniform in [0, 1). */
  chance(): number;
  /** Runs `task` once, after the delay. The result cancels it. */
  after(delayMs: number, task: () => void): () => void;
  /** Runs `task` once, at the end of this turn of the event loop. */
  defer(task: () => void): void;
  /** Tells the application of an error that no call of its own can carry. Never throws. */
  report(error: unknown): void;
}

/** Something that a client keeps alive over its connections: subscriptions, presence. */
export interface Feature {
  /** A connection opened: ask for everything on it. `resumes`: an earlier one was lost. */
  attach(connection: Connection, resumes: boolean): void;
  /** It ended, or counts no more. */
  detach(connection: Connection): void;
  /** A frame that answers no request; those of other features are ignored. */
  onFrame(connection: Connection, frame: ServerFrame<unknown>): void;
  /** Whether the connection carries everything, as new as an older connection would. */
  isSettled(connection: Connection): boolean;
  /** The client ended for good. */
  endAll(error: HoldfastError): void;
}

/** Calls the application's code; what it throws is reported and stops nothing. */
export function guard(engine: EngineContext, task: () => void): void {
  try {
    task();
  } catch (error) {
    engine.report(error);
  }
}

/** Bytes of a encoded frame on the wire. */
export function byteLength(encoded: string | Uint8Array): number {
  if (typeof encoded !== "string") return encoded.length;
  // A surrogate pair is two units and four bytes, so each half adds one; every other unit above
  // U+07FF adds two.
  const above7bits = encoded.split(/[\u0080-\uffff]/).length;
  const above11bits = encoded.split(/[\u0800-\ud7ff\ue000-\uffff]/).length;
  return encoded.length + above7bits + above11bits - 2;
}
