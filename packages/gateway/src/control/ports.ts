// Owns: what the control API needs from the gateway, and who may call it.
import type { HeldSocket } from "@holdfast/relay/gateway";
import type { GatewayEvents } from "../gateway-events.ts";
import type { LiveRoute } from "../live-route.ts";
import type { GatewayMetrics } from "../metrics/metrics.ts";
import type { GatewayKey, GatewayScope } from "../options/gateway-options.ts";

/** Who calls, by a key. */
export interface Caller {
  readonly name: string;
  may(scope: GatewayScope): boolean;
}

/** Keys of the control API. */
export interface ControlKeys {
  /** Takes the same time whichever key is presented, or none. */
  finder(keys: readonly GatewayKey[]): { find(authorization: string | null): Caller | undefined };
  /** Counts a wrong key of an address; ms to wait if there were too many. */
  wrong(address: string): number | undefined;
}

export interface ControlNeeds {
  /** Of this gateway, such as its pod's. */
  readonly name: string;
  readonly find: (authorization: string | null) => Caller | undefined;
  readonly wrong: (address: string) => number | undefined;
  readonly events: GatewayEvents;
  readonly metrics: Pick<GatewayMetrics, "ordered" | "unauthorized">;
  readonly routes: () => readonly LiveRoute[];
  readonly clients: () => readonly HeldSocket[];
}

/** One request that may be answered. */
export interface Asked {
  readonly request: Request;
  readonly url: URL;
  readonly caller: Caller;
  /** The variable parts of the path. */
  readonly parts: readonly string[];
}
