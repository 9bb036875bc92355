// Owns: how far the release of a RealtimeSet has come, for people and pipelines that wait for it.
import type { Status } from "./model/observed.ts";
import { INVALID_TEMPLATE, memoryOf, readSet, type SetAsRead } from "./resource/index.ts";

/**
 * - `going`: the operator is at it, or has not seen the change yet.
 * - `done`: every connection is on the template's revision, and nothing is under way.
 * - `rolled-back`: everybody is back on the revision before; the new one is not tried again.
 * - `paused`: nothing goes on until a person says so.
 * - `stuck`: the API server makes no pod of the template.
 * - `unread`: the object is none that the operator can read.
 */
export type SetState = "going" | "done" | "rolled-back" | "paused" | "stuck" | "unread";

export interface SetProgress {
  readonly state: SetState;
  /** In words. */
  readonly text: string;
}

/** Reads the object as the API server has it. Never throws. */
export function setProgress(stored: unknown): SetProgress {
  const read = readSet(stored);
  const memory = memoryOf(stored);
  if (!read.ok) return { state: "unread", text: read.problems.join(" ") };
  if (!memory.ok) return { state: "unread", text: memory.problems.join(" ") };
  const status = memory.value;
  const isSeen = statusNumber(stored, "observedGeneration") >= read.value.generation;
  const problem = templateProblemOf(stored);
  // A new set has no memory if the API server refuses its first template.
  if (isSeen && problem !== undefined) return { state: "stuck", text: problem };
  if (status === undefined || !isSeen)
    return { state: "going", text: "the operator has not seen the change yet" };
  return { state: stateOf(read.value, status, updatedOf(stored)), text: status.message };
}

function templateProblemOf(stored: unknown): string | undefined {
  const { conditions } = statusOf(stored);
  const stalled = (Array.isArray(conditions) ? conditions : []).find(
    (one: { type?: unknown; reason?: unknown }) =>
      one.type === "Stalled" && one.reason === INVALID_TEMPLATE,
  );
  return stalled === undefined ? undefined : String(stalled.message);
}

function stateOf(set: SetAsRead, status: Status, updated: string): SetState {
  const { release } = status;
  if (release === undefined) {
    if (status.rejected.includes(updated)) return "rolled-back";
    if (status.stable !== updated) return isPaused(set) ? "paused" : "going";
    return status.condition === "Settled" ? "done" : "going";
  }
  if (release.phase === "rolling-back") return "going";
  if (isPaused(set)) return "paused";
  const step = set.spec.release.canary?.steps[release.step];
  const isAtStep = release.reachedAtMs !== undefined;
  return isAtStep && step?.untilPromoted === true ? "paused" : "going";
}

const isPaused = ({ spec, commands }: SetAsRead): boolean =>
  spec.release.paused || commands.isPaused;

const statusOf = (stored: unknown): Readonly<Record<string, unknown>> =>
  (stored as { status?: Record<string, unknown> } | null)?.status ?? {};

function statusNumber(stored: unknown, name: string): number {
  const found = statusOf(stored)[name];
  return typeof found === "number" ? found : 0;
}

function updatedOf(stored: unknown): string {
  const found = statusOf(stored).updatedRevision;
  return typeof found === "string" ? found : "";
}
