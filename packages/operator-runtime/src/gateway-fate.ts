// Owns: whether a gateway that does not answer can still hold clients, as Kubernetes tells it.
import { at, type Json, type KubeApi, list, text } from "@holdfast/kube";
import { PATHS } from "./names.ts";
import { nameOf } from "./objects.ts";

export interface FateNeeds {
  readonly api: Pick<KubeApi, "list">;
  /** Of the gateways. */
  readonly namespace: string;
  /** The machine is known, and its kubelet says nothing; or it is not there any more. */
  readonly isMachineSilent: (machine: string) => boolean;
}

/**
 * Why the gateway at this address holds nobody; undefined: it may hold clients. A process that only
 * the operator cannot reach runs on: its machine speaks, and says that it runs. Without a pod at
 * the address nothing is known: gateways may be outside of Kubernetes.
 */
export async function whyGone(address: string, needs: FateNeeds): Promise<string | undefined> {
  const { api, namespace, isMachineSilent } = needs;
  const fieldSelector = `status.podIP=${address}`;
  const { items } = await api.list(PATHS.pods(namespace), { fieldSelector });
  const whys = items.filter(isUnended).map((pod) => whyPodGone(pod, isMachineSilent));
  // Pods in the network of their machine share its address: all of them must be gone.
  return whys.length > 0 && whys.every((why) => why !== undefined) ? whys[0] : undefined;
}

const isUnended = (pod: Json): boolean =>
  !["Succeeded", "Failed"].includes(text(at(pod, "status", "phase")) ?? "");

function whyPodGone(pod: Json, isMachineSilent: FateNeeds["isMachineSilent"]): string | undefined {
  const machine = text(at(pod, "spec", "nodeName"));
  if (machine !== undefined && isMachineSilent(machine))
    return `machine ${machine} of its pod ${nameOf(pod)} says nothing to Kubernetes either`;
  const containers = list(at(pod, "status", "containerStatuses"));
  const runs = containers.some((one) => at(one, "state", "running") !== undefined);
  return containers.length === 0 || runs
    ? undefined
    : `no container of its pod ${nameOf(pod)} runs`;
}
