// Owns: `holdfast pipeline check`.
import { outputsOf, type PipelineDefinition, type Step } from "@holdfast/pipelines";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { loadPipelines } from "./load.ts";

export async function checkPipelines(file: string, host: Host): Promise<number> {
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) return refuse(loaded.problems, host);
  for (const [name, definition] of loaded.pipelines) host.out(`${describe(name, definition)}\n`);
  const count = loaded.pipelines.size;
  host.out(`${count} ${count === 1 ? "pipeline" : "pipelines"} can run\n`);
  return EXIT.ok;
}

export function refuse(problems: readonly string[], host: Host): number {
  host.err(problems.map((problem) => `${problem}\n`).join(""));
  return EXIT.refused;
}

/** A few lines for people. */
export function describe(name: string, definition: PipelineDefinition): string {
  const { source, steps, partitions, version } = definition;
  const outputs = outputsOf(definition).map(({ of, sink }) => {
    const { channel } = sink.options;
    return `${of} -> ${sink.sink}${typeof channel === "string" ? ` ${channel}` : ""}`;
  });
  return [
    `${name} (version ${version}, ${partitions} ${partitions === 1 ? "partition" : "partitions"})`,
    `  from ${source.pattern}`,
    `  ${stepsText(steps)}`,
    ...outputs.map((output) => `  ${output}`),
  ].join("\n");
}

const stepsText = (steps: readonly Step[]): string =>
  steps
    .map((step) => {
      if (step.kind === "window")
        return `${step.rules.shape.kind} [${Object.keys(step.aggregates).join(", ")}]`;
      if (step.kind === "detect") return `detect ${step.rules.kind}`;
      if (step.kind === "branch")
        return `branch (${Object.entries(step.branches)
          .map(([branch, inner]) => `${branch}: ${stepsText(inner)}`)
          .join("; ")})`;
      return step.kind;
    })
    .join(" | ");
