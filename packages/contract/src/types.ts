// Owns: the types that flow from a contract to clients: channel names, data, RPCs.
import type { DeliveryClass } from "@holdfast/protocol";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { ChannelDefinition, RpcDefinition } from "./define.ts";

/**
 * The names that a pattern may match, as far as a type can say: `chat:{room}` becomes
 * `chat:${string}`.
 */
export type NameOf<Pattern extends string> = Pattern extends `${infer Head}{${string}}${infer Tail}`
  ? `${Head}${string}${NameOf<Tail>}`
  : Pattern;

/** A contract's part; `never` if there is none or the contract is not known. */
type Channels<C> = C extends { readonly channels: infer Ch } ? Ch : never;
type Rpcs<C> = C extends { readonly rpc: infer R } ? R : never;

/**
 * Whether the type parameter is a contract: without one every name is allowed and data is
 * `unknown`.
 */
type Known<C> = [Channels<C>] extends [never] ? false : true;

/** Every channel name that a contract allows; any string without a contract. */
export type ChannelName<C> =
  Known<C> extends false
    ? string
    : { [P in keyof Channels<C> & string]: NameOf<P> }[keyof Channels<C> & string];

/**
 * Whether the name matches the pattern, by pattern.ts's rules: a parameter takes one or more
 * characters but `:`, `{rest*}` takes any.
 */
type Matches<
  Name extends string,
  Pattern extends string,
> = Pattern extends `${infer Head}{${infer Param}}${infer Tail}`
  ? Behind<Name, Head> extends infer Rest extends string
    ? Rest extends ""
      ? false
      : Param extends `${string}*`
        ? true
        : MatchesTail<Rest, Tail>
    : false
  : Name extends Pattern
    ? true
    : false;

/**
 * What stands in the name behind its head; null when it begins otherwise. TypeScript infers nothing
 * from `string` with an empty head.
 */
type Behind<Name extends string, Head extends string> = Head extends ""
  ? Name
  : Name extends `${Head}${infer Rest}`
    ? Rest
    : null;

/** `Rest` begins with the parameter's value; `Tail` is the pattern behind the parameter. */
type MatchesTail<
  Rest extends string,
  Tail extends string,
> = Tail extends `${infer Suffix}:${infer After}`
  ? Rest extends `${infer Value}:${infer More}`
    ? Value extends `${string}${Suffix}`
      ? Matches<More, After>
      : false
    : false
  : Rest extends `${string}:${string}`
    ? false
    : Rest extends `${string}${Tail}`
      ? true
      : false;

/**
 * The patterns that the name may match: the pattern itself when it has no parameters, else all that
 * fit.
 */
type PatternFor<Ch, Name extends string> = Name extends keyof Ch
  ? Name
  : { [P in keyof Ch & string]: Matches<Name, P> extends true ? P : never }[keyof Ch & string];

type Definition<C, Name extends string> = Channels<C>[PatternFor<Channels<C>, Name> &
  keyof Channels<C>];

type OutputOf<S> = [S] extends [never]
  ? unknown
  : S extends StandardSchemaV1
    ? StandardSchemaV1.InferOutput<S>
    : unknown;
type InputOf<S> = [S] extends [never]
  ? unknown
  : S extends StandardSchemaV1
    ? StandardSchemaV1.InferInput<S>
    : unknown;

// A channel that no pattern matches has data of type never: nothing can be published to it.
type PayloadSchema<D> =
  D extends ChannelDefinition<string, infer P, infer _M, infer _K> ? { readonly schema: P } : never;
type PresenceSchema<D> =
  D extends ChannelDefinition<string, infer _P, infer M, infer _K> ? { readonly schema: M } : never;

/** Data that subscribers of the channel get. */
export type PayloadOf<C, Name extends string> =
  Known<C> extends false
    ? unknown
    : PayloadSchema<Definition<C, Name>> extends infer S
      ? Output<S>
      : never;
/** Data that publishers to the channel give. */
export type PublishOf<C, Name extends string> =
  Known<C> extends false
    ? unknown
    : PayloadSchema<Definition<C, Name>> extends infer S
      ? Input<S>
      : never;
/** A member's data, as others see it. */
export type PresenceOf<C, Name extends string> =
  Known<C> extends false
    ? unknown
    : PresenceSchema<Definition<C, Name>> extends infer S
      ? Output<S>
      : never;
/** A member's data, as it is entered. */
export type EnterOf<C, Name extends string> =
  Known<C> extends false
    ? unknown
    : PresenceSchema<Definition<C, Name>> extends infer S
      ? Input<S>
      : never;
/** The channel's delivery class: publishing to `latest` takes a key. */
export type ClassOf<C, Name extends string> =
  Known<C> extends false
    ? DeliveryClass
    : Definition<C, Name> extends ChannelDefinition<string, infer _P, infer _M, infer K>
      ? K
      : never;

// Distributive: a name that several patterns may match has the union of their data.
type Output<S> = S extends { readonly schema: infer P } ? OutputOf<P> : never;
type Input<S> = S extends { readonly schema: infer P } ? InputOf<P> : never;

/** Every RPC of a contract; any string without a contract. */
export type RpcName<C> = Known<C> extends false ? string : keyof Rpcs<C> & string;
type RpcOf<C, M extends string> = Rpcs<C>[M & keyof Rpcs<C>];
/** What callers give. `unknown` if the RPC has no input schema. */
export type RpcInput<C, M extends string> =
  Known<C> extends false
    ? unknown
    : RpcOf<C, M> extends RpcDefinition<infer I, infer _O>
      ? InputOf<I>
      : unknown;
/** What callers get. */
export type RpcOutput<C, M extends string> =
  Known<C> extends false
    ? unknown
    : RpcOf<C, M> extends RpcDefinition<infer _I, infer O>
      ? OutputOf<O>
      : unknown;
