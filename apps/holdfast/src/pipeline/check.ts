// Owns: `holdfast pipeline check`.
import { outputsOf } from "@holdfast/pipelines";
import { nodeContract, sourceProblemsOf } from "@holdfast/server";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { describe } from "./describe.ts";
import { type Loaded, loadPipelines } from "./load.ts";
import { allTargets } from "./targets.ts";

export async function checkPipelines(file: string, host: Host): Promise<number> {
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) return refuse(loaded.problems, host);
  const problems = await targetProblems(loaded, host);
  if (problems.length > 0) return refuse(problems, host);
  for (const [name, definition] of loaded.sources)
    host.out(`${name} (source)\n  from ${definition.source}\n  into ${definition.channel}\n`);
  for (const [name, definition] of loaded.pipelines) host.out(`${describe(name, definition)}\n`);
  const [pipelines, sources] = [loaded.pipelines.size, loaded.sources.size];
  const read = sources === 0 ? "" : `, ${sources} ${sources === 1 ? "source" : "sources"}`;
  host.out(`${pipelines} ${pipelines === 1 ? "pipeline" : "pipelines"}${read} can run\n`);
  return EXIT.ok;
}

/**
 * What sinks and sources say of their options. Channels are checked as well if the file is a
 * contract: one in text does not know them.
 */
async function targetProblems(loaded: Loaded, host: Host): Promise<readonly string[]> {
  const { sinks, sourceSupport: support } = await allTargets(host);
  const problems: string[] = [];
  for (const [name, definition] of loaded.pipelines)
    for (const { sink } of outputsOf(definition)) {
      if (sink.sink === "channel") continue;
      const adapter = sinks.find(({ kind }) => kind === sink.sink);
      const kinds = ["channel", ...sinks.map(({ kind }) => kind)].join(", ");
      for (const problem of adapter?.problems(sink.options) ?? [
        `found a sink ${sink.sink}, expected one of ${kinds}`,
      ])
        problems.push(`Cannot use pipeline "${name}": ${problem}`);
    }
  if (loaded.contract !== undefined) {
    const contract = nodeContract({
      definition: loaded.contract,
      channels: {},
      channelLengthMax: CHANNEL_LENGTH_MAX,
      anonymous: false,
      onError: () => {},
    });
    return [...problems, ...sourceProblemsOf(loaded.sources, { contract, support })];
  }
  for (const [name, definition] of loaded.sources)
    for (const problem of support.problems(definition))
      problems.push(`Cannot use source "${name}": ${problem}`);
  return problems;
}

/** Default of option `limits.channelLengthMax`. */
const CHANNEL_LENGTH_MAX = 255;

export function refuse(problems: readonly string[], host: Host): number {
  host.err(problems.map((problem) => `${problem}\n`).join(""));
  return EXIT.refused;
}
