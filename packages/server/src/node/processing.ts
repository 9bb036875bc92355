// Owns: what a node computes and reads beside its connections: pipelines, and the sources that feed
// them.
import type { ContractDefinition } from "@holdfast/contract";
import type {
  LogSourceDefinition,
  NodeSources,
  PipelineDefinition,
  PipelineFigures,
  PipelineRunner,
  SinkFigures,
  SourceFigures,
} from "@holdfast/pipelines";
import { nodePipelines, type PipelineParts } from "./pipelines.ts";
import { nodeSources, type SourceSupport } from "./sources.ts";

export interface ProcessingOptions {
  readonly contract?: ContractDefinition;
  readonly pipelines?: ReadonlyMap<string, PipelineDefinition>;
  readonly sources?: ReadonlyMap<string, LogSourceDefinition>;
  readonly sourceSupport?: SourceSupport;
}

export interface Processing {
  readonly pipelines: PipelineRunner;
  readonly sources: NodeSources;
}

/** What they do on this node, now. */
export interface ProcessingFigures {
  readonly pipelines: readonly PipelineFigures[];
  readonly sinks: readonly SinkFigures[];
  readonly sources: readonly SourceFigures[];
}

/** Throws StartError with every problem of the definitions. Nothing runs yet. */
export function nodeProcessing(
  { contract, pipelines: others, sources, sourceSupport: support }: ProcessingOptions,
  parts: PipelineParts,
): Processing {
  const pipelines = nodePipelines(contract, others ?? new Map(), parts);
  return {
    pipelines,
    sources: nodeSources(contract, sources ?? new Map(), { ...parts, pipelines, support }),
  };
}
