// Owns: the forms of the dashboards' queries: the selection by variables, and the names of nodes
// and revisions, which only holdfast_build_info has.

const CHOSEN = `namespace=~"$namespace",job=~"$job"`;

/** A metric of the chosen jobs. */
export function of(metric: string, matchers = ""): string {
  return `${metric}{${CHOSEN}${matchers === "" ? "" : `,${matchers}`}}`;
}

/** A counter's events a second. */
export function rate(metric: string, matchers = ""): string {
  return `rate(${of(metric, matchers)}[$__rate_interval])`;
}

/** A counter's events within the range that the dashboard shows. */
export function counted(metric: string, matchers = ""): string {
  return `increase(${of(metric, matchers)}[$__range])`;
}

/** A counter's events between two points of the drawing: for those that are counted one by one. */
export function events(metric: string, matchers = ""): string {
  return `increase(${of(metric, matchers)}[$__rate_interval])`;
}

/** The same, for the chosen nodes and revisions, with labels `node` and `revision`. */
export function named(expr: string): string {
  return `(${expr}) * on (namespace, job, instance) group_left (node, revision) ${of("holdfast_build_info", `node=~"$node",revision=~"$revision"`)}`;
}

/** The sum over the selected series, separate for each value of `labels`. */
export function sum(expr: string, ...labels: readonly string[]): string {
  return `sum${labels.length === 0 ? "" : ` by (${labels.join(", ")})`} (${named(expr)})`;
}

/** The largest of the selected series, separate for each value of `labels`. */
export function largest(expr: string, ...labels: readonly string[]): string {
  return `max${labels.length === 0 ? "" : ` by (${labels.join(", ")})`} (${named(expr)})`;
}

/** A quantile of a histogram over the selected series. */
export function quantile(q: number, metric: string, ...labels: readonly string[]): string {
  return `histogram_quantile(${q}, ${sum(rate(`${metric}_bucket`), "le", ...labels)})`;
}
