import { describe, expect, test } from "bun:test";
import { GATEWAY_METRICS } from "@holdfast/gateway";
import { OPERATOR_METRICS } from "@holdfast/operator-runtime";
import { METRICS } from "@holdfast/server";
import { renderDashboard } from "./dashboards/render.ts";
import { DASHBOARDS } from "./files.ts";
import { queryParts } from "./promql.ts";
import { ALERT_GROUPS } from "./rules/alerts.ts";
import { RECORDING_GROUPS } from "./rules/recording.ts";
import { RUN_BOOK_BASE } from "./rules/rule-file.ts";

/** Labels that Prometheus gives every target, and those that its discovery on Kubernetes gives. */
const TARGET = ["namespace", "job", "instance", "pod"];
/** What Prometheus itself writes. */
const ITS_OWN: Readonly<Record<string, readonly string[]>> = {
  up: TARGET,
  ALERTS: ["alertname", "alertstate", "severity"],
};
const RECORDED = new Set(
  RECORDING_GROUPS.flatMap(({ rules }) => rules.map(({ record }) => record)),
);

/** Labels of a series, or undefined for one that nobody writes. */
function labelsOf(series: string): readonly string[] | undefined {
  if (RECORDED.has(series)) return TARGET;
  const own = ITS_OWN[series];
  if (own !== undefined) return own;
  const all = { ...METRICS, ...OPERATOR_METRICS, ...GATEWAY_METRICS };
  for (const [name, { type, labels }] of Object.entries(all)) {
    if (type === "histogram") {
      if (series === `${name}_bucket`) return [...TARGET, ...labels, "le"];
      if (series === `${name}_sum` || series === `${name}_count`) return [...TARGET, ...labels];
    } else if (series === name) return [...TARGET, ...labels];
  }
  return undefined;
}

function problems(query: string): readonly string[] {
  const { errors, selectors, grouped } = queryParts(query);
  const found = errors.map((rest) => `no PromQL at "${rest}"`);
  const known = new Set<string>();
  for (const { metric, labels } of selectors) {
    const has = labelsOf(metric);
    if (has === undefined)
      found.push(`${metric || "a selector without a metric"} is no metric of a node`);
    for (const label of has ?? []) known.add(label);
    found.push(
      ...labels
        .filter((label) => has !== undefined && !has.includes(label))
        .map((label) => `${metric} has no label ${label}`),
    );
  }
  return [
    ...found,
    ...grouped
      .filter((label) => !known.has(label))
      .map((label) => `no metric of the query has label ${label}`),
  ];
}

/**
 * Every query that a rendered dashboard holds: of panels, of marks, and those that fill the
 * variables.
 */
function queriesIn(uid: string, text: string): (readonly [string, string])[] {
  const found: (readonly [string, string])[] = [];
  JSON.parse(text, (key, value: unknown) => {
    if (typeof value !== "string") return value;
    if (key === "expr") found.push([`${uid}, query ${found.length + 1}`, value]);
    const [, inside, label] =
      (key === "definition" && /^label_values\((.*), (\w+)\)$/.exec(value)) || [];
    if (inside !== undefined)
      found.push([`${uid}, variable ${label}`, `sum by (${label}) (${inside})`]);
    return value;
  });
  return found;
}

const queries: readonly (readonly [string, string])[] = [
  ...ALERT_GROUPS.flatMap(({ rules }) => rules.map(({ name, expr }) => [name, expr] as const)),
  ...RECORDING_GROUPS.flatMap(({ rules }) =>
    rules.map(({ record, expr }) => [record, expr] as const),
  ),
  ...DASHBOARDS.flatMap((spec) => queriesIn(spec.uid, renderDashboard(spec, RUN_BOOK_BASE))),
];

describe("every query", () => {
  test.each(queries)("%s asks for metrics and labels that nodes have", (_, query) =>
    expect(problems(query)).toEqual([]),
  );
});

test.each([
  [
    "a metric that is not there",
    "rate(holdfast_deliverys_total[5m])",
    "holdfast_deliverys_total is no metric of a node",
  ],
  [
    "a label that the metric has not",
    `holdfast_connections{state="x"}`,
    "holdfast_connections has no label state",
  ],
  [
    "a label in a grouping",
    "sum by (shard) (holdfast_connections)",
    "no metric of the query has label shard",
  ],
  [
    "a histogram without its suffix",
    "holdfast_publish_seconds",
    "holdfast_publish_seconds is no metric of a node",
  ],
  ["a broken query", "sum by (node (up)", "no PromQL"],
])("%s is found", (_, query, text) => expect(problems(query).join("\n")).toContain(text));

test("legends name labels that their query keeps", () => {
  const wrong = DASHBOARDS.flatMap(({ uid, rows }) =>
    rows.flatMap(({ panels }) =>
      panels.flatMap(({ title, queries }) =>
        queries.flatMap(({ expr, legend }) => {
          const kept = new Set(queryParts(expr).grouped);
          const named = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? "");
          return named
            .filter((label) => !kept.has(label) && !expr.startsWith("("))
            .map((label) => `${uid}: ${title}: ${label}`);
        }),
      ),
    ),
  );
  expect(wrong).toEqual([]);
});
