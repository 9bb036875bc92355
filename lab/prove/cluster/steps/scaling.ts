// Owns: the steps in which the number of pods changes.
import { type ClusterStep, patchSpec, RELEASE_MS } from "./cluster-step.ts";

const PODS = 3;
const MORE = 5;
const FEWER = 2;
/** Thirteen pods go one behind the other. */
const SPIKE_MS = 900_000;
const RAMP_SECONDS = 60;
/** Beside each client of the crowd so many more come. */
const MORE_CLIENTS = 9;

const scaleTo = (stage: Parameters<ClusterStep["run"]>[0], replicas: number) =>
  patchSpec(stage, { replicas }).then(() =>
    stage.watch.until(
      `${replicas} pods serve`,
      (one) =>
        one.isSeen &&
        one.condition === "Settled" &&
        one.pods === replicas &&
        one.ready === replicas,
      RELEASE_MS,
    ),
  );

export const scaleDown: ClusterStep = {
  name: "scale-down",
  title: `Scale-up to ${MORE} pods, and down to ${FEWER} while people type`,
  kind: "other",
  isDrain: true,
  mayLoseData: false,
  timeLimitMs: RELEASE_MS * 2,
  async run(stage) {
    await scaleTo(stage, MORE);
    stage.mark(`${MORE} pods`);
    await scaleTo(stage, FEWER);
    stage.mark(`${FEWER} pods`);
    await scaleTo(stage, PODS);
  },
};

export const spike: ClusterStep = {
  name: "spike",
  title: `Ten times the clients within ${RAMP_SECONDS} s, and down again, with the operator's autoscaling`,
  kind: "spike",
  isDrain: true,
  mayLoseData: false,
  timeLimitMs: SPIKE_MS,
  async run(stage) {
    const autoscaling = { minReplicas: PODS, maxReplicas: 20, downAfterSeconds: 10 };
    await patchSpec(stage, { autoscaling });
    const count = stage.clients * MORE_CLIENTS;
    const fromMs = Date.now();
    await stage.addIdle(count, count / RAMP_SECONDS);
    stage.mark(`${count} more clients`);
    stage.note(`${count} clients came within ${Math.round((Date.now() - fromMs) / 1000)} s`);
    const needed = Math.ceil((stage.clients + count) / stage.perPod);
    const { desired } = await stage.watch.until(
      "enough pods serve",
      (one) => one.desired >= needed && one.ready >= needed,
      RELEASE_MS,
    );
    stage.note(
      `${desired} pods served ${Math.round((Date.now() - fromMs) / 1000)} s after the first`,
    );
    await stage.removeIdle();
    stage.mark("they leave");
    const leftMs = Date.now();
    await stage.watch.until(
      `${PODS} pods are left`,
      (one) => one.desired === PODS && one.pods === PODS,
      SPIKE_MS,
    );
    stage.note(`${PODS} pods again ${Math.round((Date.now() - leftMs) / 1000)} s after they left`);
    await patchSpec(stage, { autoscaling: null, replicas: PODS });
  },
};
