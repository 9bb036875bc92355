// Owns: what an engine is told once, and what it tells.
import type { ClientCodec } from "@holdfast/protocol";
import type { GetToken } from "./credentials.ts";
import type { StateChange } from "./state.ts";

/** What an engine is told once. Times in ms, sizes in bytes. */
export interface EngineOptions {
  readonly url: string;
  readonly codec: ClientCodec;
  readonly getToken?: GetToken;
  /** Name and version of the library, at most 64 characters. */
  readonly client: string;
  readonly connectTimeoutMs: number;
  readonly suspendAfterMs: number;
  /** False: the node closes the connection when it drains, instead of moving the session. */
  readonly migrates: boolean;
  readonly queue: { readonly countMax: number; readonly bytesMax: number };
}

/** What an engine tells of itself. What these throw is swallowed. */
export interface EngineListener {
  state(change: StateChange): void;
  error(error: unknown): void;
}

/**
 * What is known of the surroundings: the network came or went; the page is seen or runs again; it
 * is about to stop running (frozen, or kept for the case that the user comes back to it).
 */
export type Hint = "online" | "offline" | "back" | "paused";
