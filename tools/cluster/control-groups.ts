// Owns: the control groups of the cluster. What runs in them is all that `down` ends.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ClusterError } from "./cluster-error.ts";
import { NAME } from "./settings.ts";

/** Roots of all hierarchies: one in version 2, one for each controller in version 1, or both. */
function trees(): readonly string[] {
  return readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "cgroup" || type === "cgroup2")
    .map(([, path = ""]) => path);
}

const isVersion2 = (tree: string): boolean => existsSync(join(tree, "cgroup.controllers"));

/** Throws `ClusterError` if this machine has no control groups that can be written. */
export function requireControlGroups(): void {
  try {
    if (trees().length === 0) throw new Error("no hierarchy is mounted");
    makeGroup(NAME);
  } catch (error) {
    throw new ClusterError(
      `Cannot start the cluster: ${error instanceof Error ? error.message : error}, expected control groups that root can write (in a container: --privileged)`,
      { cause: error },
    );
  }
}

/** Makes a group, `a/b`, in every tree. */
export function makeGroup(group: string): void {
  for (const tree of trees()) {
    let folder = tree;
    for (const part of group.split("/")) {
      if (isVersion2(tree)) delegate(folder);
      const inner = join(folder, part);
      mkdirSync(inner, { recursive: true });
      if (!isVersion2(tree)) inheritCpus(folder, inner);
      folder = inner;
    }
  }
}

/** In version 2 a group has the controllers that its parent hands down. */
function delegate(folder: string): void {
  const names = readFileSync(join(folder, "cgroup.controllers"), "utf8").trim().split(" ");
  const wanted = names.filter((name) => name !== "").map((name) => `+${name}`);
  writeFileSync(join(folder, "cgroup.subtree_control"), wanted.join(" "));
}

/** In version 1 a new group has no processors until they are written. */
function inheritCpus(parent: string, child: string): void {
  if (!existsSync(join(child, "cpuset.cpus"))) return;
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (readFileSync(join(child, file), "utf8").trim() === "")
      writeFileSync(join(child, file), readFileSync(join(parent, file)));
  }
  writeFileSync(join(child, "cgroup.clone_children"), "1");
}

/** Files into which a process writes its id to join the group. */
export const joinFiles = (group: string): readonly string[] =>
  trees().map((tree) => join(tree, group, "cgroup.procs"));

/** Ids of all that runs in the cluster. */
export function processesOfCluster(): readonly number[] {
  const found = trees().flatMap((tree) =>
    foldersOf(join(tree, NAME)).flatMap((folder) => {
      try {
        return readFileSync(join(folder, "cgroup.procs"), "utf8").trim().split("\n");
      } catch {
        // The group went with its last process.
        return [];
      }
    }),
  );
  return [...new Set(found.filter((line) => line !== "").map(Number))];
}

/** Removes every group of the cluster. They must be empty. */
export function removeGroups(): void {
  for (const tree of trees())
    for (const folder of [...foldersOf(join(tree, NAME))].reverse()) {
      try {
        rmdirSync(folder);
      } catch (error) {
        if (existsSync(folder))
          throw new ClusterError(`Cannot remove ${folder}: ${error}`, { cause: error });
      }
    }
}

/** The folder and all below it, parents first. */
function foldersOf(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return [
    folder,
    ...readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => foldersOf(join(folder, entry.name))),
  ];
}
