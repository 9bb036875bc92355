// Owns: why a pipeline could not be declared, compiled or carried on.

/**
 * - `definition`: what was declared cannot be used.
 * - `state`: kept state is not of this pipeline, or of a version that this code cannot read.
 * - `limit`: a limit of the node or of the pipeline was reached.
 * - `fenced`: another node has the partition.
 * - `closed`: the pipeline was stopped.
 */
export type PipelineErrorCode = "definition" | "state" | "limit" | "fenced" | "closed";

/** A pipeline's fault that is no event's. `code` is stable; the text is for people. */
export class PipelineError extends Error {
  readonly code: PipelineErrorCode;
  constructor(code: PipelineErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "PipelineError";
    this.code = code;
  }
}
