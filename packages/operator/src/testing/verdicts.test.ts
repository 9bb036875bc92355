import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { patience } from "../../../../test/patience.ts";
import { felt } from "./felt.ts";
import { CANARY, rowsOf, tableOf } from "./verdict-table.ts";

/** Releases for each row of the table. There are 15 ways of being bad. */
const RELEASES = 100;

test(
  "of 1,000 good releases fewer than ten are rolled back by noise",
  () => {
    const sizes = [
      [50, 950],
      [200, 1800],
      [500, 500],
      [1000, 9000],
    ] as const;
    let wrong = 0;
    for (let seed = 0; seed < 1000; seed++) {
      const [canary, stable] = sizes[seed % sizes.length] ?? [200, 1800];
      if (felt(seed, { ...CANARY, canary, stable }).outcome !== "good") wrong += 1;
    }
    expect(wrong).toBeLessThan(10);
  },
  patience(20_000),
);

test(
  "of 1,500 bad releases fewer than one in a hundred are missed, and the document has the table",
  () => {
    const rows = rowsOf(RELEASES);
    const bad = rows.filter(({ isBad }) => isBad).flatMap(({ outcomes }) => outcomes);
    expect(bad.length).toBe(1500);
    expect(bad.filter(({ outcome }) => outcome !== "bad").length).toBeLessThan(bad.length / 100);
    const document = new URL("../../../../docs/design/operator.md", import.meta.url);
    expect(readFileSync(document, "utf8")).toContain(tableOf(rows));
  },
  patience(20_000),
);
