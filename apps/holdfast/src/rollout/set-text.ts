// Owns: how a RealtimeSet and its releases look on a terminal.
import { at, type Json, list, number, record, text } from "@holdfast/kube";

/** A few lines: what is waited for, and how the release stands. */
export function statusText(set: Json): string {
  const status = at(set, "status");
  const release = at(status, "release");
  const lines = [
    `${text(at(set, "metadata", "name"))}: ${conditionOf(set)}`,
    text(at(status, "message")) ?? "The operator has not seen it yet.",
  ];
  const endsAt = text(at(status, "endsAt"));
  if (endsAt !== undefined) lines.push(`What is under way ends at ${endsAt} at the latest.`);
  if (release !== undefined) lines.push(...releaseLines(release));
  lines.push(
    `${number(at(status, "readyReplicas")) ?? 0} of ${number(at(status, "desiredReplicas")) ?? 0} pods are ready, ${number(at(status, "connections")) ?? 0} connections.`,
  );
  return lines.join("\n");
}

function conditionOf(set: Json): string {
  const holds = list(at(set, "status", "conditions")).find(
    (one) => at(one, "status") === "True" && at(one, "type") !== "Available",
  );
  return text(at(holds, "type")) ?? "Unknown";
}

function releaseLines(release: unknown): readonly string[] {
  const share = (name: string): string => `${number(at(release, name)) ?? 0} %`;
  const verdict = text(at(release, "verdict"));
  return [
    `Release ${text(at(release, "from"))} -> ${text(at(release, "to"))}: ${text(at(release, "phase"))}, step ${number(at(release, "step"))} of ${number(at(release, "steps"))}.`,
    `The new revision has ${share("sharePercent")} of the connections, ${share("sharePercentWanted")} are wanted, ${number(at(release, "connectionMinutes")) ?? 0} connection-minutes so far.`,
    ...(verdict === undefined ? [] : [`Verdict: ${verdict}`]),
  ];
}

/** One line for each revision that has pods. */
export function revisionsText(pods: readonly Json[]): string {
  const byRevision = new Map<string, Json[]>();
  for (const pod of pods) {
    const revision = text(record(at(pod, "metadata", "labels"))["pod-template-hash"]) ?? "?";
    byRevision.set(revision, [...(byRevision.get(revision) ?? []), pod]);
  }
  const rows = [...byRevision].sort().map(([revision, mine]) => {
    const draining = mine.filter(isDraining).length;
    return [revision, String(mine.length), String(mine.filter(isReady).length), String(draining)];
  });
  return table([["REVISION", "PODS", "READY", "DRAINING"], ...rows]);
}

const isReady = (pod: Json): boolean =>
  list(at(pod, "status", "conditions")).some(
    (one) => at(one, "type") === "Ready" && at(one, "status") === "True",
  );

const isDraining = (pod: Json): boolean =>
  text(at(pod, "metadata", "annotations", "holdfast.dev/drain"))?.includes('"drain"') === true;

/** The releases, the newest last. */
export function historyText(releases: readonly Json[]): string {
  if (releases.length === 0) return "No release is remembered.";
  const rows = [...releases]
    .sort((a, b) => started(a).localeCompare(started(b)))
    .map((release) => [
      text(at(release, "metadata", "name")) ?? "",
      started(release),
      `${text(at(release, "spec", "from"))} -> ${text(at(release, "spec", "to"))}`,
      text(at(release, "spec", "strategy")) ?? "",
      text(at(release, "status", "phase")) ?? "",
      text(at(release, "status", "because")) ?? "",
    ]);
  return table([["RELEASE", "BEGAN", "REVISIONS", "STRATEGY", "PHASE", "BECAUSE"], ...rows]);
}

const started = (release: Json): string => text(at(release, "status", "startedAt")) ?? "";

export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
