// Owns: what may lie in the root of the repository. Whatever a program or a person left there by
// accident would go in with the next commit of everything.
import type { Finding } from "./rules.ts";

const KNOWN: ReadonlySet<string> = new Set([
  ".ci",
  ".dockerignore",
  ".gitignore",
  "ARCHITECTURE.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "README.md",
  "SECURITY.md",
  "apps",
  "biome.json",
  "deploy",
  "docs",
  "examples",
  "lab",
  "package-lock.json",
  "package.json",
  "packages",
  "spec",
  "test",
  "tools",
  "tsconfig.base.json",
  "tsconfig.json",
  "tsconfig.tests.json",
]);

/** One finding for each entry of the root that is not known. */
export function strangersInRoot(paths: readonly string[]): readonly Finding[] {
  const entries = new Set(paths.map((path) => path.split("/")[0] ?? ""));
  return [...entries]
    .filter((entry) => !KNOWN.has(entry))
    .map((path) => ({
      path,
      rule: "root",
      text: "does not belong in the root: remove it, or name it in tools/tidy/root.ts",
    }));
}
