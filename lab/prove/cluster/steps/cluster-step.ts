// Owns: the type of a step on a real cluster, and what a step does to the set of pods.
import { type ChartInstallation, NAME } from "../../../cluster/installation.ts";
import type { SetSample, StepKind } from "../operator-figures.ts";
import type { SetWatch } from "../set-watch.ts";

export const SET = `realtimeset/${NAME}`;
/** Of one release with its drains. */
export const RELEASE_MS = 300_000;

type Json = Readonly<Record<string, unknown>>;

export interface ClusterStage {
  readonly rt: ChartInstallation;
  readonly watch: SetWatch;
  readonly clients: number;
  /** Values of the chart, and the places of one pod. */
  readonly values: Json;
  readonly perPod: number;
  /** Clients without subscriptions beside those of the crowd. */
  addIdle(count: number, perSecond: number): Promise<void>;
  removeIdle(perSecond: number): Promise<void>;
  /** Throws `not_in_time`. */
  everyoneConnected(): Promise<void>;
  /** `npm run cluster -- ...`: what only the machine below the cluster can do. */
  machine(...args: readonly string[]): Promise<string>;
  /** Told in the report, or shown in its charts. */
  note(text: string): void;
  mark(text: string): void;
  /** The step fails, and says why. */
  fail(text: string): void;
}

export interface ClusterStep {
  readonly name: string;
  readonly title: string;
  readonly kind: StepKind;
  readonly isDrain: boolean;
  readonly mayLoseData: boolean;
  /** Its fault loses messages: how many is told, and no reason to fail. */
  readonly doesHarm?: boolean;
  readonly timeLimitMs: number;
  /** Nobody moves in it: the pauses of the steps after it are compared with its own. */
  readonly isStill?: true;
  /** Share of the connections that a bad revision may get. */
  readonly sharePercentMax?: number;
  run(stage: ClusterStage): Promise<void>;
}

/** A merge patch of the set's spec. */
export const patchSpec = ({ rt }: ClusterStage, spec: Json): Promise<string> =>
  rt.kubectl("patch", SET, "--type=merge", `--patch=${JSON.stringify({ spec })}`);

let releases = 0;

/** A newer template that differs in nothing that matters. */
export const newTemplate = (): Json => ({
  template: { metadata: { annotations: { "prove/release": String(++releases) } } },
});

export const ROLLING = { strategy: "Rolling", canary: null };
export const SHARE_PERCENT = 20;

/** One step with a fifth of the people, judged as the rules say. */
export const canaryOf = (analysis: Json, pauseSeconds = 5): Json => ({
  strategy: "Canary",
  canary: { steps: [{ sharePercent: SHARE_PERCENT, pauseSeconds }] },
  analysis,
});

/** Nothing is under way, and everybody is on the template's revision. */
export const isSettled = ({ isSeen, condition, stable, updated, release }: SetSample): boolean =>
  isSeen && condition === "Settled" && release === undefined && stable === updated;

/** Resolves when the release to the template is over. */
export const released = ({ watch }: ClusterStage): Promise<SetSample> =>
  watch.until("the release is over", isSettled, RELEASE_MS);
