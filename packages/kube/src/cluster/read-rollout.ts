// Owns: reading one workload and its pods from a live cluster, to see how a release goes.
import { at, isRecord, type Json, list, record, selects, text } from "../reading.ts";
import { asker, reasonOf } from "./ask.ts";
import type { Credentials } from "./credentials.ts";
import { placeOf } from "./kinds.ts";
import { type ClusterAccess, ClusterError } from "./kubeconfig.ts";

export const ROLLOUT_KINDS = ["deployment", "statefulset"] as const;
export type RolloutKind = (typeof ROLLOUT_KINDS)[number];

export interface RolloutSource {
  readonly kind: RolloutKind;
  readonly name: string;
  readonly namespace: string;
}

/** A workload, and the pods that its selector picks, also those that end. */
export type RolloutRead = readonly [workload: Json, pods: readonly Json[]];

const TIMEOUT_MS = 10_000;
const PODS_MAX = 5000;

/**
 * A function that reads them by two GETs. It rejects with ClusterError: `missing` if there is no
 * such workload, `forbidden` if the account may not read it or its pods, and as `readCluster` does.
 */
export function rolloutReader(
  access: ClusterAccess,
  credentials: Credentials,
  { kind, name, namespace }: RolloutSource,
): () => Promise<RolloutRead> {
  const ask = asker(access, credentials, TIMEOUT_MS);
  const inNamespace = `namespaces/${encodeURIComponent(namespace)}`;
  const read = async (path: string): Promise<Json> => {
    const answer = await ask(path);
    if (answer.status === 200 && isRecord(answer.body)) return answer.body;
    const code = { 403: "forbidden", 404: "missing" }[answer.status] ?? "unreachable";
    throw new ClusterError(
      code as "forbidden" | "missing" | "unreachable",
      `Cannot read ${kind} ${namespace}/${name}: ${reasonOf(answer)}`,
    );
  };
  return async () => {
    const workload = await read(
      `/apis/apps/v1/${inNamespace}/${kind}s/${encodeURIComponent(name)}`,
    );
    const labels = record(at(workload, "spec", "selector", "matchLabels"));
    const selector = Object.entries(labels).map(([key, value]) => `${key}=${text(value)}`);
    const query = `labelSelector=${encodeURIComponent(selector.join(","))}&limit=${PODS_MAX}`;
    const pods = await read(`/api/v1/${inNamespace}/pods?${query}`);
    const picked = list(at(pods, "items")).map((pod) => placeOf(record(pod)));
    const wanted = at(workload, "spec", "selector");
    return [
      workload,
      picked.filter((pod) => selects(wanted, record(at(pod, "metadata", "labels")))),
    ];
  };
}
