// Owns: what an application declares (channels, RPCs, hooks) and the types that flow from it to clients.
import type { DeliveryClass } from "@holdfast/protocol";
import type { StandardSchemaV1 } from "@standard-schema/spec";

/** What rules and hooks may know of a session. */
export interface SessionView {
  readonly id: string;
  readonly user?: string;
  /** Claim `info` of the token. */
  readonly info?: unknown;
  readonly address: string;
}

/** Who may: `anyone`; `authenticated` (has a user); `token` (the token's `caps` allow it); or the application decides. */
export type Rule<Name extends string = string> =
  | "anyone"
  | "authenticated"
  | "token"
  | "nobody"
  | ((session: SessionView, params: ParamsOf<Name>) => boolean | Promise<boolean>);

/** What to do with a subscriber that reads too slowly. Default: `drop` for volatile, `conflate` for latest, `catch-up` (read on from history when it can take more) for ordered and durable. */
export type SlowConsumerPolicy = "disconnect" | "drop" | "conflate" | "catch-up";

export interface ChannelDefinition<Name extends string = string> {
  /** Any Standard Schema (zod, valibot, arktype). Absent: any data, passed on unread. */
  readonly payload?: StandardSchemaV1;
  /** Schema of a member's presence data. */
  readonly presenceData?: StandardSchemaV1;
  /** Default `ordered`. */
  readonly class?: DeliveryClass;
  /** Defaults: 1000 publications (latest: keys), 10 minutes (durable: must be given). `size: 0` keeps none. */
  readonly history?: { readonly size?: number; readonly ttlMs?: number };
  readonly presence?: boolean;
  /** Default for each: `authenticated` or, when the node allows anonymous clients in dev, `anyone`; say it. */
  readonly permissions?: {
    readonly subscribe?: Rule<Name>;
    readonly publish?: Rule<Name>;
    readonly presence?: Rule<Name>;
    readonly history?: Rule<Name>;
  };
  readonly slowConsumer?: SlowConsumerPolicy;
}

export interface RpcDefinition<I extends StandardSchemaV1 = StandardSchemaV1, O extends StandardSchemaV1 = StandardSchemaV1> {
  readonly input?: I;
  readonly output?: O;
  /** Default `authenticated`. */
  readonly allow?: "anyone" | "authenticated" | ((session: SessionView) => boolean | Promise<boolean>);
  readonly handler: (
    input: StandardSchemaV1.InferOutput<I>,
    context: RpcContext,
  ) => StandardSchemaV1.InferInput<O> | Promise<StandardSchemaV1.InferInput<O>>;
}

export interface RpcContext {
  readonly session: SessionView;
  /** Aborted when the caller cancels, goes away, or the deadline passes. */
  readonly signal: RpcSignal;
}

/** The part of AbortSignal that a handler needs. */
export interface RpcSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
}

/** A hook's refusal. The text reaches the client. */
export interface Refusal {
  readonly reject: string;
}

export interface Hooks {
  /** May refuse the session. */
  readonly onConnect?: (session: SessionView) => Refusal | void | Promise<Refusal | void>;
  readonly onSubscribe?: (
    session: SessionView,
    channel: string,
    params: Readonly<Record<string, string>>,
  ) => Refusal | void | Promise<Refusal | void>;
  /** May refuse or replace the data. Sees what the schema let through. */
  readonly onPublish?: (
    session: SessionView | undefined,
    publication: {
      readonly channel: string;
      readonly params: Readonly<Record<string, string>>;
      readonly data: unknown;
      readonly key?: string;
    },
  ) => Refusal | { readonly data: unknown } | void | Promise<Refusal | { readonly data: unknown } | void>;
  readonly onDisconnect?: (session: SessionView, reason: string) => void | Promise<void>;
}

export interface ContractDefinition {
  readonly channels: { readonly [Name in string]: ChannelDefinition };
  readonly rpc?: { readonly [Name in string]: RpcDefinition };
  readonly hooks?: Hooks;
}

/**
 * Declares an application's channels, RPCs and hooks. Returns its argument, typed; it is checked when a node compiles it.
 * Use `rpc()` for handlers whose parameter types follow from their schemas.
 */
export function defineContract<
  const Channels extends { readonly [Name in string]: ChannelDefinition<Name> },
  const Rpcs extends { readonly [Name in string]: RpcDefinition<any, any> } = {},
>(definition: {
  readonly channels: Channels & { readonly [Name in keyof Channels]: ChannelDefinition<Name & string> };
  readonly rpc?: Rpcs;
  readonly hooks?: Hooks;
}): { readonly channels: Channels; readonly rpc: Rpcs; readonly hooks?: Hooks } {
  return { ...definition, rpc: definition.rpc ?? ({} as Rpcs) };
}

/** Declares one RPC, so that the handler's parameters are inferred from the schemas. */
export function rpc<I extends StandardSchemaV1, O extends StandardSchemaV1>(definition: RpcDefinition<I, O>): RpcDefinition<I, O> {
  return definition;
}

// ---- types for clients ----

/** The parameters in a pattern: `chat:{room}` has `room`. */
export type ParamsOf<Pattern extends string> = string extends Pattern
  ? Readonly<Record<string, string>>
  : Pattern extends `${string}{${infer Param}}${infer Rest}`
    ? { readonly [K in Param | keyof ParamsOf<Rest>]: string }
    : {};

/** The names that a pattern matches: `chat:{room}` becomes `chat:${string}`. */
export type NameOf<Pattern extends string> = Pattern extends `${infer Head}{${string}}${infer Tail}`
  ? `${Head}${string}${NameOf<Tail>}`
  : Pattern;

type Channels<C> = C extends { readonly channels: infer Ch } ? Ch : never;
type Rpcs<C> = C extends { readonly rpc: infer R } ? R : never;

/** Every channel name that a contract allows. */
export type ChannelName<C> = { [P in keyof Channels<C> & string]: NameOf<P> }[keyof Channels<C> & string];

type PatternFor<C, Name extends string> = {
  [P in keyof Channels<C> & string]: Name extends NameOf<P> ? P : never;
}[keyof Channels<C> & string];

type Definition<C, Name extends string> = Channels<C>[PatternFor<C, Name> & keyof Channels<C>];

/** Data that subscribers of the channel get. */
export type PayloadOf<C, Name extends string> =
  Definition<C, Name> extends { readonly payload: infer S extends StandardSchemaV1 } ? StandardSchemaV1.InferOutput<S> : unknown;
/** Data that publishers to the channel give. */
export type PublishOf<C, Name extends string> =
  Definition<C, Name> extends { readonly payload: infer S extends StandardSchemaV1 } ? StandardSchemaV1.InferInput<S> : unknown;
export type PresenceOf<C, Name extends string> =
  Definition<C, Name> extends { readonly presenceData: infer S extends StandardSchemaV1 } ? StandardSchemaV1.InferOutput<S> : unknown;

export type RpcName<C> = keyof Rpcs<C> & string;
export type RpcInput<C, M extends string> =
  Rpcs<C>[M & keyof Rpcs<C>] extends RpcDefinition<infer I, any> ? StandardSchemaV1.InferInput<I> : unknown;
export type RpcOutput<C, M extends string> =
  Rpcs<C>[M & keyof Rpcs<C>] extends RpcDefinition<any, infer O> ? StandardSchemaV1.InferOutput<O> : unknown;
