// Owns: the JavaScript of a package: ES modules with shared chunks, the same in CommonJS, one file
// for pages without a bundler.
import { join } from "node:path";
import type { BuildArtifact, BuildConfig, BunPlugin } from "bun";
import { ROOT } from "../image/root.ts";
import type { Published } from "./published.ts";
import { ReleaseError } from "./release-error.ts";

/**
 * msgpackr takes a native addon if it finds one. A package that has msgpackr inside has no addon
 * beside it, and reads strings with msgpackr's own code.
 */
export const WITHOUT_ADDON: BunPlugin = {
  name: "without addon",
  setup(build) {
    build.onResolve({ filter: /^msgpackr-extract$/ }, () => ({
      path: "msgpackr-extract",
      namespace: "absent",
    }));
    build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({
      contents: "module.exports = undefined;",
      loader: "js",
    }));
  },
};

/** Path of a built module from `dist`, by the entry's source file. */
export const moduleOf = (entry: string): string =>
  entry.replace(/^src\//, "").replace(/\.tsx?$/, ".js");

/**
 * Writes the package's modules into `outdir` and resolves with their paths. Rejects with the
 * bundler's messages.
 */
export async function bundle(published: Published, outdir: string): Promise<readonly string[]> {
  const { folder, entries, target, commonJs, browserFile } = published;
  const modules = [
    ...(await modulesOf(published, outdir, {
      target,
      sources: [...Object.values(entries), ...(published.programs ?? [])],
    })),
    ...(await modulesOf(published, outdir, {
      target: "node",
      sources: [...Object.values(published.nodeEntries ?? {}), ...(published.nodePrograms ?? [])],
    })),
  ];
  if (commonJs) await Promise.all(modules.map((path) => toCommonJs(path)));
  for (const entry of published.clientComponents ?? []) await markAsClient(outdir, entry);
  if (browserFile !== undefined) await bundleForBrowser(join(ROOT, folder, browserFile), outdir);
  return modules;
}

interface Sources {
  readonly target: Published["target"];
  readonly sources: readonly string[];
}

async function modulesOf(
  { folder, outside }: Published,
  outdir: string,
  { target, sources }: Sources,
): Promise<readonly string[]> {
  if (sources.length === 0) return [];
  const built = await build({
    entrypoints: sources.map((source) => join(ROOT, folder, source)),
    root: join(ROOT, folder, "src"),
    outdir,
    target,
    format: "esm",
    // What runs on Node finds the program by its own place, so each of its modules is whole.
    splitting: target !== "node",
    sourcemap: target === "browser" ? "linked" : "none",
    external: [...outside, ...outside.map((name) => `${name}/*`), "bun:test"],
    // Chunks lie beside the main module, as files that programs read beside themselves do.
    naming: { entry: "[dir]/[name].[ext]", chunk: "chunk-[hash].[ext]" },
  });
  return built.filter(({ path }) => path.endsWith(".js")).map(({ path }) => path);
}

/**
 * Frameworks with server components run a module on the server unless it begins with these words.
 * They stand in the first line, so that lines of the source map stay right.
 */
async function markAsClient(outdir: string, entry: string): Promise<void> {
  const module = join(outdir, moduleOf(entry));
  for (const path of [module, module.replace(/\.js$/, ".cjs")]) {
    const file = Bun.file(path);
    if (await file.exists()) await Bun.write(path, `"use client"; ${await file.text()}`);
  }
}

async function bundleForBrowser(entry: string, outdir: string): Promise<void> {
  await build({
    entrypoints: [entry],
    outdir,
    target: "browser",
    format: "esm",
    minify: true,
    naming: "browser.[ext]",
  });
}

/**
 * Writes a built ES module once more as CommonJS, beside it. Chunks stay shared, so that a class
 * is one class whichever entry it came from.
 */
async function toCommonJs(path: string): Promise<void> {
  const [output] = await build({
    entrypoints: [path],
    target: "browser",
    format: "cjs",
    plugins: [
      {
        name: "neighbours stay outside",
        setup(build) {
          build.onResolve({ filter: /./ }, ({ path: to, kind }) =>
            kind === "entry-point-build" ? undefined : { path: to, external: true },
          );
        },
      },
    ],
  });
  if (output === undefined) throw new ReleaseError(`Cannot write ${path} as CommonJS`);
  const text = (await output.text()).replaceAll(
    /(require\(")(\.[^"]*)\.js("\))/g,
    (_match, open: string, name: string, close: string) => `${open}${name}.cjs${close}`,
  );
  await Bun.write(path.replace(/\.js$/, ".cjs"), text);
}

async function build(config: BuildConfig): Promise<readonly BuildArtifact[]> {
  const result = await Bun.build({
    conditions: ["bun"],
    ...config,
    plugins: [WITHOUT_ADDON, ...(config.plugins ?? [])],
    throw: false,
  });
  if (!result.success)
    throw new ReleaseError(`Cannot build: ${result.logs.map(String).join("; ").slice(0, 2000)}`);
  return result.outputs;
}
