// Owns: one RealtimeSet as the commands of `holdfast rollout` reach it.
import { createKubeApi, credentialsSource, type KubeApi } from "@holdfast/kube";
import { PATHS, SET_LABEL } from "@holdfast/operator-runtime";
import type { Command } from "commander";
import { accessOf, type ClusterFlags } from "../doctor-sources.ts";
import type { Host } from "../host.ts";

export interface SetFlags extends ClusterFlags {
  readonly namespace?: string;
}

/** A command that makes no sense as things are. */
export class Refusal extends Error {}

const TIMEOUT_MS = 10_000;
const KINDS = ["realtimeset", "realtimesets", "rts"];

/** The name in `realtimeset/NAME` or `rts/NAME`. */
export function nameOfSet(workload: string): string | undefined {
  const [kind = "", name, ...rest] = workload.split("/");
  return KINDS.includes(kind) && name !== undefined && name !== "" && rest.length === 0
    ? name
    : undefined;
}

/** The cluster, and where its objects are. */
export interface SetApi {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly path: string;
  /** Selects the objects of the set. */
  readonly ofSet: { readonly labelSelector: string };
  readonly releasesPath: string;
  readonly replicaSetsPath: string;
  readonly podsPath: string;
}

/** Rejects with ClusterError if there is no way to a cluster. */
export async function setApi(name: string, flags: SetFlags, host: Host): Promise<SetApi> {
  const access = await accessOf(flags, host);
  const namespace = flags.namespace ?? access.namespace ?? "default";
  const api = createKubeApi(access, credentialsSource(access, { env: host.env }), {
    fieldManager: "holdfast-rollout",
    timeoutMs: TIMEOUT_MS,
  });
  const place = encodeURIComponent(namespace);
  return {
    ...{ api, namespace },
    path: `${PATHS.sets(place)}/${encodeURIComponent(name)}`,
    ofSet: { labelSelector: `${SET_LABEL}=${name}` },
    releasesPath: PATHS.releases(place),
    replicaSetsPath: PATHS.replicaSets(place),
    podsPath: PATHS.pods(place),
  };
}

export function withClusterFlags(command: Command): Command {
  return command
    .option("-n, --namespace <name>", "its namespace; the context's when absent")
    .option("--context <name>", "of the kubeconfig; the current one when absent")
    .option("--kubeconfig <file>", "instead of KUBECONFIG and ~/.kube/config");
}
