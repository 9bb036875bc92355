// Owns: `holdfast doctor`: where manifests come from, and how the diagnosis is told.
import { readdir, readFile, stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import {
  type Diagnosis,
  type DoctorOptions,
  diagnose,
  type Manifests,
  reaches,
  readManifests,
  renderJson,
  renderSarif,
  renderText,
  SEVERITIES,
  type Severity,
} from "@holdfast/kube";
import { type Command, InvalidArgumentError, Option } from "commander";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { VERSION } from "./version.ts";

interface DoctorFlags {
  readonly failOn: Severity | "never";
  readonly least: Severity;
  readonly patches?: boolean;
  readonly json?: boolean;
  readonly sarif?: boolean;
  readonly ping?: number;
  readonly connections?: number;
  readonly handshakes?: number;
  readonly drain?: number;
  readonly workload: readonly string[];
}

const FILES_MAX = 5000;
const DEPTH_MAX = 20;

const EXIT_OF_DOCTOR = "Exit status: 0 nothing as grave as --fail-on, 1 something is, 2 arguments refused or something could not be read.";

/** Adds the command to the program. */
export function addDoctor(program: Command, host: Host, done: (code: number) => void): void {
  program
    .command("doctor")
    .description(
      "Find what will cut WebSockets or break a drain on Kubernetes: in rendered manifests or in a live cluster. It changes nothing.",
    )
    .argument("[paths...]", "files and folders of manifests; - reads standard input, such as the output of helm template")
    .addOption(new Option("--fail-on <severity>", "exit with 1 from this on").choices([...SEVERITIES, "never"]).default("error"))
    .addOption(new Option("--least <severity>", "leave out what counts less").choices(SEVERITIES).default("info"))
    .option("--patches", "show each fix as a patch")
    .addOption(new Option("--json", "print JSON").conflicts("sarif"))
    .option("--sarif", "print SARIF 2.1.0")
    .addOption(figure("--ping <seconds>", "how often clients ping (default 25, or the node's option)"))
    .addOption(figure("--connections <count>", "connections of a pod (default 10000, or the node's limit)"))
    .addOption(figure("--handshakes <count>", "set-ups a second that a pod takes (default 500, or the node's option)"))
    .addOption(figure("--drain <seconds>", "from SIGTERM to the end, for workloads that are not Holdfast's"))
    .option(
      "--workload <name>",
      "look at this workload only; repeat for more",
      (name: string, all: readonly string[]) => [...all, name],
      [],
    )
    .addHelpText("after", `\n${EXIT_OF_DOCTOR}\nEach finding has a section in docs/operations/doctor.md.\n`)
    .action(async (paths: readonly string[], flags: DoctorFlags) => done(await runDoctor(paths, flags, host)));
}

function figure(flags: string, help: string): Option {
  return new Option(flags, help).argParser((value) => {
    if (/^\d{1,9}(\.\d{1,3})?$/.test(value) && Number(value) > 0) return Number(value);
    throw new InvalidArgumentError("It is a number above 0.");
  });
}

async function runDoctor(paths: readonly string[], flags: DoctorFlags, host: Host): Promise<number> {
  const read = await readPaths(paths, host);
  if (!read.ok) {
    host.err(`${read.message}\n`);
    return EXIT.refused;
  }
  return report(diagnose(read.manifests.objects, optionsOf(flags), read.manifests.unread), flags, host);
}

function optionsOf({ ping, connections, handshakes, drain, workload }: DoctorFlags): DoctorOptions {
  return {
    ...(ping === undefined ? {} : { pingSeconds: ping }),
    ...(connections === undefined ? {} : { connections }),
    ...(handshakes === undefined ? {} : { handshakesPerSecond: handshakes }),
    ...(drain === undefined ? {} : { drainSeconds: drain }),
    workloads: workload,
  };
}

function report(diagnosis: Diagnosis, flags: DoctorFlags, host: Host): number {
  if (flags.json === true) host.out(renderJson(diagnosis));
  else if (flags.sarif === true) host.out(renderSarif(diagnosis, VERSION));
  else host.out(renderText(diagnosis, { colors: host.colors, patches: flags.patches ?? false, least: flags.least }));
  if (diagnosis.unread.length > 0) return EXIT.refused;
  return flags.failOn !== "never" && reaches(diagnosis, flags.failOn) ? EXIT.failed : EXIT.ok;
}

type Read = { readonly ok: true; readonly manifests: Manifests } | { readonly ok: false; readonly message: string };

async function readPaths(paths: readonly string[], host: Host): Promise<Read> {
  if (paths.length === 0) return refusal("nothing was named", "files or folders of manifests, or - for standard input");
  const objects: Manifests["objects"][number][] = [];
  const unread: Manifests["unread"][number][] = [];
  const take = (manifests: Manifests): void => {
    objects.push(...manifests.objects);
    unread.push(...manifests.unread);
  };
  for (const path of paths) {
    if (path === "-") {
      take(readManifests(await Bun.stdin.text(), "stdin"));
      continue;
    }
    let files: readonly string[];
    try {
      files = await manifestFiles(resolve(host.cwd, path));
    } catch (error) {
      return refusal(error instanceof Error ? error.message : String(error), "a file or folder that can be read");
    }
    if (files.length > FILES_MAX) return refusal(`${path} has more than ${FILES_MAX} files`, "a folder of rendered manifests");
    for (const file of files) take(readManifests(await readFile(file, "utf8"), relative(host.cwd, file)));
  }
  return { ok: true, manifests: { objects, unread } };
}

function refusal(found: string, expected: string): Read {
  return { ok: false, message: `Cannot read manifests: ${found}, expected ${expected}` };
}

/** The file itself, or every YAML and JSON file below the folder, sorted; hidden ones and node_modules are left out. */
async function manifestFiles(path: string, depth = 0): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  if (depth >= DEPTH_MAX) return [];
  const found: string[] = [];
  for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const full = `${path}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await manifestFiles(full, depth + 1)));
    else if (/\.(ya?ml|json)$/.test(entry.name)) found.push(full);
    if (found.length > FILES_MAX) break;
  }
  return found;
}
