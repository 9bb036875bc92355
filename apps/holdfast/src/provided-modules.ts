// Owns: the modules that the self-contained executable brings for contract files, because no
// node_modules lie beside them.
import { plugin } from "bun";

/** What a contract may import in the executable. Imports of types need nothing. */
export const PROVIDED_MODULES: Readonly<
  Record<string, () => Promise<Readonly<Record<string, unknown>>>>
> = {
  "@holdfast/contract": () => import("@holdfast/contract"),
  // Zod alone is part of the executable, for its own commands too. What else a contract needs is
  // bundled into its file.
  zod: () => import("zod"),
};

/**
 * From now on imports of these modules get the executable's own, also where others are installed:
 * one kind of contract, one version of it.
 */
export function provideModules(): void {
  plugin({
    name: "provided modules",
    setup(build) {
      for (const [name, load] of Object.entries(PROVIDED_MODULES)) {
        build.module(name, async () => ({ exports: await load(), loader: "object" }));
      }
    },
  });
}
