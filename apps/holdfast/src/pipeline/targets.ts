// Owns: the clients of a node's sinks and sources.
import type { ContractDefinition } from "@holdfast/contract";
import type { SinkAdapter } from "@holdfast/pipelines";
import type { SourceSupport } from "@holdfast/server";
import type { Host } from "../host.ts";

/** As options of a node. */
export interface Targets {
  readonly sinks: readonly SinkAdapter[];
  readonly sourceSupport?: SourceSupport;
}

/** None, and nothing is loaded, if there are neither pipelines nor sources. */
export async function targetsOf(
  contract: ContractDefinition | undefined,
  file: string | undefined,
  host: Pick<Host, "out">,
): Promise<Targets> {
  const declared = { ...contract?.pipelines, ...contract?.sources };
  if (file === undefined && Object.keys(declared).length === 0) return { sinks: [] };
  return allTargets(host);
}

/** Every sink and source that this program has. */
export async function allTargets(host: Pick<Host, "out">): Promise<Required<Targets>> {
  const { SourceRunner, sinkAdapters, sourceAdapters } = await import("@holdfast/sinks/adapters");
  const kinds = sourceAdapters.map(({ kind }) => kind);
  return {
    sinks: sinkAdapters({ print: async (lines) => host.out(lines) }),
    sourceSupport: {
      problems({ source, options }) {
        const adapter = sourceAdapters.find(({ kind }) => kind === source);
        return adapter === undefined
          ? [`found a source ${source}, expected ${kinds.join(" or ")}`]
          : adapter.problems(options);
      },
      create: (definitions, ports) => new SourceRunner(definitions, sourceAdapters, ports),
    },
  };
}
