// Owns: a source file as the rules see it: its path, its text, its imports, its code without
// comments and texts.

export interface SourceFile {
  /** From the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** From 1. */
  readonly line: number;
}

/**
 * Tests and what only tests use: `x.test.ts`, everything in test/, `testing.ts`, `testing-x.ts`,
 * folders `testing` and `fixtures`.
 */
export function isTest(path: string): boolean {
  return (
    /\.test\.(tsx?|mjs)$/.test(path) ||
    path.startsWith("test/") ||
    /\/(testing(-[a-z-]+)?\.ts$|testing\/|fixtures\/)/.test(path)
  );
}

/**
 * Programs of a package that run by hand or at build time; like tests, they may do what libraries
 * may not.
 */
export function isScript(path: string): boolean {
  return (
    /^(packages|apps)\/[^/]+\/(scripts?|bench)\//.test(path) ||
    /^(packages|apps)\/[^/]+\/[^/]+$/.test(path)
  );
}

/** Modules that a file imports or re-exports, statically or with a literal `import()`. */
export function importsOf({ text }: SourceFile): readonly Import[] {
  const found = text.matchAll(
    /^(?:import|export)\s+(?:[\w$*{},\s]+\s+from\s+)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm,
  );
  return [...found].map((match) => ({
    from: match[1] ?? match[2] ?? "",
    line: text.slice(0, (match.index ?? 0) + match[0].length).split("\n").length,
  }));
}

/**
 * The text with comments and the insides of texts as spaces, of the same length and lines. Good
 * enough for what people format with one formatter.
 */
export function withoutCommentsAndTexts(text: string): string {
  const pieces =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|\$\{(?:[^{}`]|\{[^{}]*\})*\}|[^`\\])*`/g;
  return text.replaceAll(pieces, (piece) => piece.replaceAll(/[^\n]/g, " "));
}
