// Owns: the part of the configuration that a node's engine obeys.
import type { Config } from "./options.ts";

/**
 * Core's NodeSettings, by structure: this package lies beside core and imports nothing of it. A
 * test compares the two, both ways.
 */
export type EngineSettings = Pick<
  Config,
  "limits" | "timeouts" | "flow" | "ring" | "admission" | "fleet" | "drain"
> & {
  readonly nodeId: string;
  readonly revision: string;
};

/** The engine's settings. `nodeId` is the caller's, because a random one needs chance. */
export function nodeSettings(
  config: Config,
  who: { readonly nodeId: string; readonly revision?: string },
): EngineSettings {
  const { limits, timeouts, flow, ring, admission, fleet, drain } = config;
  return {
    nodeId: who.nodeId,
    revision: who.revision ?? config.revision,
    limits,
    timeouts,
    flow,
    ring,
    admission,
    fleet,
    drain,
  };
}
