// Owns: the manifest that users install: made from the table and the workspace's manifest, with
// nothing of the workspace in it.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../image/root.ts";
import { moduleOf } from "./bundle.ts";
import { declarationOf } from "./declarations.ts";
import type { Published } from "./published.ts";
import { ReleaseError } from "./release-error.ts";
import { workspaceFolders } from "./workspace.ts";

interface WorkspaceManifest {
  readonly description: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface RootManifest {
  readonly version: string;
  readonly license: string;
  readonly homepage: string;
  readonly bugs: unknown;
  readonly repository: { readonly type: string; readonly url: string };
  readonly engines: Readonly<Record<string, string>>;
}

const readManifest = (folder: string): unknown =>
  JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));

/** The root's manifest: the one place of version, licence, repository and engines. */
export const rootManifest = (): RootManifest => readManifest(".") as RootManifest;

/** The `package.json` of a published package, as an object in npm's usual order. */
export function manifestOf(published: Published): Readonly<Record<string, unknown>> {
  const root = rootManifest();
  const workspace = readManifest(published.folder) as WorkspaceManifest;
  const peers = published.peers ?? {};
  const main = published.entries["."];
  return {
    name: published.name,
    version: root.version,
    description: workspace.description,
    keywords: published.keywords,
    license: root.license,
    homepage: root.homepage,
    bugs: root.bugs,
    repository: { ...root.repository, directory: published.folder },
    type: "module",
    ...(published.bin === undefined ? { sideEffects: false } : { bin: published.bin }),
    ...(main === undefined ? {} : mainFields(published, main)),
    exports: { ...exportsOf(published), "./package.json": "./package.json" },
    files: ["dist", ...(published.files ?? [])],
    engines: root.engines,
    ...dependenciesOf(published),
    ...(Object.keys(peers).length === 0
      ? {}
      : {
          peerDependencies: peers,
          peerDependenciesMeta: Object.fromEntries(
            Object.keys(peers).map((name) => [name, { optional: true }]),
          ),
        }),
    publishConfig: { access: "public", provenance: true },
  };
}

/** For tools that do not read `exports`. */
function mainFields(published: Published, main: string): Readonly<Record<string, unknown>> {
  const module = `./dist/${moduleOf(main)}`;
  return {
    main: published.commonJs ? commonJs(module) : module,
    ...(published.commonJs ? { module } : {}),
    types: `./dist/${declarationOf(published, main)}`,
    ...(published.browserFile === undefined
      ? {}
      : { unpkg: "./dist/browser.js", jsdelivr: "./dist/browser.js" }),
  };
}

function exportsOf(published: Published): Readonly<Record<string, unknown>> {
  const all = { ...published.entries, ...published.nodeEntries };
  const entries = Object.entries(all).map(([subpath, entry]) => {
    const module = `./dist/${moduleOf(entry)}`;
    const types = `./dist/${declarationOf(published, entry)}`;
    const esm = { types, default: module };
    if (!published.commonJs) return [subpath, esm];
    return [
      subpath,
      { import: esm, require: { types: commonJs(types, ".d.ts"), default: commonJs(module) } },
    ];
  });
  const browser =
    published.browserFile === undefined
      ? []
      : [
          [
            "./browser",
            {
              types: `./dist/${declarationOf(published, published.browserFile)}`,
              default: "./dist/browser.js",
            },
          ],
        ];
  return Object.fromEntries([...entries, ...browser]);
}

const commonJs = (path: string, extension = ".js"): string =>
  path.slice(0, -extension.length) + extension.replace(/([jt]s)$/, "c$1");

/** Ranges are those of the workspace; what is inside is no dependency. */
function dependenciesOf({
  name,
  outside,
  peers = {},
}: Published): Readonly<Record<string, unknown>> {
  const ranges = workspaceRanges();
  const dependencies = outside
    .filter((dependency) => peers[dependency] === undefined)
    .map((dependency) => {
      const range = ranges.get(dependency);
      if (range === undefined)
        throw new ReleaseError(`Cannot publish ${name}: no workspace package has ${dependency}`);
      return [dependency, range] as const;
    });
  return dependencies.length === 0 ? {} : { dependencies: Object.fromEntries(dependencies) };
}

/** The range of every package that a part of the workspace depends on. */
function workspaceRanges(): ReadonlyMap<string, string> {
  return new Map(
    [".", ...workspaceFolders()].flatMap((folder) => {
      const { dependencies, devDependencies } = readManifest(folder) as WorkspaceManifest;
      return Object.entries({ ...devDependencies, ...dependencies });
    }),
  );
}
