// Owns: reading the documents: which pages there are, their code samples, and what a comment before
// a sample says of it.
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A fenced block of a page. */
export interface Sample {
  /** Path of the page from the root. */
  readonly page: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /**
   * What the comment above it says: `<!-- sample: run prelude=room -->` has `run` and `prelude`.
   */
  readonly marks: ReadonlyMap<string, string>;
}

/**
 * Marks that a sample may have.
 * - `file=NAME`: the sample is that file; others of the page import it.
 * - `prelude=NAME`: stands in place of the line `// sample` of test/docs/preludes/NAME.ts.
 * - `run`: is run against a node of its own, with the page's contract, and must end well.
 * - `refused`: the node answers its call with an error.
 * - `output`: is what the sample above it prints; `...` stands for anything.
 * - `installed`: imports packages that are not of this repository. It is compiled where they are
 *   installed, in test/packages.
 * - `manifest`: YAML that is no configuration of a node.
 * - `gateway`: YAML that is a configuration of the gateway.
 */
export const MARKS: ReadonlySet<string> = new Set([
  "file",
  "prelude",
  "run",
  "refused",
  "output",
  "manifest",
  "gateway",
  "installed",
]);

/**
 * Pages that belong to others and hold samples that need a context: marks by page and number of the
 * TypeScript sample, from 0.
 */
const MARKS_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  "README.md": ["file=holdfast.config.ts", "run prelude=ends"],
  "docs/guide/contract.md": ["file=holdfast.config.ts", "prelude=holdfast", "prelude=definition"],
  "docs/guide/authentication.md": ["", "prelude=imports"],
};

/** Markdown that is checked: what tells people how to use Holdfast. */
export async function pages(): Promise<
  readonly { readonly path: string; readonly text: string }[]
> {
  const found = ["README.md"];
  for (const folder of ["docs", "docs/guide", "docs/operations"]) {
    for (const path of new Bun.Glob("*.md").scanSync(`${ROOT}${folder}`))
      found.push(`${folder}/${path}`);
  }
  const read = async (path: string) => ({ path, text: await Bun.file(`${ROOT}${path}`).text() });
  return Promise.all(found.sort().map(read));
}

const FENCE = /(?:^<!-- sample: ?([^\n]*?) ?-->\n)?^```(\w*)\n([\s\S]*?)^```$/gm;

/** Every fenced block of a page, in its order. */
export function samplesOf(page: string, text: string): readonly Sample[] {
  let typed = 0;
  return [...text.matchAll(FENCE)].map((match) => {
    const [whole, own, language = "", body = ""] = match;
    const fence = (match.index ?? 0) + whole.indexOf("```");
    const elsewhere = isTyped(language) ? MARKS_ELSEWHERE[page]?.[typed++] : undefined;
    return {
      page,
      line: lineAt(text, fence),
      language,
      text: body,
      marks: marksOf(own ?? elsewhere ?? ""),
    };
  });
}

export const isTyped = (language: string): boolean => language === "ts" || language === "tsx";

export const lineAt = (text: string, index: number): number =>
  text.slice(0, index).split("\n").length;

/** `docs/guide/client.md:12`, for names of tests. */
export const placeOf = ({ page, line }: Sample): string => `${page}:${line}`;

function marksOf(text: string): ReadonlyMap<string, string> {
  const parts = text.split(/\s+/).filter((part) => part !== "");
  return new Map(
    parts.map((part) => {
      const [name = "", value = ""] = part.split("=");
      return [name, value] as const;
    }),
  );
}
