// Owns: the port by which a route learns the endpoints of its service.
import type { KubeWatcher } from "@holdfast/kube";
import type { Endpoint } from "@holdfast/rehoming";

/** Knows the endpoints of one service, for as long as it runs. */
export interface Discovery {
  /**
   * Calls `found` with everything that is known, at first and after each change, until `stop`. The
   * last known endpoints stay when the source is away. Never throws; called once.
   */
  start(found: (endpoints: readonly Endpoint[]) => void): void;
  stop(): void;
  /** Why nothing newer is known, for health and metrics. One line without secrets. */
  readonly trouble: string | undefined;
}

/** What kinds of discovery may use. */
export interface DiscoveryNeeds {
  /** The Kubernetes API as this process may use it. Called when the first watch needs it. */
  readonly kube: () => Promise<KubeWatcher>;
}

/** Most endpoints of one service. What is beyond is left out, and said as trouble. */
export const ENDPOINTS_MAX = 1000;
