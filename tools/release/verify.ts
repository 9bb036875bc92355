// Owns: the check of a tarball as users get it: nothing is missing, nothing leaks, every import
// leads somewhere.
import { isBuiltin } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path/posix";
import { ROOT } from "../image/root.ts";
import { rootManifest } from "./manifest.ts";
import type { Published } from "./published.ts";

/** Unpacked, in bytes. A package that grows over it has something in it that nobody meant. */
const UNPACKED_BYTES_MAX = 4_000_000;
const REQUIRED = ["package.json", "README.md", "LICENSE"];

/** Files of a package by their path. */
type Files = ReadonlyMap<string, string>;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports: unknown;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly repository?: { readonly url?: string };
}

/** What is wrong with a tarball, as sentences; empty if nothing is. */
export async function problemsOf(
  published: Published,
  tarball: string,
): Promise<readonly string[]> {
  return problemsIn(published, await filesOf(tarball));
}

/** The same for files by their path. */
export function problemsIn(published: Published, files: Files): readonly string[] {
  const missing = REQUIRED.filter((path) => !files.has(path));
  if (missing.length > 0) return missing.map((path) => `${published.name} has no ${path}`);
  const manifest = JSON.parse(files.get("package.json") ?? "{}") as Manifest;
  const bytes = [...files.values()].reduce((sum, text) => sum + text.length, 0);
  return [
    ...manifestProblems(manifest),
    ...(bytes > UNPACKED_BYTES_MAX
      ? [`it has ${bytes} bytes unpacked, expected at most ${UNPACKED_BYTES_MAX}`]
      : []),
    ...[...targets(manifest.exports), ...Object.values(manifest.bin ?? {})]
      .filter((path) => !files.has(path.replace(/^\.\//, "")))
      .map((path) => `package.json names ${path}, which is not in the package`),
    ...[...files].flatMap(([path, text]) => [
      ...leaks(path, text),
      ...importProblems(published, { path, text, files, manifest }),
    ]),
  ].map((problem) => `${published.name}: ${problem}`);
}

function manifestProblems(manifest: Manifest): readonly string[] {
  const { version, repository } = rootManifest();
  const ranges = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies });
  return [
    ...(manifest.private === true ? ["it is private"] : []),
    ...(manifest.version === version ? [] : [`its version is ${manifest.version}, not ${version}`]),
    ...(manifest.repository?.url === repository.url ? [] : ["it names no repository"]),
    ...ranges
      .filter(([, range]) => /^(workspace|file|link|git|https?):/.test(range))
      .map(([name, range]) => `it depends on ${name} at ${range}, which users cannot install`),
  ];
}

/** Paths that `exports` leads to. */
function targets(exports: unknown): readonly string[] {
  if (typeof exports === "string") return [exports];
  if (typeof exports !== "object" || exports === null) return [];
  return Object.values(exports).flatMap(targets);
}

/** Paths of the machine that built it. */
function leaks(path: string, text: string): readonly string[] {
  return [ROOT, homedir()]
    .filter((folder) => folder.length > 1 && text.includes(`${folder}/`))
    .map((folder) => `${path} names the folder ${folder} of this machine`);
}

interface Looked {
  readonly path: string;
  readonly text: string;
  readonly files: Files;
  readonly manifest: Manifest;
}

function importProblems(published: Published, looked: Looked): readonly string[] {
  if (!/\.([cm]?js|d\.[cm]?ts)$/.test(looked.path)) return [];
  // A file for pages has everything inside; minified code is not read by expressions.
  if (looked.path === "dist/browser.js" || looked.path.startsWith("dist/page/")) return [];
  return importsIn(looked)
    .map((name) => problemOfImport(published, looked, name))
    .filter((problem) => problem !== undefined);
}

function importsIn({ path, text }: Looked): readonly string[] {
  if (/\.d\.[cm]?ts$/.test(path))
    return [...text.matchAll(/(?:\bfrom\s+|\bimport\(|^import\s+)"([^"]+)"/gm)].map(
      ([, name = ""]) => name,
    );
  const code = text.replace(/^#!.*/, "");
  return new Bun.Transpiler({ loader: "js" }).scanImports(code).map(({ path: name }) => name);
}

function problemOfImport(
  published: Published,
  { path, files, manifest }: Looked,
  name: string,
): string | undefined {
  if (name.startsWith(".")) {
    const found = join(dirname(path), name);
    const declared = found.replace(/\.([cm]?)js$/, ".d.$1ts");
    const isThere = /\.d\.[cm]?ts$/.test(path) ? files.has(declared) : files.has(found);
    return isThere ? undefined : `${path} imports ${name}, which is not in the package`;
  }
  if (/^node:|^bun(:|$)/.test(name))
    return published.target === "browser"
      ? `${path} imports ${name}, which browsers lack`
      : undefined;
  const [scope = "", rest = ""] = name.split("/");
  const wanted = scope.startsWith("@") ? `${scope}/${rest}` : scope;
  const given = { ...manifest.dependencies, ...manifest.peerDependencies };
  if (wanted in given || wanted === manifest.name) return undefined;
  return published.target !== "browser" && isBuiltin(wanted)
    ? undefined
    : `${path} imports ${name}, which is no dependency`;
}

async function filesOf(tarball: string): Promise<Files> {
  const archive = new Bun.Archive(await Bun.file(tarball).bytes());
  const files = await archive.files();
  const entries = [...files].map(
    async ([path, file]) => [path.replace(/^package\//, ""), await file.text()] as const,
  );
  return new Map(await Promise.all(entries));
}
