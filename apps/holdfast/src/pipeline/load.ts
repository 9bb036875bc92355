// Owns: reading pipelines out of a file: a contract in TypeScript or JavaScript, or YAML or JSON.
import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import {
  type DeclaredPipelines,
  declaredPipelines,
  type PipelineDefinition,
  pipelineProblems,
} from "@holdfast/pipelines";
import { parsePipelines } from "@holdfast/pipelines/text";
import { StartError } from "@holdfast/server";
import { parse } from "yaml";
import { loadContractFile } from "../contract-file.ts";

/** Reads and checks. Rejects with ContractFileError if a contract cannot be loaded. */
export async function loadPipelines(
  file: string,
  { cwd, packed }: { readonly cwd: string; readonly packed: boolean },
): Promise<DeclaredPipelines> {
  const path = resolve(cwd, file);
  const read = [".yaml", ".yml", ".json"].includes(extname(path))
    ? await fromText(path)
    : declaredPipelines(await loadContractFile(path, packed));
  if (!read.ok) return read;
  const problems = [...read.pipelines].flatMap(([name, definition]) =>
    pipelineProblems(name, definition),
  );
  return problems.length > 0 ? { ok: false, problems } : read;
}

async function fromText(path: string): Promise<DeclaredPipelines> {
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
): Promise<ReadonlyMap<string, PipelineDefinition>> {
  if (file === undefined) return new Map();
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) throw new StartError("contract_invalid", loaded.problems);
  return loaded.pipelines;
}
