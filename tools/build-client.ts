// Owns: packages/client/dist: the client as plain ES modules, for programs that do not run
// TypeScript.
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const CLIENT = fileURLToPath(new URL("../packages/client", import.meta.url));

/**
 * Builds one module for each entry of the package's exports, with shared chunks, everything of ours
 * inside, React outside.
 * Resolves with the paths written; rejects with the compiler's messages when it cannot be built.
 */
export async function buildClient(outdir: string = `${CLIENT}/dist`): Promise<readonly string[]> {
  const manifest = (await Bun.file(`${CLIENT}/package.json`).json()) as {
    readonly exports: Readonly<Record<string, { readonly bun: string }>>;
  };
  const result = await Bun.build({
    entrypoints: Object.values(manifest.exports).map((entry) => `${CLIENT}/${entry.bun}`),
    outdir,
    target: "browser",
    format: "esm",
    conditions: ["bun"],
    splitting: true,
    sourcemap: "linked",
    external: ["react"],
    throw: false,
  });
  if (!result.success) throw new AggregateError(result.logs, result.logs.map(String).join("\n"));
  return result.outputs.map((output) => output.path);
}

if (import.meta.main) {
  await rm(`${CLIENT}/dist`, { recursive: true, force: true });
  const written = await buildClient();
  console.log(
    `packages/client/dist: ${written.filter((path) => path.endsWith(".js")).length} modules`,
  );
}
