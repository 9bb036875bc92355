// Owns: the steps in which a person steers a release by `holdfast rollout`.
import { NAME } from "../../../cluster/installation.ts";
import { restored } from "./bad-canaries.ts";
import {
  type ClusterStage,
  type ClusterStep,
  newTemplate,
  patchSpec,
  RELEASE_MS,
  ROLLING,
  released,
  SHARE_PERCENT,
} from "./cluster-step.ts";

const common = { isDrain: true, mayLoseData: false, timeLimitMs: RELEASE_MS } as const;
/** A drain that runs ends; nothing else may begin. */
const DRAIN_ENDS_MS = 25_000;
const PAUSED_MS = 15_000;

/** A canary that waits for a person. */
const WAITING = {
  strategy: "Canary",
  canary: { steps: [{ sharePercent: SHARE_PERCENT, untilPromoted: true }] },
  analysis: { connectionMinutesMin: 0, waitSecondsMax: 5 },
};

const shareOf = (stage: ClusterStage): number =>
  stage.watch.since(0)?.release?.sharePercent ?? Number.NaN;

const hasPeople = (stage: ClusterStage, least: number) =>
  stage.watch.until(
    `the new revision has ${least} % of the people`,
    (one) => (one.release?.sharePercent ?? 0) >= least,
    RELEASE_MS,
  );

export const pauseResume: ClusterStep = {
  ...common,
  name: "pause-resume",
  title: "Rolling release, paused and resumed",
  kind: "release",
  async run(stage) {
    await patchSpec(stage, { ...newTemplate(), release: ROLLING });
    await hasPeople(stage, 1);
    await stage.rt.rollout("pause", NAME);
    stage.mark("paused");
    await Bun.sleep(DRAIN_ENDS_MS);
    const before = shareOf(stage);
    await Bun.sleep(PAUSED_MS);
    const after = shareOf(stage);
    stage.note(`paused at ${before} %, and ${PAUSED_MS / 1000} s later ${after} %`);
    if (!(Math.abs(after - before) < 1))
      stage.fail(`the release went on although it is paused: from ${before} % to ${after} %`);
    await stage.rt.rollout("resume", NAME);
    stage.mark("resumed");
    await released(stage);
  },
};

export const promote: ClusterStep = {
  ...common,
  name: "promote",
  title: "Canary that waits, promoted",
  kind: "release",
  async run(stage) {
    await patchSpec(stage, { ...newTemplate(), release: WAITING });
    await waits(stage);
    await stage.rt.rollout("promote", NAME);
    stage.mark("promoted");
    await released(stage);
  },
};

export const abort: ClusterStep = {
  ...common,
  name: "abort",
  title: "Canary that waits, aborted",
  kind: "bad",
  sharePercentMax: SHARE_PERCENT,
  run: (stage) =>
    restored(stage, async () => {
      await patchSpec(stage, { ...newTemplate(), release: WAITING });
      await waits(stage);
      await stage.rt.rollout("abort", NAME);
      stage.mark("aborted");
      await stage.watch.until(
        "everybody is back",
        (one) => one.isSeen && one.release === undefined && one.pods === one.desired,
        RELEASE_MS,
      );
    }),
};

/** Resolves when the canary has about its share. */
async function waits(stage: ClusterStage): Promise<void> {
  await hasPeople(stage, SHARE_PERCENT * 0.9);
  stage.mark("it waits for a person");
}
