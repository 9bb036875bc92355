// Owns: circles of imports. Files that import one another can only be understood, moved and tested
// together, so a circle is small or it is an error.
import type { Finding } from "./rules.ts";
import { importsOf, isTest, type SourceFile } from "./source-file.ts";

/** Files in one circle at most. Types count: what a file must know is what it imports. */
export const CIRCLE_FILES_MAX = 3;

/** Circles of more files than that, each told at its first file. */
export function circles(files: readonly SourceFile[]): readonly Finding[] {
  const sources = files.filter(({ path }) => !isTest(path));
  return circlesOf(importsBetween(sources))
    .filter((circle) => circle.length > CIRCLE_FILES_MAX)
    .map((circle) => {
      const names = [...circle].sort();
      return {
        path: names[0] ?? "",
        rule: "circles",
        text:
          `${names.length} files import one another, at most ${CIRCLE_FILES_MAX}. ` +
          `Declare what a file needs beside the file that needs it: ${names.slice(1).join(", ")}`,
      };
    });
}

type Graph = ReadonlyMap<string, readonly string[]>;

/** Which of the files import which, by their relative imports. */
function importsBetween(files: readonly SourceFile[]): Graph {
  const known = new Set(files.map(({ path }) => path));
  return new Map(
    files.map((file) => [
      file.path,
      importsOf(file)
        .filter(({ from }) => from.startsWith("."))
        .map(({ from }) => new URL(from, `file:///${file.path}`).pathname.slice(1))
        .filter((path) => known.has(path)),
    ]),
  );
}

interface Visit {
  readonly index: number;
  low: number;
  isOpen: boolean;
}

/** Strongly connected components of more than one file (Tarjan, 1972). */
export function circlesOf(graph: Graph): readonly (readonly string[])[] {
  const visits = new Map<string, Visit>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): Visit => {
    const mine: Visit = { index: visits.size, low: visits.size, isOpen: true };
    visits.set(path, mine);
    open.push(path);
    for (const next of graph.get(path) ?? []) {
      const other = visits.get(next);
      if (other === undefined) mine.low = Math.min(mine.low, visit(next).low);
      else if (other.isOpen) mine.low = Math.min(mine.low, other.index);
    }
    if (mine.low < mine.index) return mine;
    const circle = open.splice(open.indexOf(path));
    for (const member of circle) close(visits.get(member));
    if (circle.length > 1) found.push(circle);
    return mine;
  };
  for (const path of graph.keys()) if (!visits.has(path)) visit(path);
  return found;
}

function close(visit: Visit | undefined): void {
  if (visit !== undefined) visit.isOpen = false;
}
