// Owns: the control plane: etcd, the API server, controllers and scheduler, on this machine's
// address of the bridge.
import { join } from "node:path";
import { makeGroup } from "./control-groups.ts";
import { kubeconfigOf, pkiFile } from "./pki.ts";
import { startProgram } from "./processes.ts";
import type { Programs } from "./programs.ts";
import {
  API_PORT,
  CONTROLLERS_PORT,
  ETCD_PEER_PORT,
  ETCD_PORT,
  HOST_IP,
  NAME,
  PATHS,
  SCHEDULER_PORT,
  SERVICE_CIDR,
} from "./settings.ts";
import { attempt, run, waitFor } from "./shell.ts";

const READY_SECONDS = 180;
const GROUP = `${NAME}/control`;
const ETCD = `http://127.0.0.1:${ETCD_PORT}`;
const ETCD_PEER = `http://127.0.0.1:${ETCD_PEER_PORT}`;

/** Options as the programs take them. */
const flags = (options: Readonly<Record<string, string | number | boolean>>): readonly string[] =>
  Object.entries(options).map(([name, value]) => `--${name}=${value}`);

/** Starts what does not run, and resolves when the API server is ready. */
export async function startControlPlane(programs: Programs): Promise<void> {
  makeGroup(GROUP);
  const start = (name: string, options: readonly string[]): void =>
    startProgram({ name, group: GROUP, command: [programs.kubernetes, name, ...options] });
  start("etcd", etcdFlags());
  start("kube-apiserver", apiServerFlags());
  await waitFor("the API server", READY_SECONDS, () => isReady(programs));
  start("kube-controller-manager", controllerFlags());
  start("kube-scheduler", [
    ...authorized("scheduler"),
    ...flags({
      "bind-address": "127.0.0.1",
      "secure-port": SCHEDULER_PORT,
      "leader-elect": false,
    }),
  ]);
}

/** What kubectl answers. Throws `ClusterError` if it fails. */
export const kubectl = (
  programs: Programs,
  args: readonly string[],
  options: { readonly stdin?: string; readonly timeoutMs?: number } = {},
): Promise<string> =>
  run([programs.kubernetes, "kubectl", "--kubeconfig", PATHS.kubeconfig, ...args], options);

/** Whether a command of kubectl ends well. */
export async function kubectlSucceeds(
  programs: Programs,
  args: readonly string[],
): Promise<boolean> {
  const command = [programs.kubernetes, "kubectl", "--kubeconfig", PATHS.kubeconfig, ...args];
  return (await attempt(command)).code === 0;
}

const isReady = (programs: Programs): Promise<boolean> =>
  kubectlSucceeds(programs, ["get", "--raw", "/readyz"]);

const etcdFlags = (): readonly string[] =>
  flags({
    name: "one",
    "data-dir": join(PATHS.state, "etcd"),
    "listen-client-urls": ETCD,
    "advertise-client-urls": ETCD,
    "listen-peer-urls": ETCD_PEER,
    "initial-advertise-peer-urls": ETCD_PEER,
    "initial-cluster": `one=${ETCD_PEER}`,
    // What it keeps ends with the cluster.
    "unsafe-no-fsync": true,
    "log-level": "warn",
  });

const apiServerFlags = (): readonly string[] =>
  flags({
    "etcd-servers": ETCD,
    "bind-address": HOST_IP,
    "advertise-address": HOST_IP,
    "secure-port": API_PORT,
    "service-cluster-ip-range": SERVICE_CIDR,
    "authorization-mode": "Node,RBAC",
    "enable-admission-plugins": "NodeRestriction",
    "allow-privileged": true,
    "tls-cert-file": pkiFile("apiserver.crt"),
    "tls-private-key-file": pkiFile("apiserver.key"),
    "client-ca-file": pkiFile("ca.crt"),
    "kubelet-client-certificate": pkiFile("apiserver-to-kubelet.crt"),
    "kubelet-client-key": pkiFile("apiserver-to-kubelet.key"),
    "kubelet-certificate-authority": pkiFile("ca.crt"),
    "kubelet-preferred-address-types": "InternalIP",
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-account-key-file": pkiFile("service-accounts.pub"),
    "service-account-signing-key-file": pkiFile("service-accounts.key"),
    "requestheader-client-ca-file": pkiFile("front-ca.crt"),
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-username-headers": "X-Remote-User",
    "requestheader-group-headers": "X-Remote-Group",
    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    "proxy-client-cert-file": pkiFile("front-client.crt"),
    "proxy-client-key-file": pkiFile("front-client.key"),
    "enable-aggregator-routing": true,
    profiling: false,
  });

const controllerFlags = (): readonly string[] => [
  ...authorized("controllers"),
  ...flags({
    "bind-address": "127.0.0.1",
    "secure-port": CONTROLLERS_PORT,
    "service-account-private-key-file": pkiFile("service-accounts.key"),
    "root-ca-file": pkiFile("ca.crt"),
    "use-service-account-credentials": true,
    "cluster-signing-cert-file": pkiFile("ca.crt"),
    "cluster-signing-key-file": pkiFile("ca.key"),
    "allocate-node-cidrs": false,
    "leader-elect": false,
  }),
];

/** A component asks the API server by this kubeconfig, also who asks the component. */
function authorized(user: string): readonly string[] {
  const file = kubeconfigOf(user);
  return flags({
    kubeconfig: file,
    "authentication-kubeconfig": file,
    "authorization-kubeconfig": file,
  });
}
