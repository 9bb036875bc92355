// Owns: the types of a package: the compiler's declarations of everything of ours that its entries
// name, with relative imports, so that no name leaks that users cannot install.
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { ROOT } from "../image/root.ts";
import type { Published } from "./published.ts";
import { ReleaseError } from "./release-error.ts";
import { workspaceFolders } from "./workspace.ts";

/** Where `tsc -b` puts declarations: below it `packages/client`, `apps/holdfast` and so on. */
const TYPES = join(ROOT, ".cache/types");
/** Types that others made to be copied into packages (MIT). */
const COPIED: Readonly<Record<string, string>> = {
  "@standard-schema/spec": join(ROOT, "node_modules/@standard-schema/spec/dist/index.d.ts"),
};
const IMPORT = /(\bfrom\s+|\bimport\(|^import\s+)"([^"]+)"/gm;

/** Path of an entry's declarations from the package's `dist`. */
export const declarationOf = ({ folder }: Published, entry: string): string =>
  `types/${withoutPrefix(folder)}/${entry.replace(/^src\//, "").replace(/\.tsx?$/, ".d.ts")}`;

const withoutPrefix = (folder: string): string => folder.replace(/^(packages|apps)\//, "");

/**
 * Writes declarations below `dist/types`, for ES modules and, if the package has it, CommonJS.
 * Rejects with a ReleaseError if a name would leak.
 */
export async function writeDeclarations(published: Published, dist: string): Promise<void> {
  const known = new Map<string, string>();
  const entries = { ...published.entries, ...published.nodeEntries };
  const queue = Object.values(entries).map((entry) => {
    const to = declarationOf(published, entry);
    const from = join(
      TYPES,
      published.folder,
      entry.replace(/^src\//, "").replace(/\.tsx?$/, ".d.ts"),
    );
    known.set(from, to);
    return from;
  });
  for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
    const at = from;
    const to = known.get(at) ?? "";
    const text = (await read(at)).replaceAll(/^\/\/# sourceMappingURL=.*$/gm, "");
    const rewrite = (extension: string) =>
      text.replaceAll(IMPORT, (whole, before: string, name: string) => {
        const target = targetOf(published, at, name);
        if (target === undefined) return whole;
        if (!known.has(target.from)) {
          known.set(target.from, target.to);
          queue.push(target.from);
        }
        const path = relative(dirname(to), target.to).replace(/\.d\.ts$/, extension);
        return `${before}"${path.startsWith(".") ? path : `./${path}`}"`;
      });
    await write(join(dist, to), rewrite(".js"));
    if (published.commonJs)
      await write(join(dist, to.replace(/\.d\.ts$/, ".d.cts")), rewrite(".cjs"));
  }
}

interface Target {
  readonly from: string;
  readonly to: string;
}

/** Where the declarations of an import lie; undefined: it stays as it is. */
function targetOf(published: Published, at: string, name: string): Target | undefined {
  if (name.startsWith(".")) {
    const from = join(dirname(at), name.replace(/\.tsx?$/, ".d.ts"));
    return { from, to: placeOf(from) };
  }
  const copied = COPIED[name];
  if (copied !== undefined) return { from: copied, to: `types/${name.replace("@", "")}.d.ts` };
  if (name.startsWith("@holdfast/")) {
    const from = sourceOf(name);
    return { from, to: placeOf(from) };
  }
  if (name === "bun:test" && published.usesBunTest === true) return undefined;
  if (published.outside.includes(name)) return undefined;
  throw new ReleaseError(
    `Cannot publish ${published.name}: the types of ${relative(TYPES, at)} name ${name}, which users would not have`,
  );
}

const placeOf = (from: string): string => `types/${withoutPrefix(relative(TYPES, from))}`;

/** Declarations of a workspace package's entry, by its name. */
function sourceOf(name: string): string {
  const [scope = "", folder = "", ...rest] = name.split("/");
  const manifest = manifests().get(`${scope}/${folder}`);
  const entry = manifest?.exports[rest.length === 0 ? "." : `./${rest.join("/")}`];
  const path = typeof entry === "string" ? entry : entry?.types;
  if (manifest === undefined || path === undefined)
    throw new ReleaseError(`Cannot find the types of ${name}: no workspace package exports it`);
  return join(TYPES, manifest.folder, path.replace(/^\.\/src\//, "").replace(/\.tsx?$/, ".d.ts"));
}

interface Manifest {
  readonly folder: string;
  readonly exports: Readonly<Record<string, string | { readonly types?: string }>>;
}

/** Workspace packages by name, read at each call: a handful of small files. */
function manifests(): ReadonlyMap<string, Manifest> {
  return new Map(
    workspaceFolders().map((folder) => {
      const text = readFileSync(join(ROOT, folder, "package.json"), "utf8");
      const { name, exports } = JSON.parse(text) as Manifest & { readonly name: string };
      return [name, { folder, exports: exports ?? {} }] as const;
    }),
  );
}

async function read(path: string): Promise<string> {
  if (!existsSync(path))
    throw new ReleaseError(`Cannot read ${relative(ROOT, path)}: the compiler has not written it`);
  return readFile(path, "utf8");
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
