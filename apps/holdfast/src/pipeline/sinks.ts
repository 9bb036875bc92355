// Owns: the sinks of a node's pipelines.
import type { ContractDefinition } from "@holdfast/contract";
import type { SinkAdapter } from "@holdfast/pipelines";
import type { Host } from "../host.ts";

/** None, and nothing is loaded, if there are no pipelines. */
export async function sinksOf(
  contract: ContractDefinition | undefined,
  file: string | undefined,
  host: Pick<Host, "out">,
): Promise<readonly SinkAdapter[]> {
  if (file === undefined && Object.keys(contract?.pipelines ?? {}).length === 0) return [];
  const { sinkAdapters } = await import("@holdfast/sinks/adapters");
  return sinkAdapters({ print: async (lines) => host.out(lines) });
}
