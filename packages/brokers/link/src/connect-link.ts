// Owns: connecting a node to its supervisor's broker: options, limits, the first connection.
import { type Broker, BrokerError, type Clock, type Random } from "@holdfast/core";
import type { LinkEndpoint } from "./link-address.ts";
import { LinkClient } from "./link-client.ts";
import { LINK_SOCKET_LIMITS, type LinkSocketLimits } from "./link-socket.ts";

export interface LinkClientLimits extends LinkSocketLimits {
  /** How long an answer may take; after that, BrokerError "timeout". */
  readonly requestMs: number;
  /** Most requests without an answer. At the limit: BrokerError "busy". */
  readonly requestsMax: number;
  /** How long one attempt may take to connect and to make every subscription again. */
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
 * `reached`: the link is connected. `lost`: it was connected. `failed`: an attempt to connect
 * failed; the next one follows.
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
   * Called with what a listener or a reconnect task threw. If it is absent, the error is thrown
   * again from a deferred task: a listener must not throw.
   */
  readonly onBug?: (error: unknown) => void;
}

/**
 * Connects a node to its supervisor's broker. Resolves when the link is connected; rejects with
 * BrokerError "unavailable" after `firstConnectMs`. If the link is lost afterwards, calls that wait
 * for an answer are refused with "unavailable". So is every call until the link is connected again.
 * The link reconnects by itself, with as many attempts as are needed, and makes every subscription
 * again. After that the `onReconnect` tasks run.
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
