// Owns: the types that flow from an application's contract to its client. Without a contract names
// are strings and data is unknown.
import type {
  ChannelName,
  PayloadOf,
  PresenceOf,
  PublishOf,
  RpcInput,
  RpcName,
  RpcOutput,
} from "@holdfast/contract";
import type { MembersChange, RawMember } from "./engine/members.ts";
import type { RawMessage } from "./engine/stream.ts";

/** Channel names of the contract. */
export type Names<C> = unknown extends C ? string : ChannelName<C>;
/** What subscribers of the channel get. */
export type Received<C, N extends string> = unknown extends C ? unknown : PayloadOf<C, N>;
/** What publishers to the channel give. */
export type Published<C, N extends string> = unknown extends C ? unknown : PublishOf<C, N>;
/** A member's data in the channel's presence. */
export type PresenceData<C, N extends string> = unknown extends C ? unknown : PresenceOf<C, N>;
/** Names of the contract's RPCs; any text without a contract. */
export type Methods<C> = unknown extends C ? string : RpcName<C>;
/** What an RPC of the contract takes. */
export type MethodInput<C, M extends string> = unknown extends C ? unknown : RpcInput<C, M>;
/** What an RPC of the contract answers. */
export type MethodOutput<C, M extends string> = unknown extends C ? unknown : RpcOutput<C, M>;

/**
 * One publication. `offset` counts from 1 within the `epoch`; `timeMs` is the broker's clock; `key`
 * is set in `latest` channels; `user` and `session` are the publisher's.
 */
export interface Message<T = unknown> extends RawMessage {
  readonly data: T;
}

/** A session in a channel's presence. `id` is its public session id. */
export interface Member<T = unknown> extends RawMember {
  readonly data: T;
}

/** What changed in a channel's presence; a member stands in at most one list. */
export interface PresenceChange<T = unknown> extends MembersChange {
  readonly join: readonly Member<T>[];
  readonly update: readonly Member<T>[];
  readonly leave: readonly Member<T>[];
}
