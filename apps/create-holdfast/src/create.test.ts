import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateError, createProject } from "./create.ts";

const cwd = mkdtempSync(join(tmpdir(), "create-holdfast-"));
const template = fileURLToPath(new URL("../template", import.meta.url));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const create = (target: string) => createProject({ target, cwd, template, version: "9.8.7" });

test("a project has its name and the version of the packages, and nothing is left to fill in", () => {
  const folder = create("My App");
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  expect(manifest.name).toBe("my-app");
  expect(manifest.dependencies["@holdfast/client"]).toBe("9.8.7");
  expect(existsSync(join(folder, ".gitignore"))).toBe(true);
  for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    expect(file.name).not.toStartWith("_");
    const text = readFileSync(join(file.parentPath, file.name), "utf8");
    expect([file.name, /\{\{\w+\}\}/.exec(text)?.[0]]).toEqual([file.name, undefined]);
  }
});

test("a folder with a repository in it counts as empty", () => {
  mkdirSync(join(cwd, "fresh/.git"), { recursive: true });
  expect(readdirSync(create("fresh"))).toContain("package.json");
});

describe("nothing is overwritten:", () => {
  test.each([
    ["a folder with files", "full", /found a\.txt in it, expected an empty folder/],
    ["a name that npm refuses", "...", /expected letters/],
  ])("%s is refused", (_name, target, message) => {
    mkdirSync(join(cwd, "full"), { recursive: true });
    writeFileSync(join(cwd, "full/a.txt"), "mine");
    expect(() => create(target)).toThrow(CreateError);
    expect(() => create(target)).toThrow(message);
    expect(readdirSync(join(cwd, "full"))).toEqual(["a.txt"]);
  });
});
