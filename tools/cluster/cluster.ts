// Owns: `npm run cluster -- up | down | status | build | images | kubectl`: a real Kubernetes of
// some nodes on this machine, without a container engine or a registry.
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { brokerImage, nodeImage } from "./chart-images.ts";
import { ClusterError } from "./cluster-error.ts";
import { removeGroups, requireControlGroups } from "./control-groups.ts";
import { kubectl, kubectlSucceeds, startControlPlane } from "./control-plane.ts";
import { dnsObjects } from "./dns.ts";
import { ownImages } from "./images.ts";
import { endKeda, startKeda } from "./keda.ts";
import { ensureNetwork, removeNetwork, requireNamespaces } from "./network.ts";
import { importImage, runningNodes, startNode } from "./node.ts";
import { ensurePki } from "./pki.ts";
import { endPolicies, startPolicies } from "./policies.ts";
import { endAll, endProgram } from "./processes.ts";
import {
  areBuilt,
  ensureKedaPrograms,
  ensurePolicyProgram,
  ensurePrograms,
  type Programs,
  programPaths,
} from "./programs.ts";
import { HOST_IP, NODES_MAX, nodeName, PATHS } from "./settings.ts";
import { say, waitFor } from "./shell.ts";

const READY_SECONDS = 120;
const RESTARTED: readonly string[] = ["etcd", "kube-apiserver"];
const AWAY_SECONDS_MAX = 600;
const USAGE = `usage: npm run cluster -- up [--nodes N] [--image ARCHIVE]... | down | status | env | build | images
       npm run cluster -- restart PROGRAM [--after SECONDS]
       npm run cluster -- keda build | up | down
       npm run cluster -- policies build | up | down
       npm run cluster -- kubectl ...

up       starts what does not run and prints KUBECONFIG=...; 20 s once the programs are built
down     ends everything and removes what the cluster wrote; the programs stay for the next time
status   says what runs
env      says how other programs reach it: KUBECONFIG and KUBECTL
build    builds the programs alone: ten minutes on two cores, once for each version
images   makes the chart's images from this clone and brings them to the nodes
restart  kills a program of the control plane (etcd, kube-apiserver) and starts it again
keda     builds KEDA's programs (nine minutes on two cores, once), brings it, removes it
policies makes NetworkPolicies hold; its program takes two minutes on two cores, once
kubectl  runs kubectl of the cluster's version on it`;

/** Starts a cluster, or what of it does not run. */
async function up(nodes: number, archives: readonly string[]): Promise<void> {
  requireMachine();
  await requireNamespaces();
  requireControlGroups();
  const startedMs = performance.now();
  const programs = await ensurePrograms();
  for (const folder of [PATHS.state, PATHS.conf, PATHS.logs])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  const images = [...(await ownImages(programs)), ...archives];
  await ensurePki(nodes);
  await ensureNetwork(nodes);
  await startControlPlane(programs);
  say(`the control plane answers on ${HOST_IP}`);
  const each = Array.from({ length: nodes }, (_, index) => index + 1);
  for (const node of each) {
    await startNode(node);
    for (const archive of images) await importImage(node, archive);
  }
  for (const node of each) await nodeIsReady(programs, node);
  await kubectl(programs, ["apply", "-f", "-"], { stdin: JSON.stringify(dnsObjects()) });
  await waitFor("CoreDNS", READY_SECONDS, () =>
    kubectlSucceeds(programs, [
      ...["--namespace", "kube-system", "rollout", "status", "deployment/coredns"],
      "--timeout=2s",
    ]),
  );
  say(`${nodes} nodes are ready after ${seconds(startedMs)} s`);
  console.log(`KUBECONFIG=${PATHS.kubeconfig}`);
}

/** The images that the chart names are on every node then, so that nothing is pulled. */
async function bringImages(server: string | undefined): Promise<void> {
  const nodes = runningNodes();
  if (nodes.length === 0)
    throw new ClusterError("Cannot bring images: no node runs, expected npm run cluster -- up");
  if (server === undefined)
    throw new ClusterError(
      "Cannot make the trial broker's image: VALKEY_SERVER is not set, expected the path of a valkey-server",
    );
  const startedMs = performance.now();
  for (const archive of [await nodeImage(), await brokerImage(server)]) {
    for (const node of nodes) await importImage(node, archive);
    say(`${basename(archive, ".tar")} is on ${nodes.length} nodes`);
  }
  say(`images after ${seconds(startedMs)} s`);
}

const nodeIsReady = (programs: Programs, node: number): Promise<void> =>
  waitFor(nodeName(node), READY_SECONDS, () =>
    kubectlSucceeds(programs, [
      ...["wait", "--for=condition=Ready", `node/${nodeName(node)}`],
      "--timeout=2s",
    ]),
  );

/** Ends the cluster; one that does not run is no error. */
async function down(): Promise<void> {
  requireMachine();
  const startedMs = performance.now();
  await endAll();
  removeGroups();
  await removeNetwork();
  rmSync(PATHS.state, { recursive: true, force: true });
  say(`down after ${seconds(startedMs)} s`);
}

async function status(): Promise<number> {
  if (!areBuilt()) {
    console.log("Nothing runs. The programs are not built yet.");
    return 1;
  }
  const programs = programPaths();
  if (!(await kubectlSucceeds(programs, ["get", "--raw", "/readyz"]))) {
    console.log("Nothing runs.");
    return 1;
  }
  console.log(await kubectl(programs, ["get", "nodes", "--output=wide"]));
  console.log(await kubectl(programs, ["get", "pods", "--all-namespaces", "--output=wide"]));
  console.log(`KUBECONFIG=${PATHS.kubeconfig}`);
  return 0;
}

/** A fault of the control plane: the program is away for some seconds. */
async function restart(name: string, after: string): Promise<void> {
  const seconds = Number(after);
  if (!(RESTARTED.includes(name) && seconds >= 0 && seconds <= AWAY_SECONDS_MAX))
    throw new ClusterError(
      `Cannot restart ${name} after ${after} s: expected ${RESTARTED.join(" or ")}, and 0 to ${AWAY_SECONDS_MAX} s`,
    );
  const programs = programPaths();
  await endProgram(name);
  say(`${name} is away`);
  await Bun.sleep(seconds * 1000);
  await startControlPlane(programs);
  say(`${name} runs again`);
}

async function sayEnvironment(): Promise<number> {
  const { kubernetes } = await ensurePrograms();
  console.log(`KUBECONFIG=${PATHS.kubeconfig}\nKUBECTL=${kubernetes} kubectl`);
  return 0;
}

async function keda(what: string | undefined): Promise<number> {
  if (what === "build") await ensureKedaPrograms();
  else if (what === "up") await alone(startKeda);
  else if (what === "down") await alone(endKeda);
  else {
    console.error(USAGE);
    return 2;
  }
  return 0;
}

async function policies(what: string | undefined): Promise<number> {
  if (what === "build") await ensurePolicyProgram();
  else if (what === "up") await alone(startPolicies);
  else if (what === "down") await alone(endPolicies);
  else {
    console.error(USAGE);
    return 2;
  }
  return 0;
}

async function passKubectl(args: readonly string[]): Promise<number> {
  const { kubernetes } = await ensurePrograms();
  const command = [kubernetes, "kubectl", "--kubeconfig", PATHS.kubeconfig, ...args];
  return await Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] }).exited;
}

function requireMachine(): void {
  if (process.platform !== "linux")
    throw new ClusterError(`Cannot run a cluster: this is ${process.platform}, expected Linux`);
  if (process.getuid?.() !== 0)
    throw new ClusterError(
      `Cannot run a cluster: found user ${process.getuid?.()}, expected root, who can make namespaces and control groups`,
    );
}

/** Two commands at once would make the same links and files. */
async function alone(work: () => Promise<void>): Promise<void> {
  mkdirSync(PATHS.cache, { recursive: true });
  takeLock();
  try {
    await work();
  } finally {
    rmSync(PATHS.lock, { force: true });
  }
}

function takeLock(): void {
  try {
    const file = openSync(PATHS.lock, "wx");
    writeFileSync(file, String(process.pid));
    closeSync(file);
  } catch (error) {
    const owner = Number(readFileSync(PATHS.lock, "utf8"));
    if (owner > 0 && Bun.spawnSync(["kill", "-0", String(owner)]).success)
      throw new ClusterError(
        `Cannot go on: process ${owner} starts or ends the cluster, expected to be alone; wait for it`,
        { cause: error },
      );
    // Its owner was killed.
    rmSync(PATHS.lock);
    takeLock();
  }
}

const seconds = (startedMs: number): number => Math.round((performance.now() - startedMs) / 1000);

function nodesOf(text: string): number {
  const nodes = Number(text);
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX) return nodes;
  throw new ClusterError(
    `Cannot start the cluster: found --nodes ${text}, expected 1 to ${NODES_MAX}`,
  );
}

async function main([command = "", ...args]: readonly string[]): Promise<number> {
  if (command === "kubectl") return await passKubectl(args);
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: "string", default: "2" },
      image: { type: "string", multiple: true, default: [] },
      after: { type: "string", default: "0" },
    },
    allowPositionals: ["restart", "keda", "policies"].includes(command),
  });
  if (command === "restart") {
    await alone(() => restart(positionals[0] ?? "", values.after));
    return 0;
  }
  if (command === "status") return await status();
  if (command === "env") return await sayEnvironment();
  if (command === "keda") return await keda(positionals[0]);
  if (command === "policies") return await policies(positionals[0]);
  if (command === "up") await alone(() => up(nodesOf(values.nodes), values.image));
  else if (command === "down") await alone(down);
  else if (command === "build") await ensurePrograms();
  else if (command === "images") await alone(() => bringImages(process.env.VALKEY_SERVER));
  else {
    console.error(USAGE);
    return 2;
  }
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
