// Owns: the words of the status: what is waited for, and until when at the latest.
import type { Condition, Observed } from "./model/observed.ts";
import type { Counts } from "./plan/counts.ts";
import type { Course } from "./plan/course.ts";
import type { Going } from "./plan/going.ts";
import type { Rebalancing } from "./plan/rebalance.ts";
import { DEADLINE_MARGIN_MS, lastsMs, type PodView } from "./plan/survey.ts";
import type { Steering } from "./release/steering.ts";
import type { Scaling } from "./scaling.ts";

/** What people read. */
export interface Words {
  readonly condition: Condition;
  readonly message: string;
  readonly endsAtMs?: number;
}

/** What was decided, as the status tells it. */
export interface Decided {
  readonly observed: Observed;
  readonly views: readonly PodView[];
  readonly scaling: Scaling;
  readonly steering: Steering;
  readonly going: Going;
  readonly counts: Counts;
  readonly rebalance: Rebalancing;
  readonly nowMs: number;
}

/** Sentences in one message at most: people read the first ones. */
const SENTENCES_MAX = 4;

/** What everything waits for. It changes only if the matter does, not with every session. */
export function wordsFor(parts: Decided): Words {
  const { going, counts, steering, scaling } = parts;
  const { course } = steering;
  const moving = [...going.continues.map(drains), ...going.starts.map((start) => begins(start))];
  const coming = comingWords(parts.views, counts, course);
  const kept = going.kept.length === 0 ? [] : [`${pods(going.kept.length)} kept to go back to.`];
  // What comes by itself needs nobody.
  const [timed, held] = steering.isTimed === true ? [steering.waits, []] : [[], steering.waits];
  const blocked = [...new Set([...held, ...going.waits, ...counts.waits])];
  const ends = going.removes
    .filter((view) => !counts.deletes.includes(view))
    .map((view) => (view.load > 0 ? drains(view) : `${view.pod.name} is to be removed.`));
  const progress = [...moving, ...ends, ...coming, ...timed];
  const release = releaseWords(parts.views, steering);
  const { givers } = parts.rebalance;
  // It is no progress: whoever waits for a release does not wait for this.
  const evens = givers.size === 0 ? [] : ["Pods with many connections give some to others."];
  const rest = [...kept, ...evens, ...scaling.waits];
  const all = [...release, ...steering.waits, ...progress, ...blocked, ...rest];
  const sentences = [...new Set(all)];
  const endsAtMs = endOf(going, parts.nowMs);
  return {
    condition: conditionOf(progress.length > 0, blocked.length > 0, release.length > 0),
    message:
      sentences.length === 0
        ? `${course.replicas} pods of revision ${course.to} serve. Nothing is waited for.`
        : cut(sentences),
    ...(endsAtMs === undefined ? {} : { endsAtMs }),
  };
}

function conditionOf(moves: boolean, waits: boolean, releases: boolean): Condition {
  if (moves) return "Progressing";
  if (waits) return "Waiting";
  return releases ? "Progressing" : "Settled";
}

function releaseWords(views: readonly PodView[], { release, course }: Steering): readonly string[] {
  if (release === undefined) return [];
  const there = views.filter(({ pod }) => pod.revision === course.to).length;
  return [`${there} of ${views.length} pods are of revision ${course.to}.`];
}

function cut(sentences: readonly string[]): string {
  const rest = sentences.length - SENTENCES_MAX;
  const shown = sentences.slice(0, SENTENCES_MAX);
  return [...shown, ...(rest > 0 ? [`${rest} more.`] : [])].join(" ");
}

function drains({ pod, load, mark }: PodView): string {
  return `${pod.name} drains (${mark?.cause ?? ""}): about ${rounded(load)} connections are left.`;
}

function begins({ view, cause }: Going["starts"][number]): string {
  return `${view.pod.name} drains (${cause}): about ${rounded(view.load)} connections are left.`;
}

/** To one digit, upwards: the status is not written for each session. */
function rounded(count: number): number {
  if (count < 10) return count === 0 ? 0 : 10;
  const unit = 10 ** Math.floor(Math.log10(count));
  return Math.ceil(count / unit) * unit;
}

function comingWords(
  views: readonly PodView[],
  { coming }: Counts,
  course: Course,
): readonly string[] {
  const unready = views.filter(({ stage }) => stage === "unready").map(({ pod }) => pod.name);
  const cold = views.filter(
    ({ stage, isWarm, pod }) =>
      course.isReleasing && stage === "ready" && !isWarm && pod.revision === course.to,
  );
  return [
    ...(coming > 0 ? [`${pods(coming)} to come.`] : []),
    ...unready.map((name) => `${name} is not ready.`),
    ...cold.map(({ pod }) => `${pod.name} warms up.`),
  ];
}

const pods = (count: number): string => (count === 1 ? "One pod is" : `${count} pods are`);

/** The last deadline of the drains that run, by the wall clock of whoever ordered them. */
function endOf({ continues, starts }: Going, nowMs: number): number | undefined {
  const ends = [
    ...continues.flatMap(({ mark }) =>
      mark === undefined ? [] : [mark.orderedAtMs + lastsMs(mark) + DEADLINE_MARGIN_MS],
    ),
    ...starts.map(({ windowMs, preDelayMs }) => nowMs + windowMs + preDelayMs + DEADLINE_MARGIN_MS),
  ];
  return ends.length === 0 ? undefined : Math.max(...ends);
}
