import { describe, expect, test } from "bun:test";
import { DASHBOARDS } from "../files.ts";
import { ALERT_GROUPS } from "../rules/alerts.ts";
import { RUN_BOOK_BASE } from "../rules/rule-file.ts";
import { renderDashboard } from "./render.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly links?: readonly { readonly url: string }[];
  readonly fieldConfig?: {
    readonly defaults: {
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
}

const rendered = DASHBOARDS.map((spec) => {
  const json = JSON.parse(renderDashboard(spec, RUN_BOOK_BASE)) as {
    readonly uid: string;
    readonly panels: readonly Panel[];
    readonly templating: { readonly list: readonly { readonly name: string }[] };
  };
  return [spec.uid, json] as const;
});
const OWN_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  "holdfast-operator": ["set"],
  "holdfast-gateway": ["route"],
};
const DATA_SOURCE = "$" + "{datasource}";

describe.each(rendered)("%s", (uid, { panels, templating }) => {
  test("has its variables, and every panel asks the chosen data source", () => {
    const own = OWN_VARIABLES[uid] ?? ["revision", "node"];
    expect(templating.list.map(({ name }) => name)).toEqual([
      ...["datasource", "namespace", "job"],
      ...own,
    ]);
    for (const { type, datasource, targets = [] } of panels) {
      if (type === "row") continue;
      expect(datasource?.uid).toBe(DATA_SOURCE);
      expect(targets.length).toBeGreaterThan(0);
      for (const target of targets) expect(target.datasource.uid).toBe(DATA_SOURCE);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
  });

  test("has panels with ids and titles of their own, each with a sentence about it", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const shown = panels.filter(({ type }) => type !== "row");
    expect(new Set(shown.map(({ title }) => title)).size).toBe(shown.length);
    for (const { title, description } of shown)
      expect({ title, says: /\.$/.test(description ?? "") }).toEqual({ title, says: true });
  });

  test("fills its 24 columns without overlaps and without holes", () => {
    const taken = new Map<string, number>();
    for (const { id, gridPos } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x},${y}`)).toBeUndefined();
          taken.set(`${x},${y}`, id);
        }
      }
    }
    const bottom = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    expect(taken.size).toBe(24 * bottom);
  });

  test("has thresholds that rise", () => {
    for (const { fieldConfig } of panels) {
      const values = (fieldConfig?.defaults.thresholds?.steps ?? []).map(
        ({ value }) => value ?? Number.NEGATIVE_INFINITY,
      );
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
  });
});

test("every alert is linked from a panel that shows its figures, and links lead to alerts that there are", () => {
  const linked = new Set(
    DASHBOARDS.flatMap(({ rows }) =>
      rows.flatMap(({ panels }) => panels.flatMap(({ alert }) => alert ?? [])),
    ),
  );
  const alerts = new Set(ALERT_GROUPS.flatMap(({ rules }) => rules.map(({ name }) => name)));
  expect([...linked].filter((name) => !alerts.has(name))).toEqual([]);
  expect([...alerts].filter((name) => !linked.has(name)).sort()).toEqual([]);
});
