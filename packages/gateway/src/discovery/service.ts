// Owns: what a way of finding a service is.
import type { Kind } from "../options/kinds.ts";
import type { Discovery, DiscoveryNeeds } from "./discovery.ts";

/** A service as the file says it. Two that are equal as JSON are the same service. */
export interface ServiceOptions {
  readonly kind: string;
  readonly options: unknown;
  open(needs: DiscoveryNeeds): Discovery;
}

/** One way of finding a service. */
export interface ServiceKind extends Kind<ServiceOptions> {
  /** For the reference. */
  readonly description: string;
  /** Its fields for the reference; absent if its value is no map. */
  readonly fields?: object;
}
