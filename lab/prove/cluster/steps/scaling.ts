// Owns: the steps in which the number of pods changes.
import { isReady } from "../../../cluster/pod.ts";
import { type ClusterStage, type ClusterStep, patchSpec, RELEASE_MS } from "./cluster-step.ts";

const PODS = 3;
const MORE = 5;
const FEWER = 2;
/** Thirteen pods go one behind the other. */
const SPIKE_MS = 900_000;
const RAMP_SECONDS = 60;
/** Beside each client of the crowd so many more come. */
const MORE_CLIENTS = 9;

const seconds = (ms: number): string => Math.max(0, ms / 1000).toFixed(1);

/** Why newcomers were told to come later, as the pods count it. */
async function tellRefusals({ rt, note }: ClusterStage): Promise<void> {
  const counts = new Map<string, number>();
  // One that has just been ordered may have no address yet, and has refused nobody.
  for (const { status } of (await rt.pods()).filter(isReady)) {
    const text = await (await fetch(`http://${status.podIP}:9000/metrics`)).text();
    for (const line of text.split("\n")) {
      const [, name, value] = REFUSED.exec(line) ?? [];
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + Number(value));
    }
  }
  const told = [...counts].filter(([, count]) => count > 0).map((pair) => pair.join(" "));
  note(`handshakes that pods refused, and those over their address's share: ${told.join(", ")}`);
}
const REFUSED =
  /^holdfast_(?:handshakes_total\{outcome="refused",code|over_share_total\{reason)="([a-z_]+)"\} (\d+)/;

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
    const cameMs = Date.now();
    await stage.everyoneConnected();
    stage.note(
      `${count} clients came within ${seconds(cameMs - fromMs)} s; ${seconds(Date.now() - cameMs)} s later all were connected`,
    );
    const needed = Math.ceil((stage.clients + count) / stage.perPod);
    const { desired } = await stage.watch.until(
      "enough pods serve",
      (one) => one.desired >= needed && one.ready >= needed,
      RELEASE_MS,
    );
    stage.note(`${desired} pods served ${seconds(Date.now() - fromMs)} s after the first came`);
    await tellRefusals(stage);
    stage.mark("they leave");
    await stage.removeIdle(count / RAMP_SECONDS);
    const leftMs = Date.now();
    await stage.watch.until(
      `${PODS} pods are left`,
      (one) => one.desired === PODS && one.pods === PODS,
      SPIKE_MS,
    );
    stage.note(`${PODS} pods again ${seconds(Date.now() - leftMs)} s after the last one left`);
    await patchSpec(stage, { autoscaling: null, replicas: PODS });
  },
};
