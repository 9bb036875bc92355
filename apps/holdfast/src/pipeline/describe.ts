// Owns: pipelines in a few words, for people.
import { outputsOf, type PipelineDefinition, type Step } from "@holdfast/pipelines";

/** A few lines. */
export function describe(name: string, definition: PipelineDefinition): string {
  const { source, steps, partitions, version } = definition;
  const outputs = outputsOf(definition).map(({ of, sink }) => {
    const { channel } = sink.options;
    return `${of} -> ${sink.sink}${typeof channel === "string" ? ` ${channel}` : ""}`;
  });
  return [
    `${name} (version ${version}, ${partitions} ${partitions === 1 ? "partition" : "partitions"})`,
    `  from ${source.pattern}`,
    `  ${stepTexts(steps).join(" | ")}`,
    ...outputs.map((output) => `  ${output}`),
  ].join("\n");
}

/** One text for each step. */
export const stepTexts = (steps: readonly Step[]): readonly string[] =>
  steps.map((step) => {
    if (step.kind === "window")
      return `${step.rules.shape.kind} [${Object.keys(step.aggregates).join(", ")}]`;
    if (step.kind === "detect") return `detect ${step.rules.kind}`;
    if (step.kind === "branch")
      return `branch (${Object.entries(step.branches)
        .map(([branch, inner]) => `${branch}: ${stepTexts(inner).join(" | ")}`)
        .join("; ")})`;
    return step.kind;
  });
