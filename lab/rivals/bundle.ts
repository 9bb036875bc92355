// Owns: making one file for Node of a server's program: Node 20 reads no TypeScript. Packages stay
// outside.
import { join } from "node:path";
import { RivalError } from "./rival-error.ts";

/** The path of the bundle in `folder`, which is made anew. `name` is a program of this folder. */
export async function bundleForNode(name: string, folder: string): Promise<string> {
  const path = join(folder, `${name}.mjs`);
  const built = await Bun.build({
    entrypoints: [join(import.meta.dir, `${name}.ts`)],
    target: "node",
    packages: "external",
  });
  const [output] = built.outputs;
  if (output === undefined)
    throw new RivalError("bundle_failed", `Cannot bundle ${name}: found no output`);
  await Bun.write(path, await output.text());
  return path;
}
