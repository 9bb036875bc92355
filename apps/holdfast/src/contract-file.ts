// Owns: reading an application's contract from its file.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { ContractDefinition } from "@holdfast/contract";
import { missingModules, PROVIDED_MODULES, provideModules } from "./provided-modules.ts";

/** The file that `holdfast dev` looks for. */
export const CONTRACT_FILE = "holdfast.config.ts";

/** The file cannot be loaded or exports no contract. */
export class ContractFileError extends Error {
  readonly code = "contract_file_invalid";
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ContractFileError";
  }
}

/**
 * Imports the file and returns its contract: the default export, or the export named `contract`, or
 * the only export that looks like one. A process reads a file once; a changed file needs a new
 * process. The contract's content is checked when a node compiles it. Rejects with
 * ContractFileError. `packed`: the executable reads the file and provides the modules that
 * contracts import. Otherwise it provides only modules that are not installed.
 */
export async function loadContractFile(path: string, packed = false): Promise<ContractDefinition> {
  if (!existsSync(path)) throw new ContractFileError(`There is no contract file ${path}`);
  await provideModules(packed ? undefined : missingModules(dirname(path)));
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ContractFileError(
      `${path} cannot be loaded: ${reason}${packed && isNotFound(error) ? `. ${BROUGHT}` : ""}`,
      {
        cause: error,
      },
    );
  }
  const named = [exported.default, exported.contract].find(isContract);
  const others = Object.values(exported).filter(isContract);
  const found = named ?? (others.length === 1 ? others[0] : undefined);
  if (found === undefined) {
    throw new ContractFileError(
      `${path} exports ${others.length === 0 ? "no contract" : `${others.length} contracts`}: export one, as in: export default defineContract({ channels: { ... } })`,
    );
  }
  return found;
}

const BROUGHT = `The executable brings ${Object.keys(PROVIDED_MODULES).join(", ")}: bundle what else a contract imports into its file (docs/operations/install.md)`;

function isNotFound(error: unknown): boolean {
  return (
    typeof error === "object" &&
    error !== null &&
    "code" in error &&
    error.code === "ERR_MODULE_NOT_FOUND"
  );
}

function isContract(value: unknown): value is ContractDefinition {
  return (
    typeof value === "object" &&
    value !== null &&
    "channels" in value &&
    typeof value.channels === "object" &&
    value.channels !== null
  );
}

/**
 * Absolute path of the contract file that a run uses; undefined: none. `named` is option
 * `contract`.
 */
export function contractPath(named: string | undefined, cwd: string): string | undefined {
  if (named !== undefined) return resolve(cwd, named);
  const usual = resolve(cwd, CONTRACT_FILE);
  return existsSync(usual) ? usual : undefined;
}
