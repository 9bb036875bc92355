// Owns: `holdfast doctor`: the sources of manifests, and the report of the diagnosis.
import {
  type Diagnosis,
  type DoctorOptions,
  diagnose,
  reaches,
  renderJson,
  renderSarif,
  renderText,
  SEVERITIES,
  type Severity,
} from "@holdfast/doctor";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { type Command, InvalidArgumentError, Option } from "commander";
import { clusterManifests, fileManifests, type Read } from "./doctor-sources.ts";
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
  readonly workload?: readonly string[];
  readonly cluster?: boolean;
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
}

const EXIT_OF_DOCTOR =
  "Exit status: 0 nothing as grave as --fail-on, 1 something is, 2 arguments refused or something could not be read.";

/** Adds the command to the program. */
export function addDoctor(program: Command, host: Host, done: (code: number) => void): void {
  program
    .command("doctor")
    .description(
      "Find what will cut WebSockets or break a drain on Kubernetes: in rendered manifests or in a live cluster. It changes nothing.",
    )
    .argument(
      "[paths...]",
      "files and folders of manifests; - reads standard input, such as the output of helm template",
    )
    .option("--cluster", "read a live cluster through the kubeconfig, by GET and LIST alone")
    .option("-n, --namespace <name>", "of the cluster; all namespaces when absent")
    .option("--context <name>", "of the kubeconfig; the current one when absent")
    .option("--kubeconfig <file>", "instead of KUBECONFIG and ~/.kube/config")
    .addOption(
      new Option("--fail-on <severity>", "exit with 1 from this on")
        .choices([...SEVERITIES, "never"])
        .default("error"),
    )
    .addOption(
      new Option("--least <severity>", "leave out what counts less")
        .choices(SEVERITIES)
        .default("info"),
    )
    .option("--patches", "show each fix as a patch")
    .addOption(new Option("--json", "print JSON").conflicts("sarif"))
    .option("--sarif", "print SARIF 2.1.0")
    .addOption(
      figure("--ping <seconds>", "how often clients ping (default 25, or the node's option)"),
    )
    .addOption(
      figure("--connections <count>", "connections of a pod (default 10000, or the node's limit)"),
    )
    .addOption(
      figure(
        "--handshakes <count>",
        "handshakes a second that a pod takes (default 500, or the node's option)",
      ),
    )
    .addOption(
      figure("--drain <seconds>", "from SIGTERM to the end, for workloads that are not Holdfast's"),
    )
    .option(
      "--workload <name>",
      "look at this workload only; repeat for more",
      (name: string, all: readonly string[] = []) => [...all, name],
    )
    .addHelpText(
      "after",
      `\n${EXIT_OF_DOCTOR}\nEach finding has a section in docs/operations/doctor.md.\n`,
    )
    .action(async (paths: readonly string[], flags: DoctorFlags) =>
      done(await runDoctor(paths, flags, host)),
    );
}

function figure(flags: string, help: string): Option {
  return new Option(flags, help).argParser((value) => {
    if (/^\d{1,9}(\.\d{1,3})?$/.test(value) && Number(value) > 0) return Number(value);
    throw new InvalidArgumentError("It is a number above 0.");
  });
}

async function runDoctor(
  paths: readonly string[],
  flags: DoctorFlags,
  host: Host,
): Promise<number> {
  const read = await readFrom(paths, flags, host);
  if (!read.ok) {
    host.err(`${read.message}\n`);
    return EXIT.refused;
  }
  for (const note of read.notes) host.err(`not read: ${note}\n`);
  const isWhole = flags.cluster === true && flags.namespace === undefined && !read.isPartial;
  return report(
    diagnose(read.manifests.objects, { ...optionsOf(flags), isWhole }, read.manifests.unread),
    flags,
    host,
  );
}

async function readFrom(paths: readonly string[], flags: DoctorFlags, host: Host): Promise<Read> {
  if (flags.cluster === true) {
    if (paths.length > 0)
      return {
        ok: false,
        message: "Cannot read both: found --cluster and paths, expected one of them",
      };
    return clusterManifests(flags, host);
  }
  for (const name of ["namespace", "context", "kubeconfig"] as const)
    if (flags[name] !== undefined)
      return {
        ok: false,
        message: `Cannot use --${name}: found no --cluster, expected both or neither`,
      };
  return fileManifests(paths, host);
}

function optionsOf({ ping, connections, handshakes, drain, workload }: DoctorFlags): DoctorOptions {
  return {
    nodeOptions: NODE_OPTIONS,
    ...(ping === undefined ? {} : { pingSeconds: ping }),
    ...(connections === undefined ? {} : { connections }),
    ...(handshakes === undefined ? {} : { handshakesPerSecond: handshakes }),
    ...(drain === undefined ? {} : { drainSeconds: drain }),
    ...(workload === undefined ? {} : { workloads: workload }),
  };
}

function report(diagnosis: Diagnosis, flags: DoctorFlags, host: Host): number {
  if (flags.json === true) host.out(renderJson(diagnosis));
  else if (flags.sarif === true) host.out(renderSarif(diagnosis, VERSION));
  else
    host.out(
      renderText(diagnosis, {
        colors: host.colors,
        patches: flags.patches ?? false,
        least: flags.least,
      }),
    );
  if (diagnosis.unread.length > 0) return EXIT.refused;
  return flags.failOn !== "never" && reaches(diagnosis, flags.failOn) ? EXIT.failed : EXIT.ok;
}
