// Owns: reading pipelines and sources out of a file: a contract, or YAML or JSON.
import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import type { ContractDefinition } from "@holdfast/contract";
import {
  declaredPipelines,
  declaredSources,
  type LogSourceDefinition,
  type PipelineDefinition,
  pipelineProblems,
  sourceProblems,
} from "@holdfast/pipelines";
import { parsePipelines } from "@holdfast/pipelines/text";
import { StartError } from "@holdfast/server";
import { parse } from "yaml";
import { loadContractFile } from "../contract-file.ts";

/** What a file declares. */
export interface Loaded {
  readonly ok: true;
  readonly pipelines: ReadonlyMap<string, PipelineDefinition>;
  readonly sources: ReadonlyMap<string, LogSourceDefinition>;
  /** If the file is a contract. */
  readonly contract?: ContractDefinition;
}

export type LoadedFile = Loaded | { readonly ok: false; readonly problems: readonly string[] };

/** Reads and checks. Rejects with ContractFileError if a contract cannot be loaded. */
export async function loadPipelines(
  file: string,
  { cwd, packed }: { readonly cwd: string; readonly packed: boolean },
): Promise<LoadedFile> {
  const path = resolve(cwd, file);
  const isText = [".yaml", ".yml", ".json"].includes(extname(path));
  const read = isText ? await fromText(path) : await fromContract(path, packed);
  if (!read.ok) return read;
  const problems = [
    ...[...read.pipelines].flatMap(([name, definition]) => pipelineProblems(name, definition)),
    ...sourceProblems(read.sources),
  ];
  return problems.length > 0 ? { ok: false, problems } : read;
}

async function fromContract(path: string, packed: boolean): Promise<LoadedFile> {
  const contract = await loadContractFile(path, packed);
  const [pipelines, sources] = [declaredPipelines(contract), declaredSources(contract)];
  if (pipelines.ok && sources.ok)
    return { ok: true, pipelines: pipelines.pipelines, sources: sources.sources, contract };
  const problems = [pipelines, sources].flatMap((one) => (one.ok ? [] : one.problems));
  return { ok: false, problems };
}

async function fromText(path: string): Promise<LoadedFile> {
  let data: unknown;
  try {
    data = parse(await readFile(path, "utf8"), { maxAliasCount: 100 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [`Cannot read ${path}: ${why}`] };
  }
  return parsePipelines(data);
}

/** Of option `pipelines`; none without it. Rejects with StartError if they cannot be read. */
export async function pipelinesOf(
  file: string | undefined,
  host: { readonly cwd: string; readonly packed: boolean },
): Promise<Pick<Loaded, "pipelines" | "sources">> {
  if (file === undefined) return { pipelines: new Map(), sources: new Map() };
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) throw new StartError("contract_invalid", loaded.problems);
  return { pipelines: loaded.pipelines, sources: loaded.sources };
}
