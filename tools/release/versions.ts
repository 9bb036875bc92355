// Owns: the one version of everything: where it is written, whether all places agree, and setting
// it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../image/root.ts";
import { rootManifest } from "./manifest.ts";
import { ReleaseError } from "./release-error.ts";
import { workspaceFolders } from "./workspace.ts";

const CHANGELOG = "CHANGELOG.md";
const UNRELEASED = "## Unreleased\n";
const VERSION = /^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/;

/** Places besides the manifests that name the version: a file, and the text around it. */
const PLACES: readonly { readonly path: string; readonly pattern: RegExp }[] = [
  { path: "apps/holdfast/src/version.ts", pattern: /(VERSION = ")([^"]+)(")/ },
  { path: "packages/client/src/core.ts", pattern: /(VERSION = ")([^"]+)(")/ },
  { path: "deploy/chart/Chart.yaml", pattern: /(^version: )(\S+)($)/m },
  { path: "deploy/chart/Chart.yaml", pattern: /(^appVersion: ")([^"]+)(")/m },
];

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const write = (path: string, text: string): void => writeFileSync(join(ROOT, path), text);

const manifests = (): readonly string[] => [
  "package.json",
  ...workspaceFolders().map((folder) => `${folder}/package.json`),
];

/** Places that do not say the version of the root's manifest, as sentences. */
export function versionProblems(): readonly string[] {
  const { version } = rootManifest();
  const wrong = (path: string, found: string | undefined): readonly string[] =>
    found === version ? [] : [`${path} says version ${found}, expected ${version}`];
  return [
    ...manifests().flatMap((path) => {
      const text = read(path);
      const manifest = JSON.parse(text) as { version?: string; private?: boolean };
      return [
        ...wrong(path, manifest.version),
        ...[...text.matchAll(OURS)].flatMap(([, , range]) => wrong(path, range)),
        // Sources are not what users install: `npm publish` in a folder of them must not work.
        ...(manifest.private === true ? [] : [`${path} is not private: npm could publish sources`]),
      ];
    }),
    ...PLACES.flatMap(({ path, pattern }) => wrong(path, pattern.exec(read(path))?.[2])),
  ];
}

/** A dependency on a package of the workspace. */
const OURS = /("@holdfast\/[a-z-]+": ")([^"]+)(")/g;

/**
 * Writes the version everywhere and gives what is unreleased in the changelog its heading.
 * `npm install --package-lock-only` and `npm run generate` bring the lock file and what is made
 * from
 * code in step.
 */
export function setVersion(version: string, date: string): void {
  if (!VERSION.test(version))
    throw new ReleaseError(`Cannot set the version: found ${version}, expected one as in 1.2.3`);
  for (const path of manifests()) {
    write(
      path,
      read(path)
        .replace(/^( {2}"version": ")[^"]+(")/m, `$1${version}$2`)
        .replaceAll(
          OURS,
          (_match, before: string, _old: string, after: string) => before + version + after,
        ),
    );
  }
  for (const { path, pattern } of PLACES)
    write(path, read(path).replace(pattern, `$1${version}$3`));
  const log = read(CHANGELOG);
  if (!log.includes(UNRELEASED))
    throw new ReleaseError(`Cannot name the release: ${CHANGELOG} has no heading "Unreleased"`);
  write(CHANGELOG, log.replace(UNRELEASED, `${UNRELEASED}\n## ${version} (${date})\n`));
}

/** What the changelog says of a version; undefined: nothing. `Unreleased` is a heading too. */
export function notesOf(heading: string, log: string = read(CHANGELOG)): string | undefined {
  const start = new RegExp(`^## ${heading.replaceAll(".", "\\.")}( \\(|$)`, "m").exec(log)?.index;
  if (start === undefined) return undefined;
  const [, ...lines] = log.slice(start).split("\n");
  const end = lines.findIndex((line) => line.startsWith("## "));
  const notes = lines
    .slice(0, end === -1 ? undefined : end)
    .join("\n")
    .trim();
  return notes === "" ? undefined : notes;
}
