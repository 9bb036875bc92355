// Checks the checker: each rule finds what breaks it and leaves alone what does not.
import { describe, expect, test } from "bun:test";
import { circles } from "./tidy/circles.ts";
import { direction } from "./tidy/direction.ts";
import { docstrings } from "./tidy/docstrings.ts";
import { brokenLinks, lockFile, type Repository } from "./tidy/documents.ts";
import { comments, longLines, longSentences } from "./tidy/prose.ts";
import { strangersInRoot } from "./tidy/root.ts";
import { FILE_RULES } from "./tidy/rules.ts";
import { importsOf, withoutCommentsAndTexts } from "./tidy/source-file.ts";

const HEAD = "// Owns: an example that is long enough.\n";

function found(path: string, body: string): readonly string[] {
  const file = { path, text: body };
  return [...FILE_RULES, direction]
    .flatMap((rule) => rule(file))
    .map((finding) => `${finding.warning ? "warning " : ""}${finding.rule}`);
}

describe("files", () => {
  const table: readonly (readonly [string, string, string, readonly string[]])[] = [
    [
      "a file of 401 lines is too long",
      "packages/core/src/a.ts",
      HEAD + "x;\n".repeat(400),
      ["length"],
    ],
    [
      "a file of 300 lines is warned of",
      "packages/core/src/a.ts",
      HEAD + "x;\n".repeat(299),
      ["warning length"],
    ],
    [
      "a test of 601 lines is too long",
      "packages/core/src/a.test.ts",
      `${HEAD}${"x;\n".repeat(600)}`,
      ["length"],
    ],
    [
      "a bare error in what only tests use",
      "packages/server/src/http/testing.ts",
      `${HEAD}throw new Error("x");\n`,
      [],
    ],
    [
      "a bare error in a folder that only tests use",
      "packages/client/src/testing/node.ts",
      `${HEAD}throw new Error("x");\n`,
      [],
    ],
    ["a test of 300 lines is not", "packages/core/src/a.test.ts", HEAD + "x;\n".repeat(299), []],
    [
      "a file without its first line",
      "packages/core/src/a.ts",
      'import { a } from "./b.ts";\n',
      ["first line"],
    ],
    ["a first line behind a shebang", "tools/a.mjs", `#!/usr/bin/env node\n${HEAD}`, []],
    ["a name in camelCase", "packages/core/src/someThing.ts", HEAD, ["names"]],
    ["a name that says nothing", "packages/core/src/string-utils.ts", HEAD, ["names"]],
    ["a folder that says nothing", "packages/core/src/common/a.ts", HEAD, ["names"]],
    ["a test's double extension", "packages/core/src/a-b.test.ts", HEAD, []],
    ["a bare error", "packages/server/src/a.ts", `${HEAD}throw new Error("x");\n`, ["errors"]],
    [
      "a bare error in a test",
      "packages/server/src/a.test.ts",
      `${HEAD}throw new Error("x");\n`,
      [],
    ],
    [
      "a bare error in a comment",
      "packages/server/src/a.ts",
      `${HEAD}// throw new Error("x")\nconst a = "new Error(";\n`,
      [],
    ],
    ["console in a library", "packages/server/src/a.ts", `${HEAD}console.log(1);\n`, ["console"]],
    ["console in an app", "apps/holdfast/src/a.ts", `${HEAD}console.log(1);\n`, []],
    ["the clock in core", "packages/core/src/a.ts", `${HEAD}const now = Date.now();\n`, ["purity"]],
    [
      "a timer in the client's engine",
      "packages/client/src/engine/a.ts",
      `${HEAD}setTimeout(() => {}, 1);\n`,
      ["purity"],
    ],
    [
      "a timer in the client's shell",
      "packages/client/src/a.ts",
      `${HEAD}setTimeout(() => {}, 1);\n`,
      [],
    ],
    ["chance in protocol", "packages/protocol/src/a.ts", `${HEAD}Math.random();\n`, ["purity"]],
    [
      "a name that only looks like the clock",
      "packages/core/src/a.ts",
      `${HEAD}this.Date.x; clock.setTimeout(1); updateDate.x;\n`,
      [],
    ],
    [
      "files in core",
      "packages/core/src/a.ts",
      `${HEAD}import { readFile } from "node:fs";\n`,
      ["purity", "direction"],
    ],
    [
      "the environment in a library",
      "packages/server/src/a.ts",
      `${HEAD}process.env.X;\n`,
      ["process"],
    ],
    [
      "signals in a module of an app",
      "apps/holdfast/src/a.ts",
      `${HEAD}process.on("SIGTERM", f);\n`,
      ["process"],
    ],
    ["the environment in main", "apps/holdfast/src/main.ts", `${HEAD}process.env.X;\n`, []],
    [
      "a limit of a test that is a number",
      "test/x/a.test.ts",
      'test("a", async () => {\n  await b();\n}, 60_000);\n',
      ["patience"],
    ],
    [
      "a limit of a test on a line of its own",
      "test/x/a.test.ts",
      'test(\n  "a",\n  async () => {\n    await b();\n  },\n  60_000,\n);\n',
      ["patience"],
    ],
    [
      "a limit of a file that is a number",
      "test/x/a.test.ts",
      "setDefaultTimeout(40_000);\n",
      ["patience"],
    ],
    [
      "limits that grow with a busy machine, and a timer in a test",
      "test/x/a.test.ts",
      'setDefaultTimeout(patience(40_000));\ntest("a", () => {\n  setTimeout(() => {\n    b();\n  }, 100);\n});\ntest("b", () => {\n  c();\n}, patience(100));\n',
      [],
    ],
    ["a default export", "packages/server/src/a.ts", `${HEAD}export default 1;\n`, ["exports"]],
  ];
  for (const [name, path, body, expected] of table) {
    test(name, () => expect(found(path, body)).toEqual([...expected]));
  }
});

describe("direction of imports", () => {
  const table: readonly (readonly [string, string, number])[] = [
    ["packages/protocol/src/a.ts", "@holdfast/core", 1],
    ["packages/config/src/a.ts", "@holdfast/core", 1],
    ["packages/core/src/a.ts", "@holdfast/protocol", 0],
    ["packages/core/src/a.ts", "zod", 1],
    ["packages/contract/src/a.ts", "@standard-schema/spec", 0],
    ["packages/core/src/a.ts", "@standard-schema/spec", 1],
    ["packages/unknown/src/a.ts", "@holdfast/protocol", 1],
    ["packages/brokers/redis/src/a.ts", "@holdfast/server", 1],
    ["packages/brokers/redis/src/a.ts", "@holdfast/core", 0],
    ["packages/core/src/a.test.ts", "@holdfast/testkit", 0],
    ["packages/client/src/a.ts", "@holdfast/server", 1],
    ["packages/client/src/react.ts", "@holdfast/client", 0],
    ["packages/client/src/a.ts", "@holdfast/protocol/msgpack", 0],
    ["packages/server/src/a.ts", "@holdfast/client", 1],
    ["packages/server/src/a.ts", "@holdfast/config", 0],
    ["apps/holdfast/src/a.ts", "@holdfast/demo", 0],
    ["packages/server/src/a.ts", "../../core/src/index.ts", 1],
    ["packages/server/src/http/a.ts", "../b.ts", 0],
    ["packages/server/src/a.ts", "./b", 1],
    ["test/integration/a.test.ts", "../../packages/core/src/index.ts", 1],
    ["tools/a.ts", "./tidy/b.ts", 0],
    ["tools/a.ts", "../packages/protocol/scripts/table.ts", 0],
    ["tools/a.ts", "../packages/protocol/src/codes.ts", 1],
  ];
  for (const [path, from, count] of table) {
    test(`${path} ${count === 0 ? "may" : "may not"} import ${from}`, () => {
      expect(direction({ path, text: `${HEAD}import type { a } from "${from}";\n` })).toHaveLength(
        count,
      );
    });
  }

  test("imports are found in every form, and texts are not taken for them", () => {
    const text = [
      'import "./a.ts";',
      "import {\n  b,\n  type C,\n} from './b.ts';",
      'import type * as D from "d";',
      'export * from "./e.ts";',
      'const f = await import("./f.ts");',
      'export const g = "from \\"./g.ts\\"";',
      'export type H =\n  | "./h.ts"\n  | "from";',
    ].join("\n");
    expect(importsOf({ path: "x.ts", text })).toEqual([
      { from: "./a.ts", line: 1 },
      { from: "./b.ts", line: 5 },
      { from: "d", line: 6 },
      { from: "./e.ts", line: 7 },
      { from: "./f.ts", line: 8 },
    ]);
  });

  test("blanking comments and texts keeps every position", () => {
    const text =
      "a(); // Date.now()\nb(\"Date.now()\", `Date.now()`, '\\'');\n/* Date.now()\n */ c();\n";
    const code = withoutCommentsAndTexts(text);
    expect(code).not.toContain("Date");
    expect([code.length, code.indexOf("c()")]).toEqual([text.length, text.indexOf("c()")]);
  });
});

function repository(files: Readonly<Record<string, string>>): Repository {
  return {
    exists: (path) =>
      Object.keys(files).some(
        (known) => known === path || known.startsWith(`${path.replace(/\/$/, "")}/`),
      ),
    read: (path) => files[path],
  };
}

describe("documents", () => {
  const files = {
    "README.md":
      "# Top\n[a](docs/a.md) [b](docs/a.md#two-words) [c](docs) [d](https://x.example/y) [e](#top)\n```\n[no](nowhere.md)\n```\n`[no](nowhere.md)`\n",
    "docs/a.md":
      "# A\n## Two `words`!\n[up](../README.md) ![i](i.png)\n[gone](gone.md) [anchor](../README.md#bottom)\n",
    "docs/i.png": "",
  };
  test("links that lead somewhere are left alone, also folders, anchors and code", () => {
    expect(brokenLinks("README.md", repository(files))).toEqual([]);
  });
  test("links and anchors that lead nowhere are found with their line", () => {
    expect(
      brokenLinks("docs/a.md", repository(files)).map(({ line, text }) => `${line} ${text}`),
    ).toEqual(["4 gone.md does not exist", "4 ../README.md#bottom: no heading of this name"]);
  });
});

describe("lock file", () => {
  const manifest = JSON.stringify({ dependencies: { a: "1", b: "2" } });
  const lock = (packages: object) =>
    repository({
      "package.json": "{}",
      "packages/x/package.json": manifest,
      "package-lock.json": JSON.stringify({ packages }),
    });
  test("one that fits is left alone, whatever the order", () => {
    expect(
      lockFile(
        lock({
          "": {},
          "packages/x": { dependencies: { b: "2", a: "1" } },
          "node_modules/x": { resolved: "packages/x", link: true },
        }),
      ),
    ).toEqual([]);
  });
  test("dependencies that differ would make npm ci fail", () => {
    expect(lockFile(lock({ "packages/x": { dependencies: { a: "1" } } }))).toHaveLength(1);
  });
  test("a host that packages came from does not belong into it", () => {
    expect(
      lockFile(
        lock({ "node_modules/a": { version: "1", resolved: "https://registry.example/a.tgz" } }),
      ),
    ).toHaveLength(1);
  });
});

describe("circles of imports", () => {
  const file = (name: string, ...imported: readonly string[]) => ({
    path: `packages/core/src/${name}.ts`,
    text: imported.map((other) => `import type { A } from "./${other}.ts";\n`).join(""),
  });

  test("four files that import one another are told once, by name, however they are entered", () => {
    const files = [
      file("outside", "b"),
      file("a", "b"),
      file("b", "c"),
      file("c", "d"),
      file("d", "a", "leaf"),
      file("leaf"),
    ];
    const found = [files, files.toReversed()].map((order) => circles(order));
    for (const findings of found) {
      expect(findings.map(({ path }) => path)).toEqual(["packages/core/src/a.ts"]);
      expect(findings[0]?.text).toContain("4 files");
      expect(findings[0]?.text).not.toContain("leaf");
    }
  });

  test("two circles that share a file are one circle", () => {
    const files = [file("a", "b"), file("b", "a", "c"), file("c", "d"), file("d", "b")];
    expect(circles(files)).toHaveLength(1);
  });

  test("three files may know one another, and tests may know anybody", () => {
    const three = [file("a", "b"), file("b", "c"), file("c", "a", "d.test")];
    expect(circles([...three, file("d.test", "a")])).toEqual([]);
  });
});

describe("prose", () => {
  const NOTHING: Repository = { exists: (path) => path === "docs/a.md", read: () => undefined };
  const long = "word ".repeat(24).trim();

  test.each([
    ["a line of 101 columns", `${"x".repeat(50)} ${"y".repeat(50)}\n`, 1],
    ["a line of 100 columns", `${"x".repeat(49)} ${"y".repeat(50)}\n`, 0],
    ["a table", `| ${"x ".repeat(80)}|\n`, 0],
    ["code", `\`\`\`sh\n${"x ".repeat(80)}\n\`\`\`\n`, 0],
    ["a word that cannot be broken", `${"x".repeat(200)}\n`, 0],
    ["a link that cannot be broken", `[a b](${"x".repeat(200)})\n`, 0],
  ])("columns: %s", (_, text, count) => {
    expect(longLines("docs/a.md", text)).toHaveLength(count);
  });

  test("a long line is named by its number, behind empty lines and tables, too", () => {
    const text = `# A\n\n| a |\n| - |\n\n${"x ".repeat(60)}y\n`;
    expect(longLines("docs/a.md", text).map(({ line }) => line)).toEqual([6]);
  });

  test.each([
    ["24 words", `${long}.\n`, 1],
    ["24 words in two lines", `${long.replace(" ", "\n")}.\n`, 1],
    [
      "24 words in two items of a list",
      `- ${long.replace(" word word word word word", "\n-")}.\n`,
      0,
    ],
    ["two sentences", `${long.replace("word word", "word. Word")}.\n`.repeat(1), 1],
    ["20 words", `${"word ".repeat(20).trim()}.\n`, 0],
    ["a colon", `${"word ".repeat(12).trim()}: ${"word ".repeat(12).trim()}.\n`, 0],
    ["words of code count as one", `\`${long}\` is code.\n`, 0],
  ])("sentences: %s", (_, text, count) => {
    expect(longSentences("docs/a.md", text)).toHaveLength(count);
  });

  test("a comment that cites a document that is not there is found", () => {
    const cite = (name: string) =>
      comments({ path: "packages/a/src/a.ts", text: `// As ${name} says.\n` }, NOTHING).length;
    expect([cite("docs/a.md"), cite("docs/b.md"), cite("notes.md")]).toEqual([0, 1, 1]);
  });
});

describe("doc comments of published packages", () => {
  const manifest = '{"exports": {".": "./src/index.ts", "./more": {"types": "./src/more.ts"}}}';
  const found = (files: Readonly<Record<string, string>>) => {
    const read = (path: string) =>
      path === "packages/a/package.json" ? manifest : files[path.replace("packages/a/src/", "")];
    const repository = { exists: (path: string) => read(path) !== undefined, read };
    return docstrings(repository, ["packages/a"]).map(
      ({ path, line, text }) =>
        `${path.replace("packages/a/src/", "")}:${line} ${text.split(" ")[0]}`,
    );
  };

  test.each([
    ["an export without one", "export const x = 1;\n", ["index.ts:1 x"]],
    ["an export with one", "/** A number. */\nexport const x = 1;\n", []],
    ["a comment that is none", "// A number.\nexport const x = 1;\n", ["index.ts:2 x"]],
    ["a block comment that is none", "/* A number. */\nexport const x = 1;\n", ["index.ts:2 x"]],
    ["the comment of another", "/** A. */\nconst y = 1;\nexport class X {}\n", ["index.ts:3 X"]],
    ["a line for the linter between", "/** A. */\n// biome-ignore x: y\nexport type X = 1;\n", []],
    ["overloads", "/** A. */\nexport function f(): void;\nexport function f(): void {}\n", []],
    [
      "what is exported below",
      "interface A {}\n/** B. */\nexport class B {}\nexport { B as C };\n",
      [],
    ],
    ["what is not exported", "const x = 1;\n", []],
  ])("%s", (_, text, expected) => {
    expect(found({ "index.ts": text, "more.ts": "" })).toEqual([...expected]);
  });

  test("re-exports are followed: by star, by name, by another name, from a second entry", () => {
    const files = {
      "index.ts": 'export * from "./deep/star.ts";\nexport { a, type B as C } from "./names.ts";\n',
      "more.ts": 'export { d } from "./deep/star.ts";\nexport * from "@other/package";\n',
      "deep/star.ts": 'export const d = 1;\nexport { e } from "../names.ts";\n',
      "names.ts": "export const a = 1;\nexport type B = 1;\nexport let e = 1;\nexport let f = 1;\n",
    };
    expect(found(files).toSorted()).toEqual([
      "deep/star.ts:1 d",
      "names.ts:1 a",
      "names.ts:2 B",
      "names.ts:3 e",
    ]);
  });

  test("a package without an entry, and an entry that is not there, are told", () => {
    expect(found({ "index.ts": "" })).toEqual(["more.ts:1 is"]);
    expect(docstrings({ exists: () => false, read: () => undefined }, ["packages/b"])).toHaveLength(
      1,
    );
  });
});

test("what was left in the root is found, once for each entry", () => {
  const paths = ["README.md", "packages/core/a.ts", "suite/a.py", "suite/b/c.key", "events.txt"];
  const found = strangersInRoot(paths).map(({ path, rule }) => `${rule} ${path}`);
  expect(found).toEqual(["root suite", "root events.txt"]);
});
