import { describe, expect, test } from "bun:test";
import { ROOT } from "../image/root.ts";
import { rootManifest } from "./manifest.ts";
import { PUBLISHED, type Published } from "./published.ts";
import { problemsIn } from "./verify.ts";
import { notesOf, versionProblems } from "./versions.ts";

const published: Published = {
  name: "@holdfast/example",
  folder: "packages/example",
  entries: { ".": "src/index.ts" },
  target: "browser",
  commonJs: false,
  outside: ["react"],
  inside: [],
  keywords: [],
};
const { version, repository } = rootManifest();
const manifest = {
  name: published.name,
  version,
  repository,
  exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
  peerDependencies: { react: ">=18" },
};
const whole: Readonly<Record<string, string>> = {
  "package.json": JSON.stringify(manifest),
  "README.md": "# Example\n",
  LICENSE: "Apache",
  "dist/index.js": 'import { useState } from "react";\nimport "./chunk.js";\n',
  "dist/chunk.js": "export const a = 1;\n",
  "dist/index.d.ts": 'export type { A } from "./a.js";\n',
  "dist/a.d.ts": "export type A = 1;\n",
};
const problems = (changed: Readonly<Record<string, string | undefined>>): readonly string[] =>
  problemsIn(
    published,
    new Map(
      Object.entries({ ...whole, ...changed }).flatMap(([path, text]) =>
        text === undefined ? [] : [[path, text]],
      ),
    ),
  );

test("a whole package has no problems", () => expect(problems({})).toEqual([]));

describe("a package is refused", () => {
  const withManifest = (part: object) => ({
    "package.json": JSON.stringify({ ...manifest, ...part }),
  });
  test.each<readonly [string, Readonly<Record<string, string | undefined>>, string]>([
    ["without a README", { "README.md": undefined }, "has no README.md"],
    ["without a licence", { LICENSE: undefined }, "has no LICENSE"],
    ["of another version", withManifest({ version: "9.9.9" }), "its version is 9.9.9"],
    ["that is private", withManifest({ private: true }), "it is private"],
    ["without a repository", withManifest({ repository: undefined }), "names no repository"],
    [
      "that exports what it has not",
      { "dist/index.js": undefined },
      "./dist/index.js, which is not in",
    ],
    ["whose command is missing", withManifest({ bin: { x: "x.mjs" } }), "x.mjs, which is not in"],
    [
      "that depends on a path",
      withManifest({ dependencies: { a: "file:../a" } }),
      "depends on a at",
    ],
    [
      "that names a folder of this machine",
      { "dist/chunk.js": `"${ROOT}/a.ts"` },
      "of this machine",
    ],
    [
      "whose code imports a stranger",
      { "dist/chunk.js": 'import "@holdfast/core";' },
      "@holdfast/core, which is no dependency",
    ],
    [
      "whose types name a stranger",
      { "dist/a.d.ts": 'import("@holdfast/core")' },
      "@holdfast/core, which is no dependency",
    ],
    [
      "whose code imports a file that is not there",
      { "dist/chunk.js": undefined },
      "./chunk.js, which is not in",
    ],
    [
      "whose types import a file that is not there",
      { "dist/a.d.ts": undefined },
      "./a.js, which is not in",
    ],
    [
      "for pages that imports a runtime's module",
      { "dist/chunk.js": 'import "node:fs";' },
      "which browsers lack",
    ],
    ["that is far too large", { "dist/x.txt": "x".repeat(4_000_001) }, "expected at most"],
  ])("%s", (_name, changed, expected) => {
    const found = problems(changed);
    expect(found).not.toEqual([]);
    expect(found.join("\n")).toContain(expected);
  });
});

test("every place of the repository says the same version, and no folder of sources can be published", () =>
  expect(versionProblems()).toEqual([]));

test("the notes of a release are its part of the changelog", () => {
  const log =
    "# Changelog\n\n## Unreleased\n\n## 1.2.0 (2026-01-02)\n\n- a\n- b\n\n## 1.1.0\n\n- c\n";
  expect(notesOf("1.2.0", log)).toBe("- a\n- b");
  expect(notesOf("1.1.0", log)).toBe("- c");
  expect(notesOf("Unreleased", log)).toBeUndefined();
  expect(notesOf("1.2", log)).toBeUndefined();
});

test("packages that others need come first, and each has a folder of its own", () => {
  expect(new Set(PUBLISHED.map(({ folder }) => folder)).size).toBe(PUBLISHED.length);
  for (const [index, { outside }] of PUBLISHED.entries())
    for (const { name } of PUBLISHED.slice(index)) expect(outside).not.toContain(name);
});
