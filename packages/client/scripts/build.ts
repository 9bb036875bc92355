// Owns: building the client into packages/client/dist: ES modules for browsers and every runtime. Run it with bun.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const outdir = `${root}dist`;
rmSync(outdir, { recursive: true, force: true });

const result = await Bun.build({
  entrypoints: ["index", "engine/index", "msgpack", "react"].map((name) => `${root}src/${name}.ts`),
  outdir,
  root: `${root}src`,
  target: "browser",
  format: "esm",
  // Shared code goes into chunks, so that two entries never bring two copies of the engine or of HoldfastError.
  splitting: true,
  sourcemap: "linked",
  // The React hooks use the application's React and the application's client.
  external: ["react", "react/jsx-runtime", "@holdfast/client"],
  naming: { entry: "[dir]/[name].js", chunk: "chunk-[hash].js" },
});
for (const { path, size } of result.outputs) if (path.endsWith(".js")) console.log(`${path.slice(root.length)} ${size} bytes`);
