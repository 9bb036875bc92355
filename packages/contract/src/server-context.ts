// Owns: what the application's code on the server may do: the context of handlers and hooks.
import type { CodeName } from "@holdfast/protocol";
import type { SessionView } from "./define.ts";
import type { ChannelName, PayloadOf, PresenceOf, PublishOf } from "./types.ts";

/** Where a publication is, once the broker has it. */
export interface Published {
  readonly epoch: string;
  readonly offset: number;
  /** The idempotency key was known: nothing new was published. */
  readonly duplicate: boolean;
}

/** How code on the server publishes. */
export interface ServerPublishOptions {
  /** Only for channels of class `latest`: the key whose newest publication this becomes. */
  readonly key?: string;
  /** Author that subscribers are told. Absent: nobody. */
  readonly user?: string;
  /**
   * The same key again for a channel publishes nothing and answers the first offset. Keys are
   * shared with those of the HTTP API. Absent: each call publishes.
   */
  readonly idempotencyKey?: string;
}

/** A publication that a channel keeps. Bytes are a `Uint8Array`. */
export interface KeptPublication<T = unknown> {
  readonly offset: number;
  /** Broker's clock, in ms since the Unix epoch. */
  readonly timeMs: number;
  readonly data: T;
  readonly key?: string;
  readonly user?: string;
  /** Public id of the session that published. */
  readonly session?: string;
}

/** A page of what a channel keeps, oldest first. */
export interface KeptPage<T = unknown> {
  readonly epoch: string;
  /** Newest offset of the stream; 0 if it is empty. */
  readonly head: number;
  /** Older publications are kept. */
  readonly more: boolean;
  readonly publications: readonly KeptPublication<T>[];
}

/** A session that is in a channel. */
export interface PresentMember<T = unknown> {
  /** Public session id. */
  readonly session: string;
  readonly user?: string;
  readonly data: T;
}

/** Which sessions a command concerns: all of a user, or one. */
export type Who = { readonly user: string } | { readonly session: string };

/**
 * Lines of the node's log, as event `application`. The log's limits apply: texts of 2,048
 * characters, 40 fields, and 50 lines in 10 s, of all levels that are written together. Fields with
 * names of secrets or of data are hidden.
 */
export interface ServerLog {
  debug(text: string, fields?: Readonly<Record<string, unknown>>): void;
  info(text: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(text: string, fields?: Readonly<Record<string, unknown>>): void;
  error(text: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * What code on the server may do. It acts for the application: schemas, hooks and limits apply,
 * permissions of sessions do not. `C` is the contract, `D` what its `dependencies` start.
 *
 * Every promise rejects with a ContextError if the action is refused or fails. What waits for the
 * broker is charged to the user or address that caused it, together with what its clients sent.
 * Members may be taken apart: `({ room }, { publish }) => publish(...)`.
 */
export interface ServerContext<C = unknown, D = unknown> {
  /** Resolves when the broker has it. Rejects also with `payload_invalid` of the schema. */
  publish<N extends ChannelName<C>>(
    channel: N,
    data: PublishOf<C, N>,
    options?: ServerPublishOptions,
  ): Promise<Published>;
  /** The newest `limit` publications (default 50, at most 1,000), or those before an offset. */
  history<N extends ChannelName<C>>(
    channel: N,
    options?: { readonly limit?: number; readonly before?: number },
  ): Promise<KeptPage<PayloadOf<C, N>>>;
  /** Who is in the channel now, on every node. */
  presence<N extends ChannelName<C>>(
    channel: N,
  ): Promise<readonly PresentMember<PresenceOf<C, N>>[]>;
  /**
   * Ends sessions on every node. `reconnect: false` bans them: their clients stop, and their resume
   * tokens are refused. Default: they come back.
   */
  disconnect(who: Who & { readonly reconnect?: boolean }): Promise<void>;
  /** Ends subscriptions to a channel, on every node. */
  unsubscribe(who: Who & { readonly channel: ChannelName<C> }): Promise<void>;
  /**
   * Calls an RPC of the contract on this node, for the application: its handler sees a session
   * without id and user. Code that calls itself ends at a depth of 8, with `request_failed`.
   */
  rpc(method: string, data?: unknown): Promise<unknown>;
  readonly log: ServerLog;
  /** What `dependencies.start` of the contract gave. */
  readonly dependencies: D;
}

/** What a handler of an RPC gets beside its input. */
export interface RpcContext<C = unknown, D = unknown> extends ServerContext<C, D> {
  readonly session: SessionView;
  /** Aborted when the caller cancels, goes away, or the deadline passes. */
  readonly signal: RpcSignal;
}

/** The part of AbortSignal that a handler needs. */
export interface RpcSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
}

/**
 * What handlers need and a node starts once: a pool of a database, a client of another service.
 * `start` runs before the node listens, at most 60 s; if it fails, the node does not start. `stop`
 * runs when the last connection has gone, at most 5 s.
 */
export interface Dependencies<D = unknown> {
  readonly start: (tools: { readonly log: ServerLog }) => D | Promise<D>;
  readonly stop?: (dependencies: D) => void | Promise<void>;
}

/** A call of an RPC, as middleware sees it: permitted, and with checked input. */
export interface RpcCall<C = unknown, D = unknown> {
  readonly method: string;
  readonly input: unknown;
  readonly context: RpcContext<C, D>;
}

/**
 * Runs around the handlers of all RPCs, the first one outermost. It answers what the call answers:
 * the result of `next`, which it calls at most once, or something else. What it throws counts as
 * thrown by the handler.
 */
export type RpcMiddleware<C = unknown, D = unknown> = (
  call: RpcCall<C, D>,
  next: () => Promise<unknown>,
) => unknown;

/**
 * Thrown by a handler or a hook that cannot answer now because what it needs is away: a database,
 * another service. The caller may repeat the request, and is told when; the text stays in the log.
 */
export class UnavailableError extends Error {
  readonly code = "unavailable";
  /** The least time to wait before trying again. */
  readonly retryMs: number;

  constructor(
    message: string,
    options: { readonly retryMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "UnavailableError";
    this.retryMs = options.retryMs ?? UNAVAILABLE_RETRY_MS;
  }
}

const UNAVAILABLE_RETRY_MS = 1000;
const RETRY_MS_MAX = 300_000;

/**
 * When a request that ended with the error may be repeated; undefined: the error does not pass. By
 * names, not by classes: a contract file may have its own copy of this package.
 */
export function passesAfterMs(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { retryMs } = error as { readonly retryMs?: unknown };
  const isNumber = typeof retryMs === "number" && retryMs >= 0;
  if (error.name === "UnavailableError")
    return isNumber ? Math.min(retryMs, RETRY_MS_MAX) : UNAVAILABLE_RETRY_MS;
  if (error.name !== "ContextError") return undefined;
  if (isNumber) return Math.min(retryMs, RETRY_MS_MAX);
  return "code" in error && error.code === "broker_unavailable" ? UNAVAILABLE_RETRY_MS : undefined;
}

/**
 * An action of code on the server was refused or failed. `code` is one of the protocol's table.
 * `retryMs`: the least time to wait before trying again.
 */
export class ContextError extends Error {
  readonly code: CodeName;
  readonly path?: string;
  readonly retryMs?: number;

  constructor(
    code: CodeName,
    message: string,
    details: { readonly path?: string; readonly retryMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "ContextError";
    this.code = code;
    if (details.path !== undefined) this.path = details.path;
    if (details.retryMs !== undefined) this.retryMs = details.retryMs;
  }
}
