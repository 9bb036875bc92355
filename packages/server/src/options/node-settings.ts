// Owns: the part of the configuration that a node's engine obeys.
import type { NodeSettings } from "@holdfast/core";
import type { Config } from "./node-options.ts";

/**
 * The engine's settings. The caller gives `nodeId`, because a random id needs a source of
 * randomness.
 */
export function nodeSettings(
  config: Config,
  who: { readonly nodeId: string; readonly revision?: string },
): NodeSettings {
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
