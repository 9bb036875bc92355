// Owns: a proof on a real cluster from its arguments to its result.
import { loadavg } from "node:os";
import { machine } from "@holdfast/load";
import { ClusterCommands } from "../../cluster/commands.ts";
import { ProveError } from "../prove-error.ts";
import { stepText } from "../report-text.ts";
import type { ProofResult, StepResult } from "../result.ts";
import { workloadOf } from "../workload.ts";
import { ClusterProof } from "./cluster-proof.ts";
import { operatorText } from "./cluster-text.ts";
import type { ClusterPlan } from "./plan.ts";

const PODS = 3;
/** Handshakes a second of one pod, by the installation's values. */
const HANDSHAKES = 100;

export interface ClusterReport {
  readonly line: (text: string) => void;
  /** The result so far: a run of half an hour may be ended before its end. */
  readonly keep: (result: ProofResult) => Promise<void>;
}

/** Throws `cluster_unusable` if nobody has said where the cluster is. */
export async function proveOnCluster(
  plan: ClusterPlan,
  { line, keep }: ClusterReport,
): Promise<ProofResult> {
  const startedMs = performance.now();
  const [loadBefore = 0] = loadavg();
  const measuredAt = new Date().toISOString();
  const { clients, channels, seed, publishesPerSecond } = plan;
  const workload = workloadOf(plan);
  const subscriptions = workload.clients.reduce((sum, one) => sum + one.channels.length, 0);
  line(
    `${clients} clients, ${channels} channels, ${subscriptions} subscriptions, ${publishesPerSecond} publishes/s, ${PODS} pods, seed ${seed}`,
  );
  const steps: StepResult[] = [];
  const resultOf = (): ProofResult => ({
    rival: "holdfast",
    ...{ measuredAt, clients, channels, subscriptions, publishesPerSecond, seed },
    ...{ nodes: PODS, handshakesPerSecond: HANDSHAKES, broker: "Valkey in the cluster" },
    ...{ quick: false, machine: machine(), versions: { bun: Bun.version }, loadBefore, steps },
    tookMs: Math.round(performance.now() - startedMs),
  });
  const commands = commandsFrom(process.env);
  const proof = new ClusterProof({
    ...{ plan, commands, say: (text) => line(`... ${text}`) },
    onStep: async (step) => {
      steps.push(step);
      line(`${stepText(step, HANDSHAKES)}\n${operatorText(step)}`);
      await keep(resultOf());
    },
  });
  const stop = () => void proof.close().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  await proof.run();
  return resultOf();
}

function commandsFrom({ KUBECONFIG, KUBECTL, HELM }: NodeJS.ProcessEnv): ClusterCommands {
  if (KUBECONFIG === undefined || KUBECTL === undefined)
    throw new ProveError(
      "cluster_unusable",
      "Cannot reach a cluster: KUBECONFIG and KUBECTL are not set, expected npm run prove -- --cluster to set them",
    );
  const kubectl = [...KUBECTL.split(" "), "--kubeconfig", KUBECONFIG];
  return new ClusterCommands({ kubeconfig: KUBECONFIG, kubectl, helm: HELM ?? "helm" });
}
