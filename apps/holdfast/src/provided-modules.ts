// Owns: the modules that the command provides for contract files without node_modules: for the
// executable, and for a project that installed nothing.
import { plugin } from "bun";

/** What a contract may import in the executable. Imports of types need nothing. */
export const PROVIDED_MODULES: Readonly<
  Record<string, () => Promise<Readonly<Record<string, unknown>>>>
> = {
  "@holdfast/contract": () => import("@holdfast/contract"),
  "@holdfast/pipelines": () => import("@holdfast/pipelines"),
  "@holdfast/sinks": () => import("@holdfast/sinks"),
  // Zod alone is part of the executable, for its own commands too. What else a contract needs is
  // bundled into its file.
  zod: () => import("zod"),
};

/**
 * From now on imports of these modules get the command's own, even if others are installed: one
 * kind of contract, one version of it.
 */
export async function provideModules(
  names: readonly string[] = Object.keys(PROVIDED_MODULES),
): Promise<void> {
  // Loaded before the names are registered: after that, they would wait for themselves.
  const modules = await Promise.all(
    Object.entries(PROVIDED_MODULES)
      .filter(([name]) => names.includes(name))
      .map(async ([name, load]) => ({ name, exports: await load() })),
  );
  if (modules.length === 0) return;
  plugin({
    name: "provided modules",
    setup(build) {
      for (const { name, exports } of modules)
        build.module(name, () => ({ exports, loader: "object" }));
    },
  });
}

/**
 * Those of the modules that a file in this folder cannot import, because they are not installed.
 */
export function missingModules(folder: string): readonly string[] {
  return Object.keys(PROVIDED_MODULES).filter((name) => {
    try {
      Bun.resolveSync(name, folder);
      return false;
    } catch {
      return true;
    }
  });
}
