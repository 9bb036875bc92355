// Owns: the checks of prose that a program can make: length of lines and of sentences, documents
// that are cited and do not exist. Prose is documents, and comments and descriptions in code.
import type { Repository } from "./documents.ts";
import type { Finding } from "./rules.ts";
import { isTest, type SourceFile } from "./source-file.ts";

const COLUMNS_MAX = 100;
const WORDS_MAX = 20;

/** Documents made by a program from results: their sentences are checked where they are written. */
const GENERATED =
  /^(docs\/reference|deploy\/(operator\/)?chart\/README|packages\/[^/]+\/CHANGELOG)/;

/** Lines of a document that are too long. Tables, code, links and HTML cannot be broken. */
export function longLines(path: string, text: string): readonly Finding[] {
  if (GENERATED.test(path)) return [];
  return lines(withoutBlocks(text)).flatMap(({ line, number }) => {
    const breakable = line.replace(/^\s*(?:[-*+>]|\d+\.)?\s*/, "").replaceAll(UNBREAKABLE, "x");
    if (line.length <= COLUMNS_MAX || !breakable.includes(" ")) return [];
    return [
      {
        path,
        line: number,
        rule: "columns",
        text: `${line.length} columns; at most ${COLUMNS_MAX}`,
      },
    ];
  });
}

const UNBREAKABLE = /`[^`]*`|!?\[[^\]]*\]\([^)]*\)|<[^>]*>/g;

/** Sentences of a document with too many words. A colon and a semicolon end a sentence, too. */
export function longSentences(path: string, text: string): readonly Finding[] {
  if (GENERATED.test(path) || path === "CHANGELOG.md") return [];
  const prose = withoutBlocks(text)
    .replaceAll(/`[^`\n]*`/g, "code")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/https?:\S+/g, "link");
  return [...prose.matchAll(/[^\n]+(?:\n(?!\s*(?:\n|[-*+>] |\d+\. ))[^\n]+)*/g)].flatMap(
    (block) => {
      const sentences = block[0].matchAll(/[^.!?:;]+(?:[.!?:;](?!\s|$)[^.!?:;]*)*[.!?:;]?/g);
      return [...sentences].flatMap((sentence) => {
        const words = sentence[0].match(/[\p{L}\p{N}][\p{L}\p{N}'’._/-]*/gu)?.length ?? 0;
        if (words <= WORDS_MAX) return [];
        const line = prose.slice(0, block.index + sentence.index).split("\n").length;
        const start = sentence[0].trim().split(/\s+/).slice(0, 6).join(" ");
        return [
          {
            path,
            line,
            rule: "sentence",
            text: `${words} words; at most ${WORDS_MAX}: "${start} ..."`,
          },
        ];
      });
    },
  );
}

/** The text with code, tables, headings, comments and front matter as empty lines. */
function withoutBlocks(text: string): string {
  return text
    .replace(/^---\n[\s\S]*?\n---\n/, blank)
    .replaceAll(/^[ \t]*(```|~~~)[\s\S]*?^[ \t]*\1/gm, blank)
    .replaceAll(/<!--[\s\S]*?-->/g, blank)
    .replaceAll(/<(picture|table|details)[\s\S]*?<\/\1>/g, blank)
    .replaceAll(/^[ \t]*(\||#|<|\[[^\]]+\]:).*$/gm, "");
}

const blank = (block: string): string => block.replaceAll(/[^\n]/g, "");

function lines(text: string): readonly { readonly line: string; readonly number: number }[] {
  return text.split("\n").map((line, index) => ({ line, number: index + 1 }));
}

/** Comments of code that are too long, or that cite a document that is not in the repository. */
export function comments({ path, text }: SourceFile, repository: Repository): readonly Finding[] {
  return lines(text).flatMap(({ line, number }): readonly Finding[] => {
    const comment = /^\s*(?:\/\/|\/?\*\*?)\s?(.*)$/.exec(line)?.[1];
    if (comment === undefined) return [];
    const findings: Finding[] = [];
    const breakable = comment.replaceAll(UNBREAKABLE, "x").includes(" ");
    if (
      line.length > COLUMNS_MAX &&
      breakable &&
      !/biome-ignore|@(param|type|returns)/.test(comment)
    )
      findings.push({
        path,
        line: number,
        rule: "columns",
        text: `${line.length} columns; at most ${COLUMNS_MAX}`,
      });
    if (isTest(path)) return findings;
    for (const [, cited = ""] of comment.matchAll(/(?<![\w./-])((?:[\w-]+\/)*[\w-]+\.md)\b/g)) {
      const beside = `${path.slice(0, path.lastIndexOf("/"))}/${cited}`;
      if (!repository.exists(cited) && !repository.exists(beside))
        findings.push({ path, line: number, rule: "citation", text: `${cited} does not exist` });
    }
    return findings;
  });
}
