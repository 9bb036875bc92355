// Owns: one node of the cluster: its container runtime, kubelet and proxy, in namespaces of its
// own. `startNode` runs this file again inside of them.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeGroup } from "./control-groups.ts";
import { kubeconfigOf, pkiFile } from "./pki.ts";
import { isRunning, programId, startProgram } from "./processes.ts";
import { type Programs, programPaths } from "./programs.ts";
import {
  DNS_SERVICE_IP,
  NAME,
  NODES_MAX,
  namespaceOf,
  nodeIp,
  nodeName,
  PATHS,
  POD_CIDR,
  podCidr,
} from "./settings.ts";
import { attempt, run, waitFor } from "./shell.ts";

const RUNTIME_SECONDS = 60;
const START_TIMEOUT_MS = 120_000;
const SOCKET = "/run/containerd/containerd.sock";
/** Of the image that holds a pod's namespaces. */
export const PAUSE_IMAGE = "docker.io/holdfast/pause:1";

/** Folders that these programs use whatever they are told: each node has its own there. */
const OWN_FOLDERS: Readonly<Record<string, string>> = {
  kubelet: "/var/lib/kubelet",
  containerd: "/var/lib/containerd",
  cni: "/var/lib/cni",
  pods: "/var/log/pods",
  containers: "/var/log/containers",
  "cni-conf": "/etc/cni/net.d",
};

const runtimeOf = (node: number): string => `${nodeName(node)}-containerd`;
const kubeletOf = (node: number): string => `${nodeName(node)}-kubelet`;
const proxyOf = (node: number): string => `${nodeName(node)}-proxy`;
export const policiesOf = (node: number): string => `${nodeName(node)}-policies`;
export const systemGroup = (node: number): string => `${NAME}/${nodeName(node)}-system`;

/** Starts a node of which something does not run. */
export async function startNode(node: number): Promise<void> {
  if ([runtimeOf(node), kubeletOf(node), proxyOf(node)].every(isRunning)) return;
  makeGroup(`${NAME}/${nodeName(node)}`);
  makeGroup(systemGroup(node));
  const self = [process.execPath, fileURLToPath(import.meta.url), String(node)];
  const id = programId(runtimeOf(node));
  const enter =
    id === undefined
      ? [
          ...["nsenter", `--net=/run/netns/${namespaceOf(node)}`],
          ...["unshare", "--mount", "--uts", "--propagation=private"],
        ]
      : enterCommand(id);
  await run([...enter, ...self], { timeoutMs: START_TIMEOUT_MS });
}

/** Numbers of the nodes whose runtime is there. */
export const runningNodes = (): readonly number[] =>
  Array.from({ length: NODES_MAX }, (_, index) => index + 1).filter((node) =>
    isRunning(runtimeOf(node)),
  );

/** Runs a command in a node's namespaces. */
export function inNode(node: number, command: readonly string[]): Promise<string> {
  return run([...nodeCommand(node), ...command]);
}

/** What stands before a command that runs in a node's namespaces. */
export function nodeCommand(node: number): readonly string[] {
  const id = programId(runtimeOf(node));
  return id === undefined ? [] : enterCommand(id);
}

/** Brings an archive of an image to a node; one that it has already costs little. */
export const importImage = async (node: number, archive: string): Promise<void> => {
  await inNode(node, ["ctr", "-a", SOCKET, "-n", "k8s.io", "images", "import", archive]);
};

const enterCommand = (id: number): readonly string[] => [
  "nsenter",
  `--target=${id}`,
  "--mount",
  "--net",
  "--uts",
  "--",
];

/** Runs inside of the node's namespaces. */
async function startInside(node: number, programs: Programs): Promise<void> {
  if (!isRunning(runtimeOf(node))) await makeFolders(node);
  writeConfiguration(node);
  const group = systemGroup(node);
  const conf = (name: string): string => join(PATHS.conf, `${nodeName(node)}-${name}`);
  startProgram({
    name: runtimeOf(node),
    group,
    command: ["containerd", "--config", conf("containerd.toml")],
  });
  await waitFor("the container runtime", RUNTIME_SECONDS, async () => {
    return (await attempt(["ctr", "-a", SOCKET, "version"])).code === 0;
  });
  startProgram({
    name: kubeletOf(node),
    group,
    command: [
      ...[programs.kubernetes, "kubelet", "--config", conf("kubelet.yaml")],
      ...["--kubeconfig", kubeconfigOf(nodeName(node)), "--hostname-override", nodeName(node)],
      ...["--node-ip", nodeIp(node), "--v", "1"],
      ...["--node-labels", `topology.kubernetes.io/zone=zone${node}`],
    ],
  });
  startProgram({
    name: proxyOf(node),
    group,
    command: [programs.kubernetes, "kube-proxy", "--config", conf("proxy.yaml"), "--v", "1"],
  });
}

async function makeFolders(node: number): Promise<void> {
  await run(["mount", "--make-rprivate", "/"]);
  // What the kubelet mounts must reach the containers.
  await run(["mount", "--make-rshared", "/"]);
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"]);
  for (const folder of ["lock", "netns", "containerd"])
    mkdirSync(join("/run", folder), { recursive: true });
  for (const [name, path] of Object.entries(OWN_FOLDERS)) {
    const own = join(PATHS.state, nodeName(node), name);
    mkdirSync(own, { recursive: true });
    if (!existsSync(path)) mkdirSync(path, { recursive: true });
    await run(["mount", "--bind", own, path]);
  }
  await run(["hostname", nodeName(node)]);
}

function writeConfiguration(node: number): void {
  const name = nodeName(node);
  const write = (file: string, text: string): void =>
    writeFileSync(join(PATHS.conf, `${name}-${file}`), text);
  writeFileSync("/etc/cni/net.d/10-pods.conflist", JSON.stringify(podNetwork(node)));
  write("resolv.conf", "");
  write("containerd.toml", CONTAINERD);
  // Kubelet and proxy read YAML, and JSON is YAML.
  write("kubelet.yaml", JSON.stringify(kubeletConfiguration(node), undefined, 2));
  write("proxy.yaml", JSON.stringify(proxyConfiguration(node), undefined, 2));
}

const podNetwork = (node: number): unknown => ({
  cniVersion: "0.4.0",
  name: "pods",
  plugins: [
    {
      type: "ptp",
      ipMasq: false,
      mtu: 1500,
      ipam: {
        type: "host-local",
        ranges: [[{ subnet: podCidr(node) }]],
        routes: [{ dst: "0.0.0.0/0" }],
      },
    },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
});

/** A container may be denied lower scores, so none is asked for. */
const CONTAINERD = `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[grpc]
  address = "${SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "/usr/sbin/runc"
        SystemdCgroup = false
`;

const kubeletConfiguration = (node: number): unknown => ({
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  kind: "KubeletConfiguration",
  failCgroupV1: false,
  cgroupDriver: "cgroupfs",
  cgroupRoot: `/${NAME}/${nodeName(node)}`,
  failSwapOn: false,
  containerRuntimeEndpoint: `unix://${SOCKET}`,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: pkiFile("ca.crt") },
  },
  authorization: { mode: "Webhook" },
  tlsCertFile: pkiFile(`${nodeName(node)}.crt`),
  tlsPrivateKeyFile: pkiFile(`${nodeName(node)}.key`),
  clusterDNS: [DNS_SERVICE_IP],
  clusterDomain: "cluster.local",
  resolvConf: join(PATHS.conf, `${nodeName(node)}-resolv.conf`),
  maxPods: 60,
  // Images are brought, never pulled: none may be thrown away.
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  evictionHard: {
    "memory.available": "200Mi",
    "nodefs.available": "1%",
    "imagefs.available": "1%",
    "nodefs.inodesFree": "1%",
  },
  nodeStatusUpdateFrequency: "10s",
  registerNode: true,
});

const proxyConfiguration = (node: number): unknown => ({
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  kind: "KubeProxyConfiguration",
  mode: "iptables",
  clusterCIDR: POD_CIDR,
  hostnameOverride: nodeName(node),
  clientConnection: { kubeconfig: kubeconfigOf("proxy") },
  // They belong to the whole machine, not to a namespace.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
});

if (import.meta.main) await startInside(Number(process.argv[2]), programPaths());
