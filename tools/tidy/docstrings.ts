// Owns: the rule that every export of a published package has a doc comment. It follows the entry
// points of the package through its re-exports to the declarations.
import type { Repository } from "./documents.ts";
import type { Finding } from "./rules.ts";

/** The folders of the packages that people install and import. */
const PUBLISHED = ["client", "contract", "protocol", "testkit", "api", "handoff"].map(
  (name) => `packages/${name}`,
);

const DECLARATION =
  /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|class|const|let|interface|type) +([\w$]+)/gm;
const REEXPORT = /^export (?:type )?(?:\*|\{([^}]*)\}) from "([^"]+)"/gm;
const LOCAL = /^export (?:type )?\{([^}]*)\};?$/gm;

/** Exports of the published packages that have no doc comment where they are declared. */
export function docstrings(
  repository: Repository,
  folders: readonly string[] = PUBLISHED,
): readonly Finding[] {
  const walk = new Walk(repository);
  for (const folder of folders) {
    const entries = entriesOf(folder, repository);
    if (entries.length === 0)
      walk.findings.push(finding(`${folder}/package.json`, 1, `${folder} has no entry point`));
    for (const entry of entries) walk.all(entry);
  }
  return walk.findings;
}

function finding(path: string, line: number, text: string): Finding {
  return { path, line, rule: "docstring", text };
}

/** The source files that a package exports: entries of `exports` that end in .ts or .tsx. */
function entriesOf(folder: string, repository: Repository): readonly string[] {
  const found = repository.read(`${folder}/package.json`) ?? "";
  const exported = (JSON.parse(found === "" ? "{}" : found) as { exports?: unknown }).exports;
  const files = JSON.stringify(exported ?? {}).matchAll(/"\.\/(src\/[^"]+\.tsx?)"/g);
  return [...new Set([...files].map(([, file]) => `${folder}/${file}`))];
}

class Walk {
  readonly findings: Finding[] = [];
  readonly #repository: Repository;
  readonly #seen = new Set<string>();

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** Checks every export of a file, and of the files that it re-exports. */
  all(path: string): void {
    this.#names(path, undefined);
  }

  /** Checks these names of a file, or all of them. A name is checked once. */
  #names(path: string, wanted: ReadonlySet<string> | undefined): void {
    const key = `${path} ${wanted === undefined ? "*" : [...wanted].sort().join(" ")}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const text = this.#repository.read(path);
    if (text === undefined) {
      this.findings.push(finding(path, 1, "is exported and does not exist"));
      return;
    }
    const isWanted = (name: string) => wanted === undefined || wanted.has(name);
    for (const [, names, from = ""] of text.matchAll(REEXPORT)) {
      if (!from.startsWith(".")) continue;
      const target = resolve(path, from);
      if (names === undefined) this.#names(target, wanted);
      else {
        const own = namesIn(names).filter(({ outside }) => isWanted(outside));
        if (own.length > 0) this.#names(target, new Set(own.map(({ inside }) => inside)));
      }
    }
    const local = [...text.matchAll(LOCAL)]
      .flatMap(([, names = ""]) => namesIn(names))
      .filter(({ outside }) => isWanted(outside))
      .map(({ inside }) => inside);
    this.#declared(path, text, (name) => isWanted(name) || local.includes(name));
  }

  #declared(path: string, text: string, isWanted: (name: string) => boolean): void {
    let before = "";
    for (const match of text.matchAll(DECLARATION)) {
      const [, name = ""] = match;
      // The signatures of one overloaded function share the comment of the first.
      const isOverload = name === before && match[0].includes("function");
      before = name;
      const key = `${path}#${name}`;
      if (!isWanted(name) || isOverload || this.#seen.has(key)) continue;
      this.#seen.add(key);
      if (isDocumented(text.slice(0, match.index))) continue;
      const line = text.slice(0, match.index).split("\n").length;
      this.findings.push(
        finding(path, line, `${name} is exported by a published package: say in /** */ what it is`),
      );
    }
  }
}

/** Whether the text ends with a doc comment. A comment for the linter may stand between. */
function isDocumented(above: string): boolean {
  const lines = above.trimEnd().split("\n");
  while (/^\s*\/\/ biome-ignore/.test(lines.at(-1) ?? "")) lines.pop();
  const text = lines.join("\n");
  const start = text.lastIndexOf("/*");
  return text.endsWith("*/") && start >= 0 && text.startsWith("/**", start);
}

function namesIn(list: string): readonly { readonly inside: string; readonly outside: string }[] {
  return list.split(",").flatMap((part) => {
    const [inside, outside] = part
      .trim()
      .replace(/^type /, "")
      .split(/ as /);
    if (inside === undefined || inside === "") return [];
    return [{ inside, outside: outside ?? inside }];
  });
}

/** The path from the root of a module that a file names relative to itself. */
function resolve(path: string, from: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of from.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}
