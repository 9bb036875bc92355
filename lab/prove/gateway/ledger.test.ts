import { afterEach, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger } from "./ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-ledger-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("each look has what was taken since the last one, by all servers", () => {
  const ledger = new Ledger(folder);
  expect(ledger.taken([])).toBeUndefined();
  appendFileSync(join(folder, "1.log"), "7 1\n7 2\n");
  expect(ledger.taken([])).toEqual({ frames: 2, again: 0, ofMissing: 0 });
  appendFileSync(join(folder, "1.log"), "7 3\n7 4\n");
  appendFileSync(join(folder, "2.log"), "7 4\n8 1\n");
  expect(ledger.taken(["7 4", "9 1"])).toEqual({ frames: 4, again: 1, ofMissing: 1 });
  expect(ledger.taken([])).toEqual({ frames: 0, again: 0, ofMissing: 0 });
});
