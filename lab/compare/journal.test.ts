import { afterAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Head, Journal } from "./journal.ts";
import { planFrom } from "./plan.ts";

const folder = mkdtempSync(join(tmpdir(), "journal-"));
afterAll(() => rmSync(folder, { recursive: true }));

const planOf = (...args: string[]) => {
  const plan = planFrom(args);
  if (plan === undefined) throw new Error("no plan");
  return plan;
};
const headOf = (measuredAt: string, quick = false): Head => ({
  measuredAt,
  quick,
  loadBefore: 0,
  machine: { processor: "a processor", cores: 2, memoryGiB: 1, kernel: "Linux 6" },
  sizes: planOf(...(quick ? ["--quick"] : [])).sizes,
});
const first = { scenario: "fanout", rival: "bun", round: 1, figures: { p50Ms: 1 } } as const;
const second = { scenario: "fanout", rival: "holdfast", round: 2, figures: { p50Ms: 2 } } as const;

test("a run that is resumed goes on with what was measured, and a line that was cut is measured again", () => {
  const path = join(folder, "a.jsonl");
  const journal = Journal.open(path, planOf(), headOf("2026-01-01T00:00:00Z"));
  journal.add(first, { bun: "Bun 1" });
  appendFileSync(path, JSON.stringify({ measurement: second }).slice(0, 20));
  const resumed = Journal.open(path, planOf("--resume"), headOf("2026-01-02T00:00:00Z"));
  expect(resumed.has(first)).toBe(true);
  expect(resumed.has(second)).toBe(false);
  expect(resumed.result()).toMatchObject({
    measuredAt: "2026-01-01T00:00:00Z",
    rounds: 1,
    versions: { bun: "Bun 1" },
    measurements: [first],
  });
});

test("a run that is not resumed, or of other sizes, begins anew", () => {
  const path = join(folder, "b.jsonl");
  Journal.open(path, planOf(), headOf("2026-01-01T00:00:00Z")).add(first, {});
  expect(
    Journal.open(path, planOf("--resume", "--quick"), headOf("2026-01-02T00:00:00Z", true))
      .measurements,
  ).toEqual([]);
  Journal.open(path, planOf(), headOf("2026-01-03T00:00:00Z")).add(second, {});
  expect(
    Journal.open(path, planOf("--resume"), headOf("2026-01-04T00:00:00Z")).measurements,
  ).toEqual([second]);
});
