// Owns: connecting a node to its supervisor's broker: options, limits, the first connection.
import { type Broker, BrokerError, type Clock, type Random } from "@holdfast/core";
import type { LinkEndpoint } from "./link-address.ts";
import { LinkClient } from "./link-client.ts";
import { LINK_SOCKET_LIMITS, type LinkSocketLimits } from "./link-socket.ts";

export interface LinkClientLimits extends LinkSocketLimits {
  /** How long an answer may take; then BrokerError "timeout". */
  readonly requestMs: number;
  /** Requests without an answer. Beyond, BrokerError "busy". */
  readonly requestsMax: number;
  /** How long one attempt to connect, and to make every subscription again, may take. */
  readonly connectMs: number;
  /** How long the first connection may take, over several attempts; then `connectLink` rejects. */
  readonly firstConnectMs: number;
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export const LINK_CLIENT_LIMITS: LinkClientLimits = {
  ...LINK_SOCKET_LIMITS,
  requestMs: 5_000,
  requestsMax: 100_000,
  connectMs: 5_000,
  firstConnectMs: 10_000,
  backoffMs: 25,
  backoffMsMax: 1_000,
};

/**
 * `reached`: the link stands. `lost`: it stood. `failed`: an attempt to make it failed; the next
 * one follows.
 */
export type LinkClientEvent =
  | { readonly kind: "reached" }
  | { readonly kind: "lost" | "failed"; readonly reason: string };

export interface LinkClientOptions {
  readonly endpoint: LinkEndpoint;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<LinkClientLimits>;
  /** For the log. */
  readonly onEvent?: (event: LinkClientEvent) => void;
  /**
   * Told what a listener or a reconnect task threw. Without it the error is thrown again from a
   * deferred task: a listener must not throw.
   */
  readonly onBug?: (error: unknown) => void;
}

/**
 * Connects a node to its supervisor's broker. Resolves when the link stands; rejects with
 * BrokerError "unavailable" after `firstConnectMs`. When the link is lost afterwards, what waits
 * for an answer and every call until it stands again are refused with "unavailable"; it is made
 * again by itself, as often as it takes, and every subscription with it, before the `onReconnect`
 * tasks run.
 */
export function connectLink(options: LinkClientOptions): Promise<Broker> {
  const limits: LinkClientLimits = { ...LINK_CLIENT_LIMITS, ...options.limits };
  return new Promise((resolve, reject) => {
    let reason = "no answer";
    const client = new LinkClient(options, limits, (event) => {
      if (event.kind === "reached") {
        cancel();
        resolve(client);
      } else reason = event.reason;
      options.onEvent?.(event);
    });
    const cancel = options.clock.after(limits.firstConnectMs, () => {
      void client.close();
      reject(
        new BrokerError("unavailable", `the broker's supervisor could not be reached: ${reason}`),
      );
    });
    client.start();
  });
}
