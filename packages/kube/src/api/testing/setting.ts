// Owns: a client of a server on this machine, and a wait for a condition.
import type { ClusterAccess } from "../../cluster/kubeconfig.ts";
import { credentialsSource } from "../credentials-source.ts";
import { createKubeApi, type KubeApiOptions } from "../kube-api.ts";

export const accessTo = (server: string, more: Partial<ClusterAccess> = {}): ClusterAccess => ({
  ...{ context: "test", server, namespace: undefined, ca: undefined, serverName: undefined },
  ...{ unverified: false, cert: undefined, key: undefined, token: undefined, exec: undefined },
  ...more,
});

export function clientOf(access: ClusterAccess, options: Partial<KubeApiOptions> = {}) {
  const source = credentialsSource(access, { env: {} }, { renewalGapMs: 0 });
  return createKubeApi(access, source, { fieldManager: "tester", ...options });
}

/** Resolves when the condition holds. Sockets answer in their own time; a test limit ends it. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(1);
}
