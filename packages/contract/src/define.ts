// Owns: what an application declares: channels, RPCs, hooks.
import type { DeliveryClass } from "@holdfast/protocol";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Dependencies, RpcContext, RpcMiddleware, ServerContext } from "./server-context.ts";

/** What rules and hooks may know of a session. */
export interface SessionView {
  readonly id: string;
  readonly user?: string;
  /** Claim `info` of the token. */
  readonly info?: unknown;
  readonly address: string;
}

/** The parameters in a pattern: `chat:{room}` has `room`, `files:{path*}` has `path`. */
export type ParamsOf<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string>>
  : Pattern extends `${string}{${infer Param}}${infer Rest}`
    ? {
        readonly [K in
          | (Param extends `${infer Name}*` ? Name : Param)
          | keyof ParamsOf<Rest>]: string;
      }
    : {};

/**
 * Who may: `anyone`; `authenticated` (has a user); `token` (has a capability for the channel and
 * the action in its token's `caps`); `nobody` (only the application's back end); or the application
 * decides. A function that throws, rejects or answers anything but `true` refuses. `anyone` and
 * `authenticated` do not look at `caps`.
 */
export type Rule<Name extends string = string> =
  | "anyone"
  | "authenticated"
  | "token"
  | "nobody"
  | ((session: SessionView, params: ParamsOf<Name>) => boolean | Promise<boolean>);

/**
 * What to do with a subscriber that reads too slowly. Default: `drop` for volatile, `conflate` for
 * latest, `catch-up` (read on from history when it can take more) for ordered and durable,
 * `disconnect` if no history is kept.
 */
export type SlowConsumerPolicy = "disconnect" | "drop" | "conflate" | "catch-up";

/** Who may do what in a channel. */
export interface Permissions<Name extends string = string> {
  readonly subscribe?: Rule<Name>;
  readonly publish?: Rule<Name>;
  /** To enter, and to see who is there. */
  readonly presence?: Rule<Name>;
  /** To read history and to recover from a position. */
  readonly history?: Rule<Name>;
}

/**
 * One channel pattern. The type parameters carry the schemas and the class to clients; an absent
 * schema is `never`.
 */
export interface ChannelDefinition<
  Name extends string = string,
  Payload extends StandardSchemaV1 = StandardSchemaV1,
  Presence extends StandardSchemaV1 = StandardSchemaV1,
  Class extends DeliveryClass = DeliveryClass,
> {
  /** Any Standard Schema (zod, valibot, arktype). Absent: any data, passed on unread. */
  readonly payload?: Payload;
  /** Schema of a member's presence data. Wants `presence: true`. */
  readonly presenceData?: Presence;
  /** Default `ordered`. */
  readonly class?: Class;
  /**
   * Defaults: 1000 publications (latest: keys), 10 minutes (durable: must be given). `size: 0`
   * keeps none (ordered only). Not for volatile.
   */
  readonly history?: { readonly size?: number; readonly ttlMs?: number };
  /** Default false. */
  readonly presence?: boolean;
  /**
   * Default for each: `authenticated`, or `anyone` if the node allows anonymous clients by
   * default (`holdfast dev`); say it.
   */
  readonly permissions?: Permissions<Name>;
  readonly slowConsumer?: SlowConsumerPolicy;
}

/** Who may call an RPC. */
export type RpcRule =
  | "anyone"
  | "authenticated"
  | ((session: SessionView) => boolean | Promise<boolean>);

/** What a handler gets if the schema is `S`: what the schema made of the input. */
type Checked<S> = [S] extends [never]
  ? unknown
  : S extends StandardSchemaV1
    ? StandardSchemaV1.InferOutput<S>
    : unknown;
/** What a handler may answer if the schema is `S`: what the schema takes. */
type Unchecked<S> = [S] extends [never]
  ? unknown
  : S extends StandardSchemaV1
    ? StandardSchemaV1.InferInput<S>
    : unknown;

/**
 * One RPC. A handler that throws a `RejectedError` answers `rejected` with its text; anything else
 * thrown is `rpc_failed` and only logged.
 */
export interface RpcDefinition<
  I extends StandardSchemaV1 = StandardSchemaV1,
  O extends StandardSchemaV1 = StandardSchemaV1,
> {
  readonly input?: I;
  readonly output?: O;
  /** Default as for channels. */
  readonly allow?: RpcRule;
  readonly handler: (
    input: Checked<I>,
    context: RpcContext<any, any>,
  ) => Unchecked<O> | Promise<Unchecked<O>>;
}

/** Thrown by an RPC handler to refuse a call; the text reaches the client with code `rejected`. */
export class RejectedError extends Error {
  readonly code = "rejected";
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "RejectedError";
  }
}

/** A hook's refusal. The text reaches the client. */
export interface Refusal {
  readonly reject: string;
}

/**
 * Functions of the application that the node calls after permissions and schemas. A hook that
 * throws refuses, and the log gets its error.
 */
export interface Hooks<C = unknown, D = unknown> {
  /** May refuse the session. */
  readonly onConnect?: (
    session: SessionView,
    context: ServerContext<C, D>,
  ) => Refusal | void | Promise<Refusal | void>;
  readonly onSubscribe?: (
    session: SessionView,
    channel: string,
    params: Readonly<Record<string, string>>,
    context: ServerContext<C, D>,
  ) => Refusal | void | Promise<Refusal | void>;
  /**
   * May refuse or replace the data. Sees what the schema let through. `session` is undefined for
   * publishes of the back end and of code on the server.
   */
  readonly onPublish?: (
    session: SessionView | undefined,
    publication: {
      readonly channel: string;
      readonly params: Readonly<Record<string, string>>;
      readonly data: unknown;
      readonly key?: string;
    },
    context: ServerContext<C, D>,
  ) =>
    | Refusal
    | { readonly data: unknown }
    | void
    | Promise<Refusal | { readonly data: unknown } | void>;
  readonly onDisconnect?: (
    session: SessionView,
    reason: string,
    context: ServerContext<C, D>,
  ) => void | Promise<void>;
}

/** A pipeline, as `pipeline(from(...))` of @holdfast/pipelines makes one. */
export interface PipelineDeclaration {
  readonly definition: { readonly kind: "pipeline" };
}

/** A log that is read into channels, as `kafkaSource(...)` of @holdfast/sinks/sources makes one. */
export interface SourceDeclaration {
  readonly source: string;
  readonly options: object;
}

/** Any contract, whatever its types. */
export interface ContractDefinition {
  readonly channels: { readonly [Name in string]: ChannelDefinition };
  readonly rpc?: { readonly [Name in string]: RpcDefinition<any, any> };
  readonly hooks?: Hooks<any, any>;
  readonly middleware?: readonly RpcMiddleware<any, any>[];
  readonly dependencies?: Dependencies<any>;
  /** Pipelines over the channels, by name. */
  readonly pipelines?: { readonly [Name in string]: PipelineDeclaration };
  /** Logs of others that are read into channels, by name. */
  readonly sources?: { readonly [Name in string]: SourceDeclaration };
}

/**
 * A conditional type and not an intersection: intersecting a schema makes TypeScript resolve all of
 * its members, 10 ms for each.
 */
type SchemaOnly<S> = S extends StandardSchemaV1 ? S : StandardSchemaV1;
type SchemaOr<S> = S extends StandardSchemaV1 ? S : never;

/** The channels that `defineContract` makes of the inferred schemas, by pattern. */
export type TypedChannels<P, M, K> = {
  readonly [N in keyof P]: ChannelDefinition<
    string,
    SchemaOr<P[N]>,
    SchemaOr<N extends keyof M ? M[N] : never>,
    N extends keyof K ? (K[N] extends DeliveryClass ? K[N] : "ordered") : "ordered"
  >;
};

/**
 * What `defineContract` makes of the inferred schemas: `P` payloads, `M` presence data, `K`
 * classes, by pattern; `I` inputs, `O` outputs, by RPC.
 */
export interface TypedContract<P, M, K, I, O> {
  readonly channels: TypedChannels<P, M, K>;
  readonly rpc: {
    readonly [N in keyof I]: RpcDefinition<
      SchemaOr<I[N]>,
      SchemaOr<N extends keyof O ? O[N] : never>
    >;
  };
  readonly hooks?: Hooks<any, any>;
  readonly middleware?: readonly RpcMiddleware<any, any>[];
  readonly dependencies?: Dependencies<any>;
  readonly pipelines?: { readonly [Name in string]: PipelineDeclaration };
  readonly sources?: { readonly [Name in string]: SourceDeclaration };
}

/** What handlers and hooks of a contract know of it: its channels. */
export interface OwnChannels<P, M, K> {
  readonly channels: TypedChannels<P, M, K>;
}

/**
 * Declares an application's channels, RPCs and hooks. Parameters of rules, handlers and hooks
 * follow from patterns, schemas and dependencies: write `dependencies` before `rpc` and `hooks`.
 * Returns its argument, typed; it is checked when a node compiles it.
 */
export function defineContract<
  const P,
  const M,
  const K,
  const I = {},
  const O = {},
  D = undefined,
>(definition: {
  readonly channels: {
    readonly [N in keyof P]: ChannelDefinition<N & string, SchemaOnly<P[N]>>;
  } & { readonly [N in keyof M]: { readonly presenceData?: M[N] } } & {
    readonly [N in keyof K]: { readonly class?: K[N] };
  };
  readonly dependencies?: Dependencies<D>;
  readonly rpc?: {
    readonly [N in keyof I]: {
      readonly input?: SchemaOnly<I[N]>;
      readonly output?: StandardSchemaV1;
      readonly allow?: RpcRule;
      readonly handler: (
        input: Checked<I[N]>,
        context: RpcContext<OwnChannels<P, M, K>, D>,
      ) => unknown;
    };
  } & {
    readonly [N in keyof O]: {
      readonly output?: SchemaOnly<O[N]>;
      readonly handler: (...call: never) => Unchecked<O[N]> | Promise<Unchecked<O[N]>>;
    };
  };
  readonly middleware?: readonly RpcMiddleware<OwnChannels<P, M, K>, D>[];
  readonly hooks?: Hooks<OwnChannels<P, M, K>, D>;
  readonly pipelines?: { readonly [Name in string]: PipelineDeclaration };
  readonly sources?: { readonly [Name in string]: SourceDeclaration };
}): TypedContract<P, M, K, I, O> {
  // The inferred parts and the argument are the same object; TypeScript cannot see that the mapped
  // types agree.
  return definition as unknown as TypedContract<P, M, K, I, O>;
}

/**
 * Declares one RPC by itself, for handlers that stand in a file of their own. Their context knows
 * no names of channels: any text is one.
 */
export function rpc<
  const I extends StandardSchemaV1 = never,
  const O extends StandardSchemaV1 = never,
>(definition: RpcDefinition<I, O>): RpcDefinition<I, O> {
  return definition;
}
