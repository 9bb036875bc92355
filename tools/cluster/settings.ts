// Owns: names, addresses, ports and folders of the cluster. Nothing else on the machine has them.
import { homedir } from "node:os";
import { join } from "node:path";

/** Prefix of namespaces, links and control groups, and the name in the kubeconfig. */
export const NAME = "holdfast";
/** A name of a network link has at most 15 characters. */
export const BRIDGE = "holdfast0";
/** This machine on the bridge; the control plane listens here. */
export const HOST_IP = "172.31.240.1";
export const API_PORT = 20443;
export const ETCD_PORT = 20379;
export const ETCD_PEER_PORT = 20380;
export const CONTROLLERS_PORT = 20257;
export const SCHEDULER_PORT = 20259;
export const SERVICE_CIDR = "10.213.0.0/16";
/** The API server's own service has the first address of the range. */
export const API_SERVICE_IP = "10.213.0.1";
export const DNS_SERVICE_IP = "10.213.0.10";
export const POD_CIDR = "10.214.0.0/16";
export const NODES_MAX = 5;

export const nodeName = (node: number): string => `node${node}`;
export const nodeIp = (node: number): string => `172.31.240.${10 + node}`;
export const podCidr = (node: number): string => `10.214.${node}.0/24`;
export const namespaceOf = (node: number): string => `${NAME}-node${node}`;
export const linkOf = (node: number): string => `${NAME}n${node}`;

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "holdfast/cluster");

/** Where things are. All but `programs` is removed when the cluster ends. */
export const PATHS = {
  cache: CACHE,
  programs: join(CACHE, "programs"),
  state: join(CACHE, "state"),
  pki: join(CACHE, "state/pki"),
  conf: join(CACHE, "state/conf"),
  logs: join(CACHE, "state/logs"),
  images: join(CACHE, "state/images"),
  kubeconfig: join(CACHE, "state/kubeconfig"),
  lock: join(CACHE, "lock"),
} as const;
