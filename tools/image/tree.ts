// Owns: the file tree of the image, put together from the Dockerfile's own COPY lines, and what a
// container runtime adds to it.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Copy } from "./dockerfile.ts";
import { ImageError } from "./image-error.ts";

/**
 * Carries the copies out, into an empty folder. `stages` says which folder stands for each stage.
 * Like a builder: a source that is a folder gives its contents, and one that is nowhere is an
 * error.
 */
export function assembleTree(
  copies: readonly Copy[],
  stages: Readonly<Record<string, string>>,
  into: string,
): void {
  for (const { from, sources, target, line } of copies) {
    const stage = stages[from];
    if (stage === undefined)
      throw new ImageError(
        `Cannot follow line ${line} of the Dockerfile: found --from=${from}, expected ${Object.keys(stages).join(" or ")}`,
      );
    const found = sources.flatMap((source) => matching(stage, source, line));
    const isFolder = target.endsWith("/");
    if (found.length > 1 && !isFolder)
      throw new ImageError(
        `Cannot follow line ${line} of the Dockerfile: several files for ${target}, expected / at its end`,
      );
    for (const path of found) {
      if (statSync(path).isDirectory()) {
        cpSync(path, join(into, target), { recursive: true });
        continue;
      }
      const destination = isFolder ? join(into, target, basename(path)) : join(into, target);
      mkdirSync(dirname(destination), { recursive: true });
      // The file behind a link, as a builder copies it.
      copyFileSync(path, destination);
    }
  }
}

function matching(stage: string, source: string, line: number): readonly string[] {
  const path = join(stage, source);
  const found = source.includes("*")
    ? [
        ...new Bun.Glob(source.slice(1)).scanSync({ cwd: stage, absolute: true, onlyFiles: false }),
      ].sort()
    : existsSync(path)
      ? [path]
      : [];
  if (found.length === 0)
    throw new ImageError(
      `Cannot follow line ${line} of the Dockerfile: ${path} does not exist, expected it as in Debian 12 (the C library's stage is this machine)`,
    );
  return found;
}

/**
 * What every container runtime makes in a root: places to mount on, and the file of names. `hosts`
 * are names that lead to this machine.
 */
export function addRuntimeFiles(root: string, hosts: readonly string[] = []): void {
  for (const folder of ["proc", "dev", "sys", "etc"])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(
    join(root, "etc/hosts"),
    ["127.0.0.1 localhost", ...hosts.map((name) => `127.0.0.1 ${name}`), ""].join("\n"),
  );
}

export interface Entry {
  /** From the root, with a slash in front. */
  readonly path: string;
  readonly kind: "file" | "folder" | "other";
  readonly mode: number;
  readonly sha256: string;
  readonly changedMs: number;
}

/**
 * Everything in a tree, sorted by path. Two lists are equal when nothing was written between them.
 */
export function entriesOf(root: string): readonly Entry[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(root, name);
      const stats = lstatSync(path);
      const kind = stats.isFile() ? "file" : stats.isDirectory() ? "folder" : "other";
      const sha256 =
        kind === "file" ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
      return {
        path: `/${name}`,
        kind,
        mode: stats.mode & 0o7777,
        sha256,
        changedMs: stats.ctimeMs,
      };
    });
}
