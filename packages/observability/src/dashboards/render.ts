// Owns: dashboards as the JSON that Grafana imports, made with Grafana's own builders so that the
// compiler checks the form. Pure.
import type { Builder } from "@grafana/grafana-foundation-sdk/cog";
import * as common from "@grafana/grafana-foundation-sdk/common";
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
} from "@grafana/grafana-foundation-sdk/common";
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatBuilder } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeSeriesBuilder } from "@grafana/grafana-foundation-sdk/timeseries";
import { runBookOf } from "../rules/rule.ts";
import type { DashboardSpec, PanelSpec } from "./dashboard.ts";
import { of } from "./queries.ts";

const SOURCE = { type: "prometheus", uid: "$" + "{datasource}" };
const HEIGHT = { line: 8, area: 8, figure: 4 };
const WIDTH = { line: 8, area: 8, figure: 4 };

/** The file's text, with its closing line feed. */
export function renderDashboard(spec: DashboardSpec, runBookBase: string): string {
  const builder = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags(["holdfast"])
    .timezone("browser")
    .refresh("30s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder("Holdfast")
        .type(DashboardLinkType.Dashboards)
        .tags(["holdfast"])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    )
    .annotation(MARKS[spec.about ?? "nodes"]());
  for (const variable of variables(spec.about)) builder.withVariable(variable);
  let id = 1;
  for (const { title, panels } of spec.rows) {
    builder.withRow(new RowBuilder(title).id(id++));
    for (const panel of panels) builder.withPanel(panelOf(panel, id++, runBookBase));
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}

/**
 * The start of each drain, as a mark in every panel: an unusual figure during a deploy is often due
 * to the deploy.
 */
function drains(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name("Drains")
    .datasource(SOURCE)
    .enable(true)
    .iconColor("orange")
    .expr(`increase(${of("holdfast_drain_steps_total", 'step="started"')}[1m]) > 0`)
    .titleFormat("a drain began")
    .tagKeys("instance")
    .step("30s");
}

/** The beginning and the end of each release. */
function releases(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name("Releases")
    .datasource(SOURCE)
    .enable(true)
    .iconColor("orange")
    .expr(
      `sum by (set, reason) (increase(holdfast_set_told_total{set=~"$set",reason=~"Release.+|RolledBack"}[1m])) > 0`,
    )
    .titleFormat("{{reason}}")
    .tagKeys("set")
    .step("30s");
}

/** Servers behind gateways whose clients move away. */
function departures(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name("Servers that are drained")
    .datasource(SOURCE)
    .enable(true)
    .iconColor("orange")
    .expr(
      `sum by (route) (increase(${of("holdfast_gateway_moves_total", 'cause="drain"')}[1m])) > 0`,
    )
    .titleFormat("clients of {{route}} move")
    .tagKeys("route")
    .step("30s");
}

const MARKS = { nodes: drains, sets: releases, gateways: departures } as const;

function variables(
  about: DashboardSpec["about"],
): (DatasourceVariableBuilder | QueryVariableBuilder)[] {
  const choice = (name: string, expr: string): QueryVariableBuilder => {
    const query = `label_values(${expr}, ${name})`;
    return new QueryVariableBuilder(name)
      .label(name)
      .datasource(SOURCE)
      .query(query)
      .definition(query)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .sort(VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .allValue(".*")
      .current({ text: "All", value: "$__all", selected: true });
  };
  const source = about === "gateways" ? "holdfast_gateway_ready" : "holdfast_build_info";
  return [
    new DatasourceVariableBuilder("datasource").label("data source").type("prometheus"),
    choice("namespace", source),
    choice("job", `${source}{namespace=~"$namespace"}`),
    ...(about === "sets"
      ? [choice("set", "holdfast_set_replicas")]
      : about === "gateways"
        ? [choice("route", of("holdfast_gateway_clients"))]
        : [
            choice("revision", of("holdfast_build_info")),
            choice("node", of("holdfast_build_info", `revision=~"$revision"`)),
          ]),
  ];
}

function panelOf(spec: PanelSpec, id: number, runBookBase: string): Builder<Panel> {
  const builder = spec.form === "figure" ? figureOf() : linesOf(spec);
  builder
    .id(id)
    .title(spec.title)
    .description(spec.description)
    .datasource(SOURCE)
    .unit(spec.unit)
    .span(spec.width ?? WIDTH[spec.form])
    .height(HEIGHT[spec.form]);
  if (spec.form !== "figure" && spec.unit !== "none") builder.min(0);
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.thresholds !== undefined) builder.thresholds(thresholdsOf(spec.thresholds));
  if (spec.alert !== undefined)
    builder.links([
      new DashboardLinkBuilder(`Run book: ${spec.alert}`)
        .url(`${runBookBase}${runBookOf(spec.alert)}.md`)
        .targetBlank(true),
    ]);
  for (const [index, { expr, legend }] of spec.queries.entries()) {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .datasource(SOURCE)
      .expr(expr)
      .legendFormat(legend);
    builder.withTarget(spec.form === "figure" ? query.instant() : query.range());
  }
  return builder;
}

function figureOf(): StatBuilder {
  return new StatBuilder()
    .graphMode(BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(["lastNotNull"]))
    .noValue("none");
}

function linesOf(spec: PanelSpec): TimeSeriesBuilder {
  const builder = new TimeSeriesBuilder()
    .lineWidth(1)
    .fillOpacity(spec.form === "area" ? 40 : 8)
    .showPoints(VisibilityMode.Never)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .calcs(["lastNotNull", "max"])
        .sortBy("Max")
        .sortDesc(true),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(TooltipDisplayMode.Multi)
        .sort(SortOrder.Descending),
    );
  if (spec.form === "area")
    builder.stacking(new common.StackingConfigBuilder().mode(StackingMode.Normal).group("A"));
  if (spec.thresholds !== undefined)
    builder.thresholdsStyle(
      new common.GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
    );
  return builder;
}

function thresholdsOf({
  warn,
  bad,
  below,
}: NonNullable<PanelSpec["thresholds"]>): ThresholdsConfigBuilder {
  const steps = below
    ? [
        { value: null, color: "red" },
        ...(warn === undefined ? [] : [{ value: bad, color: "yellow" }]),
        { value: warn ?? bad, color: "green" },
      ]
    : [
        { value: null, color: "green" },
        ...(warn === undefined ? [] : [{ value: warn, color: "yellow" }]),
        { value: bad, color: "red" },
      ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
