// Owns: what the application's code may ask of the node, and on whose account.
import type { Outcome, Who } from "@holdfast/contract";
import type { Payload } from "@holdfast/protocol";
import type { ChannelPage } from "../control/control.ts";
import type { HistoryQuery, PresenceMember, PublishResult } from "../ports.ts";

/** What led to an action of the application's code. */
export interface Cause {
  /** The user or address whose room it takes. Absent: a command of the back end. */
  readonly party?: string;
  /** How many handlers and hooks called one another to get here. Absent: none. */
  readonly depth?: number;
}

/** The back end asked for it. */
export const BY_BACK_END: Cause = {};

/** Handlers and hooks that call one another end here: code that calls itself would not end. */
export const DEPTH_MAX = 8;

export interface ServerPublish {
  readonly payload: Payload;
  readonly key?: string;
  readonly idempotencyKey?: string;
  readonly user?: string;
}

/** As NodeControl's, for somebody. Nothing rejects. */
export interface Actions {
  publish(channel: string, request: ServerPublish, cause: Cause): Promise<Outcome<PublishResult>>;
  history(channel: string, query: HistoryQuery): Promise<Outcome<ChannelPage>>;
  presence(channel: string): Promise<Outcome<readonly PresenceMember[]>>;
  disconnect(who: Who, options: { readonly reconnect: boolean }): Promise<Outcome<void>>;
  unsubscribe(who: Who, channel: string): Promise<Outcome<void>>;
  rpc(
    method: string,
    input: Payload | undefined,
    cause: Cause,
  ): Promise<Outcome<Payload | undefined>>;
}
