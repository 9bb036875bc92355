// Owns: which packages the workspace has, by the root's manifest.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "../image/root.ts";

/** Folders of the workspace's packages, from the root, sorted. */
export function workspaceFolders(): readonly string[] {
  const { workspaces } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly workspaces: readonly string[];
  };
  return workspaces
    .flatMap((folders) => [...new Bun.Glob(`${folders}/package.json`).scanSync({ cwd: ROOT })])
    .map((path) => dirname(path))
    .sort();
}
