// Owns: `holdfast pipeline run`: records on the output, the account on the error output.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type OfflineEvent,
  type OfflineRun,
  type PipelineDefinition,
  runOffline,
} from "@holdfast/pipelines";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { refuse } from "./check.ts";
import { EventsFileError, parseEvents, recordLine } from "./events-file.ts";
import { loadPipelines } from "./load.ts";

export interface RunOptions {
  readonly input: string;
  readonly pipeline?: string;
  readonly bare?: boolean;
  readonly open?: boolean;
}

export async function runPipeline(file: string, options: RunOptions, host: Host): Promise<number> {
  const chosen = await choose(file, options.pipeline, host);
  if (typeof chosen === "number") return chosen;
  const events = await readEvents(resolve(host.cwd, options.input), options.bare === true);
  show(runOffline(chosen, events, { staysOpen: options.open === true }), host);
  return EXIT.ok;
}

/** The pipeline of that name, or the only one; or the exit status of a refusal. */
export async function choose(
  file: string,
  name: string | undefined,
  host: Host,
): Promise<PipelineDefinition | number> {
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) return refuse(loaded.problems, host);
  const names = [...loaded.pipelines.keys()];
  const only = names.length === 1 ? names[0] : undefined;
  const found = loaded.pipelines.get(name ?? only ?? "");
  if (found !== undefined) return found;
  return refuse(
    [`Cannot choose a pipeline: found ${name ?? "no --pipeline"}, expected ${names.join(" or ")}`],
    host,
  );
}

export async function readEvents(path: string, isBare: boolean): Promise<OfflineEvent[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new EventsFileError(
      `Cannot read ${path}: ${error instanceof Error ? error.message : ""}`,
    );
  }
  return parseEvents(text, path, isBare);
}

export function show({ records, account }: OfflineRun, host: Host): void {
  for (const record of records) host.out(`${recordLine(record)}\n`);
  const { events, deadBy } = account;
  const counts = Object.entries(events).filter(([, count]) => count !== 0);
  host.err(`events: ${counts.map(([fate, count]) => `${count} ${fate}`).join(", ")}\n`);
  for (const [reason, count] of Object.entries(deadBy)) host.err(`dead: ${count} ${reason}\n`);
}
