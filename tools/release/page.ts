// Owns: the demo page of the published command: built here, because users have no sources of it.
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { packagesOf } from "../image/bill.ts";
import { ROOT } from "../image/root.ts";
import { ReleaseError } from "./release-error.ts";

const SOURCES = join(ROOT, "apps/demo/src/page");
/** Files that apps/demo/src/build.ts serves as they are, and those that it bundles. */
const PLAIN = ["index.html", "pipelines.html", "mark.svg"];
const BUNDLED = ["main.tsx", "page.css", "theme.ts", "pipelines.tsx", "pipelines.css"];

/** Writes `page/` below `dist` and resolves with the packages of others that are in it. */
export async function writePage(dist: string): Promise<readonly string[]> {
  const outdir = join(dist, "page");
  await mkdir(outdir, { recursive: true });
  for (const name of PLAIN) await cp(join(SOURCES, name), join(outdir, name));
  const built = await Bun.build({
    entrypoints: BUNDLED.map((name) => join(SOURCES, name)),
    outdir,
    root: ROOT,
    target: "browser",
    conditions: ["bun"],
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
    naming: "[name].[ext]",
    metafile: true,
    throw: false,
  });
  if (!built.success)
    throw new ReleaseError(`Cannot build the page: ${built.logs.map(String).join("; ")}`);
  return packagesOf(Object.keys(built.metafile?.inputs ?? {})).filter(
    (name) => name !== "holdfast" && !name.startsWith("@holdfast/"),
  );
}
