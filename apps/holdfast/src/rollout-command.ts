// Owns: `holdfast rollout wait`: waits until a release on Kubernetes is over, drains included.
import { setTimeout as sleep } from "node:timers/promises";
import {
  ClusterError,
  credentialsOf,
  ROLLOUT_KINDS,
  type RolloutKind,
  type RolloutProgress,
  rolloutProgress,
  rolloutReader,
} from "@holdfast/kube";
import type { Command } from "commander";
import { accessOf, type ClusterFlags } from "./doctor-sources.ts";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { parseTtlMs } from "./token-command.ts";

interface WaitFlags extends ClusterFlags {
  readonly timeout: string;
}

const POLL_MS = 1000;
const TIMEOUT_MS_MAX = 24 * 60 * 60_000;
const EXIT_OF_ROLLOUT =
  "Exit status: 0 the release is over, 1 the controller gave up, 2 arguments refused or the workload cannot be read, 3 nobody reaches the API server, 11 it is paused, 12 it was not over in time.";

/** Adds the command to the program. */
export function addRollout(program: Command, host: Host, done: (code: number) => void): void {
  program
    .command("rollout")
    .description("Follow a release on Kubernetes.")
    .command("wait")
    .description(
      "Wait until every pod is new and serves, and the last old pod has ended its drain. kubectl rollout status and helm --wait end before that. It changes nothing.",
    )
    .argument("<workload>", "deployment/NAME or statefulset/NAME")
    .option("-n, --namespace <name>", "its namespace; the context's when absent")
    .option("--timeout <time>", "how long to wait", "15m")
    .option("--context <name>", "of the kubeconfig; the current one when absent")
    .option("--kubeconfig <file>", "instead of KUBECONFIG and ~/.kube/config")
    .addHelpText("after", `\n${EXIT_OF_ROLLOUT}\n`)
    .configureOutput({ writeOut: host.out, writeErr: host.err })
    .exitOverride()
    .action(async (workload: string, flags: WaitFlags) =>
      done(await runWait(workload, flags, host)),
    );
}

async function runWait(workload: string, flags: WaitFlags, host: Host): Promise<number> {
  const source = sourceOf(workload);
  const timeoutMs = parseTtlMs(flags.timeout);
  if (source === undefined)
    return refused(host, `${workload}: expected deployment/NAME or statefulset/NAME`);
  if (timeoutMs === undefined || timeoutMs > TIMEOUT_MS_MAX)
    return refused(host, `--timeout ${flags.timeout}: expected a time like 10m; at most 24h`);
  try {
    const access = await accessOf(flags, host);
    const credentials = await credentialsOf(access, { env: host.env });
    const namespace = flags.namespace ?? access.namespace ?? "default";
    const read = rolloutReader(access, credentials, { ...source, namespace });
    return await wait({ look: async () => rolloutProgress(...(await read())), timeoutMs, host });
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    host.err(`${error.message}\n`);
    return error.code === "unreachable" ? EXIT.unavailable : EXIT.refused;
  }
}

interface Waiting {
  readonly look: () => Promise<RolloutProgress>;
  readonly timeoutMs: number;
  readonly host: Host;
}

/** Says what changes. An API server that is away after the first look is waited for. */
async function wait({ look, timeoutMs, host }: Waiting): Promise<number> {
  const startedMs = performance.now();
  let said = "";
  const say = (text: string): void => {
    if (text !== said) host.out(`${text}\n`);
    said = text;
  };
  for (;;) {
    const progress = await look().catch((error: unknown) => {
      if (said === "" || !isPassing(error)) throw error;
      return { state: "going", text: error.message } as const;
    });
    const tookS = Math.round((performance.now() - startedMs) / 1000);
    say(progress.text);
    if (progress.state === "done") return EXIT.ok;
    if (progress.state === "paused") return ended(host, "the release is paused", EXIT.paused);
    if (progress.state === "stuck")
      return ended(host, "the controller gave up waiting for a new pod", EXIT.failed);
    if (performance.now() - startedMs >= timeoutMs)
      return ended(host, `the release is not over after ${tookS} s`, EXIT.timedOut);
    await sleep(POLL_MS);
  }
}

const isPassing = (error: unknown): error is ClusterError =>
  error instanceof ClusterError && error.code === "unreachable";

function ended(host: Host, why: string, code: number): number {
  host.err(`${why}\n`);
  return code;
}

const refused = (host: Host, why: string): number => ended(host, why, EXIT.refused);

function sourceOf(workload: string): { kind: RolloutKind; name: string } | undefined {
  const [kind, name, ...rest] = workload.split("/");
  const known = ROLLOUT_KINDS.find((one) => one === kind);
  return known === undefined || !name || rest.length > 0 ? undefined : { kind: known, name };
}
