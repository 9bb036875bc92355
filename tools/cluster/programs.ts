// Owns: the programs of the cluster: built with Go once for each version, and what Debian has.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LOCK_WAIT } from "../run/debian.mjs";
import { ClusterError } from "./cluster-error.ts";
import { PATHS } from "./settings.ts";
import { attempt, run, say } from "./shell.ts";

const SOURCES = fileURLToPath(new URL("./programs", import.meta.url));
/** 8 minutes on two cores with nothing else to do. */
const BUILD_TIMEOUT_MS = 60 * 60_000;
const APT_TIMEOUT_MS = 5 * 60_000;

/** What the cluster says of its version; the module's version is in go.mod. */
const KUBERNETES = { major: "1", minor: "34", version: "v1.34.4" };

/** Programs by the package of Debian that has them. */
const DEBIAN: readonly (readonly [program: string, name: string])[] = [
  ["/usr/bin/containerd", "containerd"],
  ["/usr/sbin/runc", "runc"],
  ["/usr/lib/cni/ptp", "containernetworking-plugins"],
  ["/usr/sbin/iptables", "iptables"],
  ["/usr/sbin/conntrack", "conntrack"],
  ["/usr/sbin/ip", "iproute2"],
  ["/usr/bin/openssl", "openssl"],
  ["/usr/bin/nsenter", "util-linux"],
];

export interface Programs {
  /** Every program of Kubernetes, and etcd, by its first argument. */
  readonly kubernetes: string;
  readonly coredns: string;
  readonly pause: string;
}

/** KEDA's, for the tests of autoscaling alone. */
export interface KedaPrograms {
  readonly operator: string;
  /** Of the API group `external.metrics.k8s.io`. */
  readonly adapter: string;
}

const ROUTER = "kube-router";
type ProgramName = keyof Programs | `keda-${keyof KedaPrograms}` | typeof ROUTER;
const NAMES: readonly (keyof Programs)[] = ["pause", "coredns", "kubernetes"];

/** Where KEDA's modules are named, and its version as its programs say it. */
export const KEDA = {
  folder: join(SOURCES, "keda"),
  module: "github.com/kedacore/keda/v2",
  version: "v2.21.0",
} as const;

/** What makes NetworkPolicies hold, for their tests alone. */
const ROUTER_MODULE = "github.com/cloudnativelabs/kube-router/v2";
/** It calls both of them. */
const ROUTER_DEBIAN: readonly (readonly [program: string, name: string])[] = [
  ["/usr/sbin/ipset", "ipset"],
  ["/usr/sbin/iptables", "iptables"],
];

/** Finds the programs, or makes them. Says how long that takes. */
export async function ensurePrograms(): Promise<Programs> {
  await installDebian(DEBIAN);
  const programs = programPaths();
  for (const name of NAMES) if (!existsSync(programs[name])) await build(name, programs[name]);
  return programs;
}

/** The same for KEDA's. */
export async function ensureKedaPrograms(): Promise<KedaPrograms> {
  const programs = {
    operator: programPath("keda-operator"),
    adapter: programPath("keda-adapter"),
  };
  if (!existsSync(programs.operator)) await build("keda-operator", programs.operator);
  if (!existsSync(programs.adapter)) await build("keda-adapter", programs.adapter);
  return programs;
}

/** The path of what makes NetworkPolicies hold; two minutes on two cores, once. */
export async function ensurePolicyProgram(): Promise<string> {
  await installDebian(ROUTER_DEBIAN);
  const path = programPath(ROUTER);
  if (!existsSync(path)) await build(ROUTER, path);
  return path;
}

/** Where the programs are once they are built. Makes nothing. */
export const programPaths = (): Programs => ({
  kubernetes: programPath("kubernetes"),
  coredns: programPath("coredns"),
  pause: programPath("pause"),
});

/** Whether all that `ensurePrograms` builds is there. */
export const areBuilt = (): boolean => NAMES.every((name) => existsSync(programPath(name)));

async function installDebian(wanted: typeof DEBIAN): Promise<void> {
  const missing = wanted.filter(([program]) => !existsSync(program)).map(([, name]) => name);
  if (missing.length === 0) return;
  const byHand = `apt-get install --no-install-recommends ${missing.join(" ")}`;
  if (!existsSync("/usr/bin/apt-get"))
    throw new ClusterError(
      `Cannot start the cluster: ${missing.join(", ")} not found, expected the programs that Debian has in them`,
    );
  say(`installing ${missing.join(", ")} from Debian...`);
  const options = { timeoutMs: APT_TIMEOUT_MS, env: { DEBIAN_FRONTEND: "noninteractive" } };
  await attempt(["apt-get", "update", "-qq", LOCK_WAIT], options);
  const install = ["apt-get", "install", "-y", "-qq", LOCK_WAIT, "--no-install-recommends"];
  const { code, stderr } = await attempt([...install, ...missing], options);
  if (code !== 0)
    throw new ClusterError(
      `Cannot start the cluster: ${byHand} failed: ${stderr.trim().slice(-500)}`,
    );
}

/** A program built from other sources has another path. */
function programPath(name: ProgramName): string {
  const folder = folderOf(name);
  const hash = createHash("sha256");
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, file)));
  return join(PATHS.programs, `${name}-${hash.digest("hex").slice(0, 12)}`);
}

const isKeda = (name: ProgramName): boolean => name.startsWith("keda-");
const folderOf = (name: ProgramName): string => (isKeda(name) ? KEDA.folder : join(SOURCES, name));
/** Programs that are not ours are in their own modules. */
function packageOf(name: ProgramName): string {
  if (name === ROUTER) return `${ROUTER_MODULE}/cmd/kube-router`;
  return isKeda(name) ? `${KEDA.module}/cmd/${name.slice("keda-".length)}` : ".";
}

async function build(name: ProgramName, path: string): Promise<void> {
  if (Bun.which("go") === null)
    throw new ClusterError(
      `Cannot build ${name}: found no go on the PATH, expected Go 1.24 or newer`,
    );
  mkdirSync(PATHS.programs, { recursive: true });
  say(
    name === "kubernetes"
      ? `building Kubernetes ${KUBERNETES.version} with Go, once; ten minutes on two cores...`
      : `building ${name} with Go, once...`,
  );
  const startedMs = performance.now();
  const building = `${path}.${process.pid}`;
  try {
    await run(
      ["go", "build", "-trimpath", `-ldflags=${linkFlags(name)}`, "-o", building, packageOf(name)],
      {
        cwd: folderOf(name),
        env: { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" },
        timeoutMs: BUILD_TIMEOUT_MS,
      },
    );
    // Another run may have been first: the result is the same.
    renameSync(building, path);
  } finally {
    rmSync(building, { force: true });
  }
  say(`built ${name} in ${Math.round((performance.now() - startedMs) / 1000)} s`);
}

function linkFlags(name: ProgramName): string {
  if (isKeda(name)) return `-s -w -X ${KEDA.module}/version.Version=${KEDA.version}`;
  if (name !== "kubernetes") return "-s -w";
  const version = "-X k8s.io/component-base/version.git";
  return [
    "-s -w",
    `${version}Version=${KUBERNETES.version}`,
    `${version}Major=${KUBERNETES.major}`,
    `${version}Minor=${KUBERNETES.minor}`,
  ].join(" ");
}
