import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ALERT_GROUPS, RECORDING_GROUPS, runBookOf } from "@holdfast/observability";
import { parse } from "yaml";
import { promtool, ROOT } from "./promtool.ts";

const TESTS = "deploy/alerts/tests";
const files = readdirSync(join(ROOT, TESTS)).map((file) => `${TESTS}/${file}`);
const alerts = ALERT_GROUPS.flatMap(({ rules }) => rules);

interface Expectation {
  readonly expr: string;
  readonly exp_samples: readonly unknown[];
}

const expectations = files.flatMap((file) => {
  const { tests } = parse(readFileSync(join(ROOT, file), "utf8")) as {
    readonly tests: readonly { readonly promql_expr_test: Expectation[] }[];
  };
  return tests.flatMap((one) => one.promql_expr_test);
});

test("Prometheus takes both files, and finds nothing to say against them", async () => {
  const { code, output } = await promtool(
    "check",
    "rules",
    "--lint=all",
    "--lint-fatal",
    "deploy/alerts/holdfast-alerts.yaml",
    "deploy/alerts/holdfast-recording.yaml",
  );
  expect({ code, output }).toMatchObject({ code: 0 });
});

test.each(files)("%s holds", async (file) => {
  const { code, output } = await promtool("test", "rules", file);
  expect({ code, output }).toMatchObject({ code: 0 });
});

test.each(alerts.map(({ name }) => name))("%s is tested both to fire and to keep quiet", (name) => {
  const own = expectations.filter(({ expr }) => expr.includes(`alertname="${name}"`));
  expect(own.some(({ exp_samples }) => exp_samples.length > 0)).toBe(true);
  expect(own.some(({ exp_samples }) => exp_samples.length === 0)).toBe(true);
});

test("every recording rule is tested", () => {
  for (const { record } of RECORDING_GROUPS.flatMap(({ rules }) => rules))
    expect(
      expectations.some(
        ({ expr, exp_samples }) => expr.startsWith(record) && exp_samples.length > 0,
      ),
    ).toBe(true);
});

test("every alert has a run book that says what it means, what to look at and what to do, and no run book is without its alert", () => {
  const folder = join(ROOT, "docs/operations/alerts");
  for (const { name } of alerts) {
    const path = join(folder, `${runBookOf(name)}.md`);
    expect({ path, exists: existsSync(path) }).toEqual({ path, exists: true });
    const headings = [...readFileSync(path, "utf8").matchAll(/^#+ (.+)$/gm)].map(
      (match) => match[1],
    );
    expect(headings).toEqual([name, "What it means", "What to look at", "What to do"]);
  }
  expect(readdirSync(folder).sort()).toEqual(
    alerts.map(({ name }) => `${runBookOf(name)}.md`).sort(),
  );
});
