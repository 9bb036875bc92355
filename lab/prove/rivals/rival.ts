// Owns: the interface of a client library under test, so that each can do the same work.
import type { DeliveryClass, Position } from "@holdfast/protocol";
import type { DeclaredGap } from "../oracle.ts";
import type { PublishOutcome } from "../publication.ts";

export interface RivalOptions {
  readonly url: string;
  readonly user: string;
  readonly codec: "json" | "msgpack";
  /** The application sees the connection come or go. */
  readonly onConnected: (isConnected: boolean) => void;
  /** A socket is being opened. */
  readonly onAttempt: () => void;
  /** A node closed a socket because it could not take it then. */
  readonly onRefused?: () => void;
}

export interface RivalMessage {
  readonly data: unknown;
  readonly key?: string;
  /** Absent if the server gives none. */
  readonly position?: Position;
  /** When the broker accepted it, in ms since 1970; absent if the server does not say. */
  readonly takenMs?: number;
}

export interface StreamHandlers {
  readonly message: (message: RivalMessage) => void;
  readonly gap: (gap: DeclaredGap) => void;
  /** The subscription ended although nobody asked for it. */
  readonly failed: (code: string) => void;
}

export interface MemberChanges {
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** One client. Every promise settles within 30 s. */
export interface RivalClient {
  readonly connected: boolean;
  /** Connections that were lost and replaced, and moves that the application did not see. */
  readonly reconnects: number;
  readonly moves: number;
  /** Holes that the library itself found and no gap declared. */
  readonly undeclared: number;
  /** Its name among members. */
  readonly member: string | undefined;
  /** Resolves when the subscription exists, with the position after which everything must come. */
  subscribe(
    channel: string,
    cls: DeliveryClass,
    handlers: StreamHandlers,
  ): Promise<Position | undefined>;
  /** Never rejects. */
  publish(channel: string, data: unknown, key: string | undefined): Promise<PublishOutcome>;
  /** Absent if the library has no presence. */
  readonly enter?: (channel: string) => Promise<void>;
  readonly watch?: (channel: string, changed: (changes: MemberChanges) => void) => void;
  close(): Promise<void>;
}

export interface Rival {
  readonly name: string;
  connect(options: RivalOptions): RivalClient;
}
