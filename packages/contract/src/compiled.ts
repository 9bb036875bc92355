// Owns: the shape of a compiled contract, which the engine of a node works with.
import type { Payload } from "@holdfast/protocol";
import type { Hooks, SessionView, SlowConsumerPolicy } from "./define.ts";
import type { Dependencies, RpcContext } from "./server-context.ts";
import type { ChannelAction, Identity, Outcome, StreamOptions } from "./terms.ts";

/** A contract whose every rule was checked. Pure lookups; nothing is remembered without a bound. */
export interface Contract {
  /**
   * The channel's rules, or undefined when no pattern matches. The first declared pattern that
   * matches wins.
   */
  resolve(channel: string): ChannelRules | undefined;
  rpc(name: string): RpcRules | undefined;
  readonly hooks: Hooks;
  readonly dependencies: Dependencies | undefined;
  readonly patterns: readonly string[];
  /** True when some channel is `durable`, which the broker must then be. */
  readonly wantsDurable: boolean;
  /**
   * Names what decides who may subscribe to which channel. Two contracts with the same text decide
   * alike for the same claims, except where the application decides.
   */
  readonly subscribePolicy: string;
}

/** What the contract says of one channel, with the parameters that its name gave the pattern. */
export interface ChannelRules {
  readonly channel: string;
  readonly pattern: string;
  readonly params: Readonly<Record<string, string>>;
  readonly stream: StreamOptions;
  readonly presence: boolean;
  readonly slowConsumer: SlowConsumerPolicy;
  /**
   * Whether the session may. Synchronous unless the application's rule is not. A rule that throws
   * refuses.
   */
  allows(
    action: ChannelAction,
    session: SessionView,
    identity: Identity,
  ): boolean | Promise<boolean>;
  /** True if the session's claims alone decide: nothing asks the application. */
  byClaims(action: ChannelAction): boolean;
  /**
   * Checks data against the schema. Absent if there is none: data then passes unread. The
   * result's payload replaces the given one when the schema changed the value.
   */
  readonly checkPayload?: (payload: Payload) => Outcome<Payload> | Promise<Outcome<Payload>>;
  readonly checkPresence?: (
    payload: Payload | undefined,
  ) => Outcome<Payload | undefined> | Promise<Outcome<Payload | undefined>>;
}

/** What the contract says of one RPC. */
export interface RpcRules {
  readonly name: string;
  allows(session: SessionView, identity: Identity): boolean | Promise<boolean>;
  /**
   * Checks the input, calls middleware and handler, checks the output. Never rejects: failures are
   * `payload_invalid`, `rpc_failed`, `rejected`.
   */
  call(input: Payload | undefined, context: RpcContext): Promise<Outcome<Payload | undefined>>;
}
