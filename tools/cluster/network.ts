// Owns: the network of the cluster: a bridge on this machine, a namespace for each node, and routes
// between their pods. This machine reaches pods and services through them.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ClusterError } from "./cluster-error.ts";
import {
  BRIDGE,
  HOST_IP,
  linkOf,
  NODES_MAX,
  namespaceOf,
  nodeIp,
  podCidr,
  SERVICE_CIDR,
} from "./settings.ts";
import { attempt, run } from "./shell.ts";

/** Kubelets and their runtimes watch many files. */
const INOTIFY_INSTANCES = "/proc/sys/fs/inotify/max_user_instances";
const INOTIFY_INSTANCES_MIN = 1024;
const NODE_SYSCTLS = [
  "net.ipv4.ip_forward=1",
  "net.ipv4.conf.all.rp_filter=0",
  "net.ipv4.conf.default.rp_filter=0",
];

/** Makes what is missing for so many nodes. */
export async function ensureNetwork(nodes: number): Promise<void> {
  raiseInotify();
  if (!existsSync(`/sys/class/net/${BRIDGE}`)) {
    await run(["ip", "link", "add", BRIDGE, "type", "bridge"]);
    await run(["ip", "addr", "add", `${HOST_IP}/24`, "dev", BRIDGE]);
    await run(["ip", "link", "set", BRIDGE, "up"]);
  }
  const each = Array.from({ length: nodes }, (_, index) => index + 1);
  for (const node of each) {
    await ensureNode(node);
    await run(["ip", "route", "replace", podCidr(node), "via", nodeIp(node), "dev", BRIDGE]);
  }
  for (const node of each)
    for (const other of each.filter((one) => one !== node))
      await inNode(node, ["route", "replace", podCidr(other), "via", nodeIp(other), "dev", "eth0"]);
  // The first node's proxy stands for the services.
  await run(["ip", "route", "replace", SERVICE_CIDR, "via", nodeIp(1), "dev", BRIDGE]);
}

/** Removes links, routes and namespaces, also of a cluster that had other nodes. */
export async function removeNetwork(): Promise<void> {
  for (let node = 1; node <= NODES_MAX; node++)
    if (existsSync(`/run/netns/${namespaceOf(node)}`))
      await run(["ip", "netns", "delete", namespaceOf(node)]);
  // Routes go with the link.
  if (existsSync(`/sys/class/net/${BRIDGE}`)) await run(["ip", "link", "delete", BRIDGE]);
}

/** Pulls a node's network cable, or plugs it in again. Its programs run on. */
export async function setCable(node: number, state: "in" | "out"): Promise<void> {
  await run(["ip", "link", "set", linkOf(node), state === "in" ? "up" : "down"]);
}

/** Throws `ClusterError` if this machine does not let root make namespaces. */
export async function requireNamespaces(): Promise<void> {
  const { code, stderr } = await attempt(["unshare", "--net", "--mount", "--uts", "true"]);
  if (code !== 0)
    throw new ClusterError(
      `Cannot start the cluster: unshare answered "${stderr.trim()}", expected root with the capabilities SYS_ADMIN and NET_ADMIN (in a container: --privileged)`,
    );
}

async function ensureNode(node: number): Promise<void> {
  const namespace = namespaceOf(node);
  if (existsSync(`/run/netns/${namespace}`)) return;
  const link = linkOf(node);
  await run(["ip", "netns", "add", namespace]);
  const peer = ["type", "veth", "peer", "name", "eth0", "netns", namespace];
  await run(["ip", "link", "add", link, ...peer]);
  await run(["ip", "link", "set", link, "master", BRIDGE, "up"]);
  await inNode(node, ["link", "set", "lo", "up"]);
  await inNode(node, ["addr", "add", `${nodeIp(node)}/24`, "dev", "eth0"]);
  await inNode(node, ["link", "set", "eth0", "up"]);
  await inNode(node, ["route", "add", "default", "via", HOST_IP]);
  const enter = ["nsenter", `--net=/run/netns/${namespace}`];
  for (const setting of NODE_SYSCTLS) await run([...enter, "sysctl", "-qw", setting]);
}

async function inNode(node: number, args: readonly string[]): Promise<void> {
  await run(["ip", "-n", namespaceOf(node), ...args]);
}

/** A limit of this machine that is too low for any Kubernetes is raised, and left so. */
function raiseInotify(): void {
  if (Number(readFileSync(INOTIFY_INSTANCES, "utf8")) >= INOTIFY_INSTANCES_MIN) return;
  try {
    writeFileSync(INOTIFY_INSTANCES, String(INOTIFY_INSTANCES_MIN));
  } catch {
    // A container may not. Two nodes have room in Linux' default of 128.
  }
}
