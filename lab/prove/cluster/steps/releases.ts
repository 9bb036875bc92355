// Owns: the steps in which a newer revision takes over by itself.
import {
  type ClusterStep,
  canaryOf,
  newTemplate,
  patchSpec,
  RELEASE_MS,
  ROLLING,
  released,
} from "./cluster-step.ts";

const common = { isDrain: true, mayLoseData: false, timeLimitMs: RELEASE_MS } as const;
const STEADY_MS = 20_000;
/** So long a canary waits for a verdict. */
const WAIT_SECONDS = 15;

export const steady: ClusterStep = {
  ...common,
  name: "steady",
  isStill: true,
  title: "Nothing happens",
  kind: "other",
  async run() {
    await Bun.sleep(STEADY_MS);
  },
};

export const rolling: ClusterStep = {
  ...common,
  name: "rolling",
  title: "Rolling release",
  kind: "release",
  async run(stage) {
    await patchSpec(stage, { ...newTemplate(), release: ROLLING });
    stage.mark("a newer template");
    await released(stage);
  },
};

export const goodCanary: ClusterStep = {
  ...common,
  name: "good-canary",
  title: "Canary that is good",
  kind: "release",
  async run(stage) {
    // Some hundred clients carry too few connection-minutes for a verdict that all is well.
    const analysis = { connectionMinutesMin: 0, waitSecondsMax: WAIT_SECONDS };
    await patchSpec(stage, { ...newTemplate(), release: canaryOf(analysis) });
    stage.mark("a newer template");
    const { release } = await stage.watch.until(
      "the canary has its share",
      (sample) => (sample.release?.sharePercent ?? 0) > 0,
      RELEASE_MS,
    );
    stage.mark(`people are on ${release?.to}`);
    await released(stage);
    stage.note(`a step waits ${WAIT_SECONDS} s for a verdict: so few people give none by then`);
  },
};
