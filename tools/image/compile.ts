// Owns: turning the command into one self-contained executable.
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { BunPlugin } from "bun";
import { ARCHES, type Arch } from "./arch.ts";
import { bunBinary } from "./bun-binary.ts";
import { ImageError } from "./image-error.ts";
import { ROOT } from "./root.ts";

/**
 * msgpackr uses a native addon if it finds one. The bundler would leave the path of the building
 * machine in the executable, and load what lies there; in a container there is nothing, and an
 * addon that was packed in would have to be written to a disk that is read-only. Without it
 * msgpackr reads strings with its own code.
 */
const WITHOUT_ADDON: BunPlugin = {
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

/** The Kafka client reads its WebAssembly from a file beside it; here it takes the one inside. */
const WASM_INSIDE: BunPlugin = {
  name: "wasm inside",
  setup(build) {
    build.onResolve({ filter: /^@platformatic\/wasm-utils$/ }, ({ importer }) => ({
      path: Bun.resolveSync("@platformatic/wasm-utils/bundled", dirname(importer)),
    }));
  },
};

/**
 * Writes the executable and resolves with the sources that are in it, as paths from the root. The
 * same sources and the same Bun give the same bytes. Minified code is smaller, bytecode starts
 * sooner; the source map is inside, so that traces name files and lines of the sources. What lies
 * in the folder where it is started (.env, bunfig.toml, package.json) does not change what it does.
 */
export async function compile(arch: Arch, outfile: string): Promise<readonly string[]> {
  const built = await Bun.build({
    entrypoints: [join(ROOT, "apps/holdfast/src/main.ts")],
    root: ROOT,
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    // The entry is small and listens to signals before the rest is read.
    splitting: true,
    sourcemap: "linked",
    metafile: true,
    plugins: [WITHOUT_ADDON, WASM_INSIDE],
    compile: {
      target: ARCHES[arch].target,
      executablePath: await bunBinary(arch),
      outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    throw: false,
  });
  if (!built.success)
    throw new ImageError(`Cannot compile: ${built.logs.map(String).join("; ").slice(0, 2000)}`);
  // The bundler also writes the maps beside it; they would be files of the image that nothing
  // reads.
  for (const { kind, path } of built.outputs) {
    if (kind === "sourcemap") await rm(resolve(dirname(outfile), path), { force: true });
  }
  return Object.keys(built.metafile?.inputs ?? {});
}
