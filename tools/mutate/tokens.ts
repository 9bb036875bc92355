// Owns: cutting TypeScript into tokens, as far as mutations need it. Who reads the tokens relies on
// the formatter: operators stand between spaces, type arguments do not.

export interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly kind: "word" | "number" | "string" | "sign";
  /** What the braces around it are, from the outside in. */
  readonly within: readonly Brace[];
}

/** `block`: statements; `class`: members; `type`: declared types; `value`: anything else. */
export type Brace = "block" | "class" | "type" | "value";

const SIGNS = [
  ">>>=",
  "...",
  "===",
  "!==",
  "**=",
  "??=",
  "||=",
  "&&=",
  "<<=",
  "=>",
  "==",
  "!=",
  "<=",
  ">=",
  "&&",
  "||",
  "??",
  "?.",
  "++",
  "--",
  "+=",
  "-=",
  "*=",
  "/=",
  "%=",
  "|=",
  "&=",
  "^=",
  "**",
  "<<",
];
/** Before these an opening brace begins a value or a type, not a block. */
const VALUE_BEFORE: ReadonlySet<string> = new Set([
  "(",
  ",",
  "=",
  ":",
  "?",
  "[",
  "??",
  "||",
  "&&",
  "...",
  "return",
  "|",
  "&",
  "<",
  "import",
  "export",
  "as",
  "satisfies",
  "extends",
  "type",
]);
/** Behind these a slash begins a regular expression. */
const REGEX_BEFORE: ReadonlySet<string> = new Set([
  "(",
  ",",
  "=",
  ":",
  "?",
  "[",
  "??",
  "||",
  "&&",
  "!",
  "return",
  "=>",
  "{",
  "}",
  ";",
]);

const WORD = /[A-Za-z0-9_$#@]+/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[\n])+\/[a-z]*/y;

/** Tokens without comments and space. A template is one token, whatever it holds. */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = [];
  const within: Brace[] = [];
  let declares: Brace | undefined;
  for (let at = 0; at < source.length; ) {
    const skipped = spaceEnd(source, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const { text, kind } = tokenAt(source, at, tokens.at(-1)?.text);
    const before = tokens.at(-1)?.text;
    if (text === "}") within.pop();
    tokens.push({ text, kind, start: at, end: at + text.length, within: [...within] });
    if (text === "class") declares = "class";
    else if (text === "interface") declares = "type";
    else if (text === "type" && (before === undefined || [";", "}", "export"].includes(before)))
      declares = "type";
    else if (text === ";") declares = undefined;
    else if (text === "{") {
      within.push(declares ?? (VALUE_BEFORE.has(before ?? ";") ? "value" : "block"));
      declares = undefined;
    }
    at += text.length;
  }
  return tokens;
}

function spaceEnd(source: string, from: number): number {
  let at = from;
  for (;;) {
    if (/\s/.test(source[at] ?? "")) at += 1;
    else if (source.startsWith("//", at)) at = endOf(source, "\n", at);
    else if (source.startsWith("/*", at)) at = endOf(source, "*/", at);
    else return at;
  }
}

function endOf(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from);
  return found < 0 ? source.length : found + mark.length;
}

function tokenAt(
  source: string,
  at: number,
  before: string | undefined,
): Pick<Token, "text" | "kind"> {
  const first = source[at] as string;
  if (first === '"' || first === "'" || first === "`")
    return { text: source.slice(at, quoteEnd(source, at)), kind: "string" };
  WORD.lastIndex = at;
  const word = WORD.exec(source)?.[0];
  if (word !== undefined) {
    if (!/^\d/.test(word)) return { text: word, kind: "word" };
    const fraction = /^\.\d+/.exec(source.slice(at + word.length))?.[0] ?? "";
    return { text: word + fraction, kind: "number" };
  }
  REGEX.lastIndex = at;
  if (first === "/" && REGEX_BEFORE.has(before ?? ";")) {
    const regex = REGEX.exec(source)?.[0];
    if (regex !== undefined) return { text: regex, kind: "string" };
  }
  const sign = SIGNS.find((candidate) => source.startsWith(candidate, at)) ?? first;
  return { text: sign, kind: "sign" };
}

function quoteEnd(source: string, from: number): number {
  const quote = source[from];
  for (let at = from + 1; at < source.length; at++) {
    if (source[at] === "\\") at += 1;
    else if (quote === "`" && source.startsWith("${", at)) at = holeEnd(source, at + 2) - 1;
    else if (source[at] === quote) return at + 1;
  }
  return source.length;
}

/** Behind the brace that ends a template's hole. */
function holeEnd(source: string, from: number): number {
  for (let at = from, depth = 1; at < source.length; at++) {
    const sign = source[at];
    if (sign === '"' || sign === "'" || sign === "`") at = quoteEnd(source, at) - 1;
    else if (sign === "{") depth += 1;
    else if (sign === "}" && --depth === 0) return at + 1;
  }
  return source.length;
}
