// Owns: mutants: every small change of a file that a test should notice.
import { type Token, tokensOf } from "./tokens.ts";

export interface Mutant {
  readonly path: string;
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
  /** What was changed, for people: `a < b` to `a <= b`. */
  readonly what: string;
}

type Change = Omit<Mutant, "path" | "line">;

const SWAPPED: ReadonlyMap<string, string> = new Map([
  ["<", "<="],
  ["<=", "<"],
  [">", ">="],
  [">=", ">"],
  ["===", "!=="],
  ["!==", "==="],
  ["&&", "||"],
  ["||", "&&"],
  ["+", "-"],
  ["-", "+"],
  ["+=", "-="],
  ["-=", "+="],
  ["min", "max"],
  ["max", "min"],
  ["true", "false"],
  ["false", "true"],
]);
/** Words that begin something else than an expression. */
const NOT_STATEMENTS: ReadonlySet<string> = new Set([
  ..."if else for while do switch case default return throw const let class import export".split(
    " ",
  ),
  ..."interface type try catch finally function async break continue static get set".split(" "),
]);

/** All mutants of a file, in the order of the text. */
export function mutantsOf(path: string, source: string): readonly Mutant[] {
  const tokens = tokensOf(source);
  return tokens
    .flatMap((token, index) => changesAt({ source, tokens, token, index }))
    .filter(({ start, end, replacement }) => source.slice(start, end) !== replacement)
    .map((change) => ({
      ...change,
      path,
      line: source.slice(0, change.start).split("\n").length,
    }));
}

export const mutated = (source: string, { start, end, replacement }: Mutant): string =>
  source.slice(0, start) + replacement + source.slice(end);

interface Place {
  readonly source: string;
  readonly tokens: readonly Token[];
  readonly token: Token;
  readonly index: number;
}

function changesAt(place: Place): readonly Change[] {
  const { token, tokens, index } = place;
  const around = token.within.at(-1);
  if (token.within.includes("type") || inDeclaredType(place)) return [];
  const isInBlock = token.within.includes("block");
  const { text } = token;
  const before = tokens[index - 1]?.text ?? "";
  if (text === "if" || text === "while") return conditions(place);
  const starts = before === ";" || before === "{" || before === "}";
  const isStatement = starts && around === "block" && token.kind === "word";
  if (text === "await")
    return [swap(place, "", token.end + 1), ...(isStatement ? statement(place) : [])];
  if (text === "?.") return tokens[index + 1]?.text === "[" ? [] : [swap(place, ".")];
  if (text === "!" && tokens[index + 1]?.start === token.end && before !== ")")
    return [swap(place, "")];
  if (token.kind === "number")
    return isInBlock && (text === "0" || text === "1")
      ? [swap(place, text === "0" ? "1" : "0")]
      : [];
  if (isStatement && !NOT_STATEMENTS.has(text)) return statement(place);
  const swapped = SWAPPED.get(text);
  return swapped !== undefined && isOperator(place) ? [swap(place, swapped)] : [];
}

/** Between spaces, or a word; a minus before a number is none. */
function isOperator({ source, token, tokens, index }: Place): boolean {
  const { text, start, end } = token;
  if (text === "min" || text === "max") return tokens[index - 2]?.text === "Math";
  if (token.kind === "word") return tokens[index + 1]?.text !== ":";
  return /\s/.test(source[start - 1] ?? "") && /\s/.test(source[end] ?? "");
}

/** Behind a colon of a parameter, a variable or a result: numbers and truths there are types. */
function inDeclaredType({ tokens, index, token }: Place): boolean {
  const before = tokens[index - 1]?.text;
  const isLiteral = token.kind === "number" || token.text === "true" || token.text === "false";
  return isLiteral && (before === "|" || tokens[index + 1]?.text === "|");
}

function swap({ source, token: { start, end, text } }: Place, by: string, to = end): Change {
  const lineStart = source.lastIndexOf("\n", start) + 1;
  const lineEnd = source.indexOf("\n", start);
  const line = source.slice(lineStart, lineEnd < 0 ? undefined : lineEnd);
  const at = start - lineStart;
  const after = (line.slice(0, at) + by + line.slice(at + (to - start))).trim();
  return { start, end: to, replacement: by, what: `${text} in \`${after}\`` };
}

/** The condition always true, or never. A loop that never ends tells nothing. */
function conditions({ source, tokens, token, index }: Place): readonly Change[] {
  const close = matching(tokens, index + 1);
  const open = tokens[index + 1];
  if (open?.text !== "(" || close === undefined) return [];
  const start = open.end;
  const end = close.start;
  const text = source.slice(start, end).replace(/\s+/g, " ");
  const values = token.text === "if" ? ["true", "false"] : ["false"];
  return values.map((replacement) => ({
    start,
    end,
    replacement,
    what: `${token.text} (${text}) is ${replacement}`,
  }));
}

/** The statement is not there. */
function statement({ source, tokens, index, token }: Place): readonly Change[] {
  for (let at = index; at < tokens.length; at++) {
    const next = tokens[at] as Token;
    if (["(", "[", "{"].includes(next.text)) {
      const close = matching(tokens, at);
      if (close === undefined) return [];
      at = tokens.indexOf(close);
    } else if (next.text === "}") return [];
    else if (next.text === ";") {
      const text = source.slice(token.start, next.end).replace(/\s+/g, " ");
      return [{ start: token.start, end: next.end, replacement: ";", what: `without ${text}` }];
    }
  }
  return [];
}

/** The token that closes the bracket at `index`. */
function matching(tokens: readonly Token[], index: number): Token | undefined {
  for (let at = index, depth = 0; at < tokens.length; at++) {
    const { text } = tokens[at] as Token;
    if (["(", "[", "{"].includes(text)) depth += 1;
    else if ([")", "]", "}"].includes(text) && --depth === 0) return tokens[at];
  }
  return undefined;
}
