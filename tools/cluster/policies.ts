// Owns: NetworkPolicies on the cluster: kube-router on each node makes them hold, with rules of
// iptables and ipset. It does nothing else there: routes and services have others.
import { ClusterError } from "./cluster-error.ts";
import { inNode, nodeCommand, policiesOf, runningNodes, systemGroup } from "./node.ts";
import { endProgram, startProgram } from "./processes.ts";
import { ensurePolicyProgram } from "./programs.ts";
import { nodeName, PATHS, SERVICE_CIDR } from "./settings.ts";
import { attempt, say, waitFor } from "./shell.ts";

const READY_SECONDS = 60;
/** The first of the chains that it makes. */
const CHAIN = "KUBE-ROUTER-FORWARD";

const WITHOUT_RULES = [
  "iptables-save -t filter | grep -vE 'KUBE-(ROUTER|NWPLCY|POD-FW)-'",
  "ipset list -n | grep -E '^(inet6:)?KUBE-' | xargs -r -n 1 ipset destroy",
].join(" | iptables-restore -w -T filter && ");

/** Policies hold when this resolves, those of later pods too. */
export async function startPolicies(): Promise<void> {
  const nodes = runningNodes();
  if (nodes.length === 0)
    throw new ClusterError("Cannot enforce policies: no node runs, expected npm run cluster -- up");
  const startedMs = performance.now();
  const router = await ensurePolicyProgram();
  for (const node of nodes)
    startProgram({
      name: policiesOf(node),
      group: systemGroup(node),
      command: [
        ...nodeCommand(node),
        ...[router, "--kubeconfig", PATHS.kubeconfig, "--hostname-override", nodeName(node)],
        ...["--run-firewall=true", "--run-router=false", "--run-service-proxy=false"],
        ...["--service-cluster-ip-range", SERVICE_CIDR, "--health-port=0", "--v=1"],
      ],
    });
  for (const node of nodes)
    await waitFor(`the policies of ${nodeName(node)}`, READY_SECONDS, async () => {
      const list = [...nodeCommand(node), "iptables", "-w", "-S", CHAIN];
      return (await attempt(list)).code === 0;
    });
  const tookS = Math.round((performance.now() - startedMs) / 1000);
  say(`policies hold on ${nodes.length} nodes after ${tookS} s`);
}

/** They hold no longer. What the program wrote is taken away: its own command for that fails. */
export async function endPolicies(): Promise<void> {
  for (const node of runningNodes()) {
    await endProgram(policiesOf(node));
    await inNode(node, ["sh", "-c", WITHOUT_RULES]);
  }
}
