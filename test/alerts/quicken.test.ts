import { expect, test } from "bun:test";
import { renderAlerts } from "@holdfast/observability";
import { parse } from "yaml";
import { quickened } from "./quicken.ts";

test("durations become shorter, everything else stays", () => {
  const rule = {
    alert: "A",
    expr: 'increase(x{a="10m"}[10m]) > 300 or rate(y[1m] offset 1h) * 600 > time() - 5 * 86400',
    for: "90s",
    labels: { severity: "warning" },
  };
  expect(parse(quickened(JSON.stringify({ groups: [{ name: "g", rules: [rule] }] }), 30))).toEqual({
    groups: [
      {
        name: "g",
        rules: [
          {
            ...rule,
            expr: 'increase(x{a="10m"}[20s]) > 300 or rate(y[2s] offset 120s) * 600 > time() - 5 * 86400',
            for: "3s",
          },
        ],
      },
    ],
  });
});

test("a rule that fires at once still does", () => {
  const alerts = (text: string): readonly { for?: string }[] =>
    parse(text).groups.flatMap(({ rules }: { rules: object[] }) => rules);
  const given = renderAlerts();
  expect(alerts(quickened(given, 30)).map((rule) => rule.for === undefined)).toEqual(
    alerts(given).map((rule) => rule.for === undefined),
  );
});
