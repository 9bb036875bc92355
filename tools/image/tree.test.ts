// Checks how copies are carried out, what is refused, and that a written file is seen.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addRuntimeFiles, assembleTree, entriesOf } from "./tree.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-tree-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));
const STAGE = join(FOLDER, "stage");
mkdirSync(join(STAGE, "out/sub"), { recursive: true });
mkdirSync(join(STAGE, "lib/x86-gnu"), { recursive: true });
writeFileSync(join(STAGE, "out/program"), "program");
writeFileSync(join(STAGE, "out/sub/paper"), "paper");
writeFileSync(join(STAGE, "lib/x86-gnu/libc.so.6"), "libc");
symlinkSync("libc.so.6", join(STAGE, "lib/x86-gnu/libm.so.6"));

let count = 0;
const assembled = (...copies: readonly (readonly [readonly string[], string])[]) => {
  const into = join(FOLDER, `tree-${++count}`);
  const list = copies.map(([sources, target], index) => ({
    from: "build",
    sources,
    target,
    line: index + 1,
  }));
  assembleTree(list, { build: STAGE }, into);
  return into;
};
const files = (root: string) =>
  entriesOf(root).flatMap(({ path, kind }) => (kind === "folder" ? [] : [`${path} ${kind}`]));

describe("copies", () => {
  test("of a folder are its contents, of a pattern what matches, of a link the file behind it", () => {
    const root = assembled(
      [["/lib/*-gnu/libc.so.6", "/lib/*-gnu/libm.so.6"], "/lib/"],
      [["/out/"], "/"],
    );
    expect(files(root)).toEqual([
      "/lib/libc.so.6 file",
      "/lib/libm.so.6 file",
      "/program file",
      "/sub/paper file",
    ]);
  });

  test("may rename one file", () =>
    expect(files(assembled([["/out/program"], "/bin/other"]))).toEqual(["/bin/other file"]));

  test("of what is not there, of several files to one, and from an unknown stage are refused with their line", () => {
    expect(() => assembled([["/out/"], "/"], [["/gone"], "/"])).toThrow("line 2");
    expect(() => assembled([["/lib/*-arm/libc.so.6"], "/lib/"])).toThrow("does not exist");
    expect(() => assembled([["/lib/x86-gnu/*"], "/lib"])).toThrow("expected / at its end");
    expect(() =>
      assembleTree(
        [{ from: "other", sources: ["/a"], target: "/", line: 7 }],
        { build: STAGE },
        FOLDER,
      ),
    ).toThrow("--from=other");
  });
});

test("a file that is written, changed or touched makes a tree another one", () => {
  const root = assembled([["/out/"], "/"]);
  addRuntimeFiles(root, ["broker.internal"]);
  const before = entriesOf(root);
  expect(entriesOf(root)).toEqual(before);
  writeFileSync(join(root, "sub/paper"), "PAPER");
  expect(entriesOf(root)).not.toEqual(before);
  expect(entriesOf(root).find(({ path }) => path === "/etc/hosts")).toMatchObject({ kind: "file" });
});
