// Checks which exports of a file are a contract.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContractFileError, contractPath, loadContractFile } from "./contract-file.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-contract-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(FOLDER, name);
  writeFileSync(path, text);
  return path;
}

describe("a contract file", () => {
  const taken: readonly (readonly [string, string])[] = [
    [
      "default.ts",
      "export default { channels: { a: {} } };\nexport const other = { channels: { b: {} } };",
    ],
    [
      "named.ts",
      "export const contract = { channels: { a: {} } };\nexport const other = { channels: { b: {} } };",
    ],
    [
      "only.ts",
      "export const anything: { channels: object } = { channels: { a: {} } };\nexport const size = 5;",
    ],
  ];
  for (const [name, text] of taken) {
    test(`${name.replace(".ts", "")}: its contract is found`, async () => {
      expect(Object.keys((await loadContractFile(file(name, text))).channels)).toEqual(["a"]);
    });
  }
  const refused: readonly (readonly [string, string, string])[] = [
    ["none.ts", "export const size = 5;", "exports no contract"],
    [
      "two.ts",
      "export const x = { channels: {} };\nexport const y = { channels: {} };",
      "exports 2 contracts",
    ],
    ["broken.ts", "export const = ;", "cannot be loaded"],
    ["throws.ts", 'throw new Error("no database");', "no database"],
    ["imports.ts", 'import "./gone.ts";', "cannot be loaded"],
  ];
  for (const [name, text, expected] of refused) {
    test(`${name.replace(".ts", "")}: it is refused with the reason`, async () => {
      const error = await loadContractFile(file(name, text)).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(ContractFileError);
      expect(String(error)).toContain(expected);
    });
  }
  test("that is not there is refused by name", async () => {
    expect(
      String(await loadContractFile(join(FOLDER, "gone.ts")).catch((caught: unknown) => caught)),
    ).toContain("gone.ts");
  });
});

test("the usual file is found only where it is, and a named one wins", () => {
  expect(contractPath(undefined, FOLDER)).toBeUndefined();
  const usual = file("holdfast.config.ts", "");
  expect(contractPath(undefined, FOLDER)).toBe(usual);
  expect(contractPath("sub/other.ts", FOLDER)).toBe(join(FOLDER, "sub/other.ts"));
});
