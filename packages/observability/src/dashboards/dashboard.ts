// Owns: the type of a dashboard: rows of panels, each with its queries, its unit and its
// description.

export type Unit = "short" | "percentunit" | "s" | "bytes" | "ops" | "none" | "cps" | "dtdurations";

export interface Query {
  readonly expr: string;
  /** Grafana's template of the series' names. */
  readonly legend: string;
}

export interface PanelSpec {
  readonly title: string;
  /** What it shows, and how to judge it. */
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** `line` over time; `area` stacked over time; `figure`: the newest value, large. */
  readonly form: "line" | "area" | "figure";
  /**
   * Yellow from the first value, red from the second. `below`: the colours apply at or below these
   * values.
   */
  readonly thresholds?: { readonly warn?: number; readonly bad: number; readonly below?: true };
  /** Columns of 24. Default: 8 for lines and areas, 4 for figures. */
  readonly width?: number;
  readonly max?: number;
  /** An alert whose run book belongs to it. */
  readonly alert?: string;
}

export interface DashboardSpec {
  /** File and address in Grafana. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /**
   * What one chooses besides namespace and job: nodes (absent), RealtimeSets, or routes of
   * gateways, whose own namespace and job those are.
   */
  readonly about?: "sets" | "gateways";
  readonly rows: readonly { readonly title: string; readonly panels: readonly PanelSpec[] }[];
}

type PanelOptions = Omit<PanelSpec, "form" | "title">;

export const line = (title: string, options: PanelOptions): PanelSpec => ({
  ...options,
  title,
  form: "line",
});
export const area = (title: string, options: PanelOptions): PanelSpec => ({
  ...options,
  title,
  form: "area",
});
export const figure = (title: string, options: PanelOptions): PanelSpec => ({
  ...options,
  title,
  form: "figure",
});
