// Owns: the sources that the doctor reads: files, folders, standard input, a live cluster.
import { readdir, readFile, stat } from "node:fs/promises";
import { delimiter, join, relative, resolve } from "node:path";
import {
  accessFromInside,
  type ClusterAccess,
  ClusterError,
  credentialsOf,
  type KubeconfigFile,
  type Manifests,
  readCluster,
  readKubeconfig,
  readManifests,
} from "@holdfast/kube";
import type { Host } from "./host.ts";

const FILES_MAX = 5000;
const DEPTH_MAX = 20;

/** What was read. `notes` name what could not be read, if the rest can still be judged. */
export type Read =
  | {
      readonly ok: true;
      readonly manifests: Manifests;
      readonly notes: readonly string[];
      /** Something of a cluster could not be read. */
      readonly isPartial: boolean;
    }
  | { readonly ok: false; readonly message: string };

/** Files, folders and standard input. */
export async function fileManifests(paths: readonly string[], host: Host): Promise<Read> {
  if (paths.length === 0)
    return refusal("nothing was named", "files or folders of manifests, or - for standard input");
  const all: Found[] = [];
  try {
    for (const path of paths) {
      if (path === "-")
        all.push({ manifests: readManifests(await Bun.stdin.text(), "stdin"), named: true });
      else all.push(...(await foundAt(path, host)));
      if (all.length > FILES_MAX)
        return refusal(`more than ${FILES_MAX} files`, "a folder of rendered manifests");
    }
  } catch (error) {
    return refusal(
      error instanceof Error ? error.message : String(error),
      "a file or folder that can be read",
    );
  }
  // A folder may hold other files, which are skipped; a file that was named must be a manifest.
  const beside = all.filter(({ manifests, named }) => !named && isForeign(manifests));
  const kept = all.filter((found) => !beside.includes(found));
  return {
    ok: true,
    manifests: {
      objects: kept.flatMap(({ manifests }) => manifests.objects),
      unread: kept.flatMap(({ manifests }) => manifests.unread),
    },
    notes: beside.map(({ manifests }) => `${manifests.unread[0]?.place.file}: no manifest`),
    isPartial: false,
  };
}

interface Found {
  readonly manifests: Manifests;
  readonly named: boolean;
}

async function foundAt(path: string, host: Host): Promise<readonly Found[]> {
  const top = resolve(host.cwd, path);
  const files = await manifestFiles(top);
  const found: Found[] = [];
  for (const file of files)
    found.push({
      manifests: readManifests(await readFile(file, "utf8"), relative(host.cwd, file)),
      named: file === top,
    });
  return found;
}

function isForeign({ objects, unread }: Manifests): boolean {
  return (
    objects.length === 0 && unread.length > 0 && unread.every(({ code }) => code === "foreign")
  );
}

function refusal(found: string, expected: string): Read {
  return { ok: false, message: `Cannot read manifests: ${found}, expected ${expected}` };
}

export interface ClusterFlags {
  readonly namespace?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
}

/** A live cluster. A read that is not allowed becomes a note. */
export async function clusterManifests(flags: ClusterFlags, host: Host): Promise<Read> {
  try {
    const access = await accessOf(flags, host);
    const credentials = await credentialsOf(access, { env: host.env });
    const selection = flags.namespace === undefined ? {} : { namespace: flags.namespace };
    const { objects, partial } = await readCluster(access, credentials, selection);
    const unverified = access.unverified
      ? ["the server's certificate: the kubeconfig says insecure-skip-tls-verify"]
      : [];
    if (objects.length === 0 && partial.length > 0)
      return {
        ok: false,
        message: `Cannot read the cluster of context ${access.context}: nothing is allowed, expected list on at least deployments\n  ${partial.join("\n  ")}`,
      };
    return {
      ok: true,
      manifests: { objects, unread: [] },
      notes: [...unverified, ...partial],
      isPartial: partial.length > 0,
    };
  } catch (error) {
    if (error instanceof ClusterError) return { ok: false, message: error.message };
    throw error;
  }
}

/** How to reach the cluster that the flags name, or the one around this pod. */
export async function accessOf(
  { context, kubeconfig }: ClusterFlags,
  host: Host,
): Promise<ClusterAccess> {
  const named = kubeconfig ?? host.env.KUBECONFIG;
  if ((named === undefined || named === "") && context === undefined) {
    const inside = accessFromInside(host.env);
    if (inside !== undefined) return inside;
  }
  const paths =
    named === undefined || named === ""
      ? [join(host.env.HOME ?? host.cwd, ".kube/config")]
      : kubeconfig === undefined
        ? named.split(delimiter)
        : [named];
  const files: KubeconfigFile[] = [];
  for (const path of paths.filter((one) => one !== "").map((one) => resolve(host.cwd, one))) {
    const content = await readFile(path, "utf8").catch(() => undefined);
    if (content !== undefined) files.push({ path, text: content });
  }
  if (files.length === 0)
    throw new ClusterError(
      "kubeconfig",
      `Cannot read a kubeconfig: found none at ${paths.join(", ")}, expected one, or --kubeconfig`,
    );
  return readKubeconfig(files, context);
}

/**
 * The file itself, or every YAML and JSON file below the folder, sorted; hidden ones and
 * node_modules are left out.
 */
async function manifestFiles(path: string, depth = 0): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  if (depth >= DEPTH_MAX) return [];
  const found: string[] = [];
  for (const entry of (await readdir(path, { withFileTypes: true })).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const full = `${path}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await manifestFiles(full, depth + 1)));
    else if (/\.(ya?ml|json)$/.test(entry.name)) found.push(full);
    if (found.length > FILES_MAX) break;
  }
  return found;
}
