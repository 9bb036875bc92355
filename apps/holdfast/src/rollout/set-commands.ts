// Owns: the commands that steer the release of a RealtimeSet. Each is one write to the object; the
// operator does the rest.
import { at, ClusterError, type Json, KubeApiError, record, text } from "@holdfast/kube";
import { ADDED_LABELS, COMMANDS, memoryOf } from "@holdfast/operator";
import { REVISION_LABEL } from "@holdfast/operator-runtime";
import type { Command } from "commander";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { dryRun, type ForecastFlags, type Outcome, planned } from "./forecasts.ts";
import {
  nameOfSet,
  Refusal,
  type SetApi,
  type SetFlags,
  setApi,
  withClusterFlags,
} from "./set-api.ts";
import { historyText, revisionsText, statusText } from "./set-text.ts";

/** What a command does with the object as it is. Resolves with what people read. */
type Act = (set: Json, cluster: SetApi, flags: Flags, host: Host) => Promise<string | Outcome>;
type Writes = (set: Json, cluster: SetApi, flags: Flags) => Promise<string>;
type Flags = SetFlags &
  ForecastFlags & { readonly all?: boolean; readonly to?: string; readonly dryRun?: boolean };

/** Adds `status`, `history`, `plan`, and the commands that write. */
export function addSetCommands(rollout: Command, host: Host, done: (code: number) => void): void {
  const see = (name: string, description: string, act: Act): Command =>
    withClusterFlags(rollout.command(name).description(description))
      .argument("<set>", "NAME or realtimeset/NAME")
      .action(async (set: string, flags: Flags) => done(await runAct({ set, flags, host, act })));
  const add = (name: string, description: string, act: Writes): Command =>
    see(name, description, (set, cluster, flags) =>
      flags.dryRun === true
        ? dryRun(set, cluster, (recording) => act(set, recording, flags))
        : act(set, cluster, flags),
    ).option("--dry-run", "write nothing: say what would be written, and what it would cause");
  see(
    "status",
    "Say how the release stands: revisions, shares, verdict, what is waited for.",
    status,
  );
  see(
    "plan",
    "Say what a release would do: how long, how many moves, pods and handshakes.",
    planned,
  )
    .option(
      "-f, --filename <file>",
      "a manifest with the set, - for standard input; the next template when absent",
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXIT_OF_PLAN);
  see("history", "List the releases that are remembered, the newest last.", history);
  add("promote", "End the pause of the step that the canary is in.", promote).option(
    "--all",
    "of this step and of all further ones; a bad verdict still rolls back",
  );
  add("pause", "Let nothing new of the release begin. Drains that run end.", pause);
  add("resume", "Undo `pause`.", resume);
  add("abort", "Roll the release back. Its revision is not tried again by itself.", abort);
  add("retry", "Try a revision again that was rolled back: the template's.", retry);
  add("undo", "Give the template of an earlier revision back: a new release to it.", undo).option(
    "--to <revision>",
    "which revision; the one before when absent",
  );
}

const EXIT_OF_PLAN =
  "\nExit status: 0 the release would end, 1 it would stand still or not begin, 2 refused, 3 no cluster.\n";

interface Running {
  readonly set: string;
  readonly flags: Flags;
  readonly host: Host;
  readonly act: Act;
}

async function runAct({ set, flags, host, act }: Running): Promise<number> {
  const name = nameOfSet(set) ?? (set.includes("/") ? undefined : set);
  if (name === undefined || name === "") {
    host.err(`${set}: expected NAME or realtimeset/NAME\n`);
    return EXIT.refused;
  }
  try {
    const cluster = await setApi(name, flags, host);
    const told = await act(await cluster.api.get(cluster.path), cluster, flags, host);
    const { text, code } = typeof told === "string" ? { text: told, code: EXIT.ok } : told;
    host.out(`${text}\n`);
    return code;
  } catch (error) {
    const isOurs =
      error instanceof Refusal || error instanceof ClusterError || error instanceof KubeApiError;
    if (!isOurs) throw error;
    host.err(`${error.message}\n`);
    if (error instanceof KubeApiError) return error.isTransient ? EXIT.unavailable : EXIT.refused;
    return error instanceof ClusterError && error.code === "unreachable"
      ? EXIT.unavailable
      : EXIT.refused;
  }
}

async function status(set: Json, cluster: SetApi): Promise<string> {
  const pods = await cluster.api.list(cluster.podsPath, cluster.ofSet);
  return `${statusText(set)}\n${revisionsText(pods.items)}`;
}

async function history(_set: Json, cluster: SetApi): Promise<string> {
  const releases = await cluster.api.list(cluster.releasesPath, cluster.ofSet);
  return historyText(releases.items);
}

async function promote(set: Json, cluster: SetApi, { all }: Flags): Promise<string> {
  const { to, step } = advancing(set);
  const upTo = all === true ? "all" : String(step + 1);
  await annotate(cluster, { [COMMANDS.promote]: `${to}/${upTo}` });
  return all === true
    ? `Revision ${to} is promoted through all steps.`
    : `Step ${step + 1} of revision ${to} is promoted.`;
}

async function pause(_set: Json, cluster: SetApi): Promise<string> {
  await annotate(cluster, { [COMMANDS.pause]: "true" });
  return "The release is paused. Drains that run end.";
}

async function resume(set: Json, cluster: SetApi): Promise<string> {
  await annotate(cluster, { [COMMANDS.pause]: null });
  return at(set, "spec", "release", "paused") === true
    ? "The annotation is gone, but spec.release.paused still pauses the release."
    : "The release goes on.";
}

async function abort(set: Json, cluster: SetApi): Promise<string> {
  const { to, from } = advancing(set);
  await annotate(cluster, { [COMMANDS.abort]: to, [COMMANDS.retry]: null });
  return `Revision ${to} goes back to ${from}.`;
}

async function retry(set: Json, cluster: SetApi): Promise<string> {
  const updated = text(at(set, "status", "updatedRevision")) ?? "";
  const memory = memoryOf(set);
  const rejected = memory.ok ? (memory.value?.rejected ?? []) : [];
  if (!rejected.includes(updated))
    throw new Refusal(
      `Cannot retry: revision ${updated} was not rolled back; rolled back were: ${rejected.join(", ") || "none"}`,
    );
  await annotate(cluster, { [COMMANDS.retry]: updated, [COMMANDS.abort]: null });
  return `Revision ${updated} is tried again.`;
}

async function undo(set: Json, cluster: SetApi, { to }: Flags): Promise<string> {
  const { items } = await cluster.api.list(cluster.replicaSetsPath, cluster.ofSet);
  const updated = text(at(set, "status", "updatedRevision"));
  const wanted = to ?? (await before(cluster, updated)) ?? youngest(items, updated);
  const found = items.find((one) => revisionOf(one) === wanted);
  if (found === undefined)
    throw new Refusal(
      `Cannot undo: no ReplicaSet of revision ${wanted ?? "before this one"} is kept, found ${items.map(revisionOf).join(", ") || "none"}`,
    );
  if (wanted === updated) throw new Refusal(`Cannot undo: revision ${wanted} is the template's`);
  const { resourceVersion } = record(at(set, "metadata"));
  await cluster.api.replace(cluster.path, {
    ...set,
    metadata: { ...record(set.metadata), resourceVersion },
    spec: { ...record(set.spec), template: ownTemplate(at(found, "spec", "template")) },
  });
  return `The template is the one of revision ${wanted} again.`;
}

const revisionOf = (replicaSet: Json): string | undefined =>
  text(at(replicaSet, "metadata", "labels", REVISION_LABEL));

/** If no release is remembered: the youngest ReplicaSet of another revision. */
function youngest(replicaSets: readonly Json[], updated: string | undefined): string | undefined {
  const others = replicaSets.filter((one) => revisionOf(one) !== updated);
  const createdAt = (one: Json): string => text(at(one, "metadata", "creationTimestamp")) ?? "";
  return revisionOf(others.sort((a, b) => createdAt(a).localeCompare(createdAt(b))).at(-1) ?? {});
}

/** The revision that the last release came from. */
async function before(cluster: SetApi, updated: string | undefined): Promise<string | undefined> {
  const { items } = await cluster.api.list(cluster.releasesPath, cluster.ofSet);
  const last = [...items]
    .filter((one) => text(at(one, "spec", "to")) === updated)
    .sort((a, b) => startedMs(a) - startedMs(b))
    .at(-1);
  return text(at(last, "spec", "from"));
}

const startedMs = (release: Json): number =>
  Date.parse(text(at(release, "status", "startedAt")) ?? "") || 0;

/** Without the labels that the operator added. */
function ownTemplate(template: unknown): Json {
  const metadata = record(at(template, "metadata"));
  const labels = Object.entries(record(metadata.labels)).filter(
    ([name]) => !ADDED_LABELS.has(name),
  );
  return { ...record(template), metadata: { ...metadata, labels: Object.fromEntries(labels) } };
}

function annotate(cluster: SetApi, annotations: Json): Promise<Json> {
  return cluster.api.merge(cluster.path, { metadata: { annotations } });
}

/** The release that is under way. */
function advancing(set: Json): {
  readonly to: string;
  readonly from: string;
  readonly step: number;
} {
  const memory = memoryOf(set);
  const release = memory.ok ? memory.value?.release : undefined;
  if (release === undefined) throw new Refusal("Cannot do that: no release is under way");
  if (release.phase === "rolling-back")
    throw new Refusal(`Cannot do that: revision ${release.to} is being rolled back already`);
  return release;
}
