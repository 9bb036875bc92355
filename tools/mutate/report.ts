// Owns: the result of a run of mutants, as a table.
import type { Mutant } from "./mutants.ts";

/** Files with survivors, most first, and the sum. */
export function report(mutants: readonly Mutant[], survivors: readonly Mutant[]): string {
  const files = [...new Set(survivors.map(({ path }) => path))].map((path) => {
    const count = (list: readonly Mutant[]): number =>
      list.filter((mutant) => mutant.path === path).length;
    return { path, alive: count(survivors), of: count(mutants) };
  });
  files.sort((a, b) => b.alive - a.alive || (a.path < b.path ? -1 : 1));
  const share = mutants.length === 0 ? 0 : (survivors.length * 100) / mutants.length;
  return [
    "",
    ...files.map(({ path, alive, of }) => `${String(alive).padStart(4)} of ${of}  ${path}`),
    `${mutants.length} mutants, ${survivors.length} survived (${share.toFixed(1)} %)`,
  ].join("\n");
}
