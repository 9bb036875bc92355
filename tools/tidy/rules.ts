// Owns: the rules of the style guide that a program can check in one file. Each takes a file and
// returns what is wrong.
import { ALLOWED_LENGTH } from "./allowed.ts";
import {
  importsOf,
  isScript,
  isTest,
  type SourceFile,
  withoutCommentsAndTexts,
} from "./source-file.ts";

/** Something that breaks a rule. Warnings are printed and do not fail. */
export interface Finding {
  readonly path: string;
  readonly line?: number;
  readonly rule: string;
  readonly text: string;
  readonly warning?: true;
}

type Rule = (file: SourceFile) => readonly Finding[];

const LENGTH_WARNED = 250;
const LENGTH_MAX = 400;
/** Tables of cases grow long without growing hard. */
const TEST_LENGTH_MAX = 600;

function length({ path, text }: SourceFile): readonly Finding[] {
  const lines = text.split("\n").length - 1;
  const allowed = ALLOWED_LENGTH.find((entry) => entry.path === path);
  const linesMax = allowed?.linesMax ?? (isTest(path) ? TEST_LENGTH_MAX : LENGTH_MAX);
  if (lines > linesMax)
    return [
      {
        path,
        rule: "length",
        text: `${lines} lines; at most ${linesMax}. Split it, or say why in tools/tidy/allowed.ts`,
      },
    ];
  if (lines > LENGTH_WARNED && !isTest(path))
    return [
      {
        path,
        rule: "length",
        text: `${lines} lines; about ${LENGTH_WARNED} is the habit`,
        warning: true,
      },
    ];
  return [];
}

function firstLine({ path, text }: SourceFile): readonly Finding[] {
  // A test's name says what it checks.
  if (isTest(path)) return [];
  const [first = "", second = ""] = text.split("\n");
  const line = first.startsWith("#!") ? second : first;
  return /^(\/\/|\/\*\*?) \S.{8,}/.test(line)
    ? []
    : [
        {
          path,
          line: 1,
          rule: "first line",
          text: "the first line is a comment that says what the file owns",
        },
      ];
}

const VAGUE_NAMES = ["utils", "util", "helpers", "helper", "common", "manager", "misc", "shared"];

function names({ path }: SourceFile): readonly Finding[] {
  const findings: Finding[] = [];
  for (const part of path.split("/")) {
    const bare = part.replace(/(\.(test|d|config))*\.(tsx?|mts|mjs)$/, "");
    if (part.startsWith(".") || bare === "holdfast.config") continue;
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(bare))
      findings.push({ path, rule: "names", text: `${part}: files and folders are in kebab-case` });
    if (bare.split("-").some((word) => VAGUE_NAMES.includes(word)))
      findings.push({ path, rule: "names", text: `${part}: say what it is, not that it helps` });
  }
  return findings;
}

function bareErrors(file: SourceFile): readonly Finding[] {
  if (!isShipped(file.path)) return [];
  return matches(file, /\bnew Error\(/g).map((line) => ({
    path: file.path,
    line,
    rule: "errors",
    text: "errors carry a code: declare a class for it",
  }));
}

function consoleCalls(file: SourceFile): readonly Finding[] {
  if (!isShipped(file.path) || !file.path.startsWith("packages/")) return [];
  return matches(file, /\bconsole\.\w/g).map((line) => ({
    path: file.path,
    line,
    rule: "console",
    text: "libraries return or observe; they do not print",
  }));
}

/** Where time and chance must come from ports. */
const PURE = [
  "packages/contract/src/",
  "packages/core/src/",
  "packages/doors/native/src/",
  "packages/doors/mqtt/src/",
  "packages/protocol/src/",
  "packages/plan/src/",
  "packages/operator/src/",
  "packages/rehoming/src/",
  "packages/pipelines/src/",
  "packages/client/src/engine/",
];
const IMPURE =
  /(?<![\w.#])(new Date\b|Date\.|Math\.random|setTimeout\(|setInterval\(|setImmediate\(|queueMicrotask\(|performance\.|crypto\.|process\.|fetch\(|Bun\.)/g;

function purity(file: SourceFile): readonly Finding[] {
  if (!PURE.some((folder) => file.path.startsWith(folder)) || isTest(file.path)) return [];
  const calls = matches(file, IMPURE).map((line) => ({
    path: file.path,
    line,
    rule: "purity",
    text: "time, chance and I/O come from ports",
  }));
  const modules = importsOf(file)
    .filter(({ from }) => /^(node:|bun(:|$))/.test(from))
    .map(({ from, line }) => ({ path: file.path, line, rule: "purity", text: `imports ${from}` }));
  return [...calls, ...modules];
}

/** The programs, and what starts one of them from outside with the environment that it found. */
const PROCESS_ALLOWED = /^apps\/([^/]+\/src\/main|holdfast\/src\/launch\/[a-z-]+)\.ts$/;

function processAccess(file: SourceFile): readonly Finding[] {
  if (!isShipped(file.path) || PROCESS_ALLOWED.test(file.path)) return [];
  return matches(file, /\b(process|Bun)\.(env|argv|on|once|exit)\b|\bimport\.meta\.env\b/g).map(
    (line) => ({
      path: file.path,
      line,
      rule: "process",
      text: "environment, arguments and signals belong to apps/*/src/main.ts",
    }),
  );
}

function shape(file: SourceFile): readonly Finding[] {
  if (!isShipped(file.path)) return [];
  return matches(file, /^export default\b/gm).map((line) => ({
    path: file.path,
    line,
    rule: "exports",
    text: "exports are named",
  }));
}

const FILE_LIMIT = /\bsetDefaultTimeout\([\d_]+\)/g;
/** A number behind the function of a test or a hook, in either of the formatter's two forms. */
const TEST_LIMIT =
  /^( *)(?:test|it|(?:before|after)(?:All|Each))\b[^\n]*\n(?:(?!\1\S)[^\n]*\n)*?\1(?:\}\)?, [\d_]+| {2}[\d_]+,\n\1)\);$/gm;

/** Limits of time of tests that are numbers. */
function patience(file: SourceFile): readonly Finding[] {
  if (!isTest(file.path)) return [];
  return [FILE_LIMIT, TEST_LIMIT].flatMap((pattern) =>
    matches(file, pattern).map((line) => ({
      path: file.path,
      line,
      rule: "patience",
      text: "a limit of time is longer on a busy machine: patience(ms) of test/patience.ts",
    })),
  );
}

/**
 * Code of ours that others import or run: not tests, scripts, the kit for tests or the
 * measurements.
 */
function isShipped(path: string): boolean {
  return (
    /^(packages|apps)\//.test(path) &&
    !/^packages\/testkit\//.test(path) &&
    // What becomes an application is written like one.
    !/^apps\/create-holdfast\/template\//.test(path) &&
    !isTest(path) &&
    !isScript(path)
  );
}

/** Lines (from 1) of code, not of comments or texts, that match. */
function matches(file: SourceFile, pattern: RegExp): readonly number[] {
  const code = withoutCommentsAndTexts(file.text);
  return [...code.matchAll(pattern)].map((match) => code.slice(0, match.index).split("\n").length);
}

/** Every rule that looks at one source file. */
export const FILE_RULES: readonly Rule[] = [
  length,
  firstLine,
  names,
  bareErrors,
  consoleCalls,
  purity,
  processAccess,
  shape,
  patience,
];
