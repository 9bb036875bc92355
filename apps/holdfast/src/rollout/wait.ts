// Owns: `holdfast rollout wait`: waits until a release on Kubernetes is over, drains included.
import { setTimeout as sleep } from "node:timers/promises";
import {
  ClusterError,
  credentialsOf,
  KubeApiError,
  ROLLOUT_KINDS,
  type RolloutKind,
  rolloutProgress,
  rolloutReader,
} from "@holdfast/kube";
import { setProgress } from "@holdfast/operator";
import type { Command } from "commander";
import { accessOf } from "../doctor-sources.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { parseTtlMs } from "../token-command.ts";
import { nameOfSet, type SetFlags, setApi, withClusterFlags } from "./set-api.ts";

interface WaitFlags extends SetFlags {
  readonly timeout: string;
}

/** How far a release is, of any kind of workload. */
interface Progress {
  readonly state: "going" | "done" | "rolled-back" | "paused" | "stuck" | "unread";
  readonly text: string;
  /** Of `stuck`, if it is known. */
  readonly why?: string;
}

const GAVE_UP = "the controller gave up waiting for a new pod";
const POLL_MS = 1000;
const TIMEOUT_MS_MAX = 24 * 60 * 60_000;
const EXIT_OF_ROLLOUT =
  "Exit status: 0 the release is over, 1 the controller gave up, 2 arguments refused or the workload cannot be read, 3 nobody reaches the API server, 10 it was rolled back, 11 it is paused, 12 it was not over in time.";
const EXPECTED = "expected realtimeset/NAME, deployment/NAME or statefulset/NAME";

/** Adds the command to `holdfast rollout`. */
export function addWait(rollout: Command, host: Host, done: (code: number) => void): void {
  withClusterFlags(
    rollout
      .command("wait")
      .description(
        "Wait until every pod is new and serves, and the last old pod has ended its drain. kubectl rollout status and helm --wait end before that. It changes nothing.",
      )
      .argument("<workload>", "realtimeset/NAME, deployment/NAME or statefulset/NAME")
      .option("--timeout <time>", "how long to wait", "15m"),
  )
    .addHelpText("after", `\n${EXIT_OF_ROLLOUT}\n`)
    .action(async (workload: string, flags: WaitFlags) =>
      done(await runWait(workload, flags, host)),
    );
}

async function runWait(workload: string, flags: WaitFlags, host: Host): Promise<number> {
  const source = sourceOf(workload);
  const set = nameOfSet(workload);
  const timeoutMs = parseTtlMs(flags.timeout);
  if (source === undefined && set === undefined) return refused(host, `${workload}: ${EXPECTED}`);
  if (timeoutMs === undefined || timeoutMs > TIMEOUT_MS_MAX)
    return refused(host, `--timeout ${flags.timeout}: expected a time like 10m; at most 24h`);
  try {
    const look =
      source === undefined
        ? await setLook(set ?? "", flags, host)
        : await workloadLook(source, flags, host);
    return await wait({ look, timeoutMs, host });
  } catch (error) {
    if (!(error instanceof ClusterError) && !(error instanceof KubeApiError)) throw error;
    host.err(`${error.message}\n`);
    return isPassing(error) ? EXIT.unavailable : EXIT.refused;
  }
}

type Look = () => Promise<Progress>;

async function setLook(name: string, flags: WaitFlags, host: Host): Promise<Look> {
  const { api, path } = await setApi(name, flags, host);
  return async () => {
    const progress = setProgress(await api.get(path));
    return progress.state === "stuck" ? { ...progress, why: progress.text } : progress;
  };
}

async function workloadLook(
  source: { readonly kind: RolloutKind; readonly name: string },
  flags: WaitFlags,
  host: Host,
): Promise<Look> {
  const access = await accessOf(flags, host);
  const credentials = await credentialsOf(access, { env: host.env });
  const namespace = flags.namespace ?? access.namespace ?? "default";
  const read = rolloutReader(access, credentials, { ...source, namespace });
  return async () => rolloutProgress(...(await read()));
}

interface Waiting {
  readonly look: Look;
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
    if (progress.state === "rolled-back")
      return ended(host, "the new revision was rolled back", EXIT.rolledBack);
    if (progress.state === "unread") return ended(host, progress.text, EXIT.refused);
    if (progress.state === "paused") return ended(host, "the release is paused", EXIT.paused);
    if (progress.state === "stuck") return ended(host, progress.why ?? GAVE_UP, EXIT.failed);
    if (performance.now() - startedMs >= timeoutMs)
      return ended(host, `the release is not over after ${tookS} s`, EXIT.timedOut);
    await sleep(POLL_MS);
  }
}

const isPassing = (error: unknown): error is ClusterError | KubeApiError =>
  error instanceof KubeApiError
    ? error.isTransient
    : error instanceof ClusterError && error.code === "unreachable";

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
