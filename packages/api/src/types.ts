// Owns: what calls take and give, typed by the application's contract.
import type { PayloadOf, PresenceOf } from "@holdfast/contract";
import type { Operations } from "./operations.ts";

/** Where a publication is, once the broker has it. */
export type Published = Operations["publish"]["output"];

/** How the back end publishes: key, author and idempotency key. */
export interface PublishOptions {
  /** Only for channels of class `latest`: the key whose newest publication this becomes. */
  readonly key?: string;
  /** Author that subscribers are told. */
  readonly user?: string;
  /**
   * The same key again for a channel publishes nothing and answers the first offset. Default: a
   * random one for each call, so that its own repetitions are safe.
   */
  readonly idempotencyKey?: string;
}

/** One channel of a broadcast: it was published, or why not. */
export type BroadcastResult = Operations["broadcast"]["output"]["results"][number];

/** Data that JSON cannot say comes as bytes (`Uint8Array`); MessagePack as its encoded bytes. */
export interface Publication<T = unknown>
  extends Omit<Operations["history"]["output"]["publications"][number], "data" | "b" | "msgpack"> {
  readonly data: T;
}

/** A publication of a stream. Its `id` is where another stream can go on. */
export interface StreamedPublication<T = unknown> extends Publication<T> {
  readonly id: string;
}

/** A page of a channel's history, oldest first. */
export interface HistoryPage<T = unknown>
  extends Omit<Operations["history"]["output"], "publications"> {
  readonly publications: readonly Publication<T>[];
}

/** A session in a channel's presence. */
export interface Member<T = unknown>
  extends Omit<Operations["presence"]["output"]["members"][number], "data" | "b" | "msgpack"> {
  readonly data: T;
}

/** An event that names its channel. */
export interface IngestEvent<N extends string = string> {
  readonly channel: N;
  /** Any JSON value, or one Uint8Array. */
  readonly data: unknown;
  /** Only for channels of class `latest`. */
  readonly key?: string;
  /** Default: that of the call and the event's place. */
  readonly idempotencyKey?: string;
}

/** How many events the broker has, and what became of each. */
export type IngestResult = Operations["ingest"]["output"];

/** A user's sessions, or one session. */
export type Who = { readonly user: string } | { readonly session: string };

/** Operations that a batch takes: all but those that a batch cannot hold. */
type Batchable = Exclude<
  keyof Operations,
  "batch" | "broadcast" | "ingest" | "drain" | "undrain" | "shed" | "node_drain" | "node_undrain"
>;

/** One command of a batch: an operation's input with its name as `op`. */
export type Command = {
  readonly [Op in Batchable]: { readonly op: Op } & Operations[Op]["input"];
}[Batchable];

/** What became of a command. */
export type CommandResult = Operations["batch"]["output"]["results"][number];

/** What subscribers of the channel get. */
export type Received<C, N extends string> = unknown extends C ? unknown : PayloadOf<C, N>;
/** A member's data, as others see it. */
export type PresenceData<C, N extends string> = unknown extends C ? unknown : PresenceOf<C, N>;
