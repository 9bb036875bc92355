import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

const source = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Bytes of a module and everything it imports, minified and compressed as a server would send it.
 */
async function sizes(
  entry: string,
  imports: string,
): Promise<{ readonly minified: number; readonly gzip: number }> {
  const virtual = `${source("./")}virtual-size-entry.ts`;
  const result = await Bun.build({
    entrypoints: [virtual],
    files: { [virtual]: `export { ${imports} } from "./${entry}.ts";` },
    target: "browser",
    format: "esm",
    conditions: ["bun"],
    minify: true,
    external: ["react"],
  });
  const bytes = new Uint8Array((await result.outputs[0]?.arrayBuffer()) ?? new ArrayBuffer(0));
  return { minified: bytes.length, gzip: Bun.gzipSync(bytes, { level: 9 }).length };
}

// Bounds in bytes. The core is what every page carries; codecs, presence, async iteration and
// resynchronisation are not in it.
test.each([
  ["core", "core-entry", "HoldfastCore", 12 * 1024],
  ["core with JSON", "core-entry", "HoldfastCore, json", 13.5 * 1024],
  ["everything, with JSON", "index", "Holdfast, HoldfastError", 17 * 1024],
  ["HoldfastSocket", "socket/index", "HoldfastSocket", 5 * 1000],
  ["fallback", "fallback", "fallback", 3 * 1024],
  ["MessagePack", "msgpack", "msgpack", 3.5 * 1024],
] as const)("%s stays within its size", async (name, entry, imports, gzipMax) => {
  const { minified, gzip } = await sizes(entry, imports);
  console.log(`${name}: ${minified} bytes minified, ${gzip} gzip, at most ${gzipMax}`);
  expect(gzip).toBeGreaterThan(1_000);
  expect(gzip).toBeLessThanOrEqual(gzipMax);
});
