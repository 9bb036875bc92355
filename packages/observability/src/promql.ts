// Owns: reading queries with Prometheus' own grammar: the series that they select, and their
// durations.
import { parser } from "@prometheus-io/lezer-promql";

export interface Selector {
  readonly metric: string;
  /** Labels that its matchers name. */
  readonly labels: readonly string[];
}

export interface QueryParts {
  /** Syntax errors: the text at which the parser stopped; empty for a valid query. */
  readonly errors: readonly string[];
  readonly selectors: readonly Selector[];
  /** Labels that groupings name: by, without, on, ignoring, group_left. */
  readonly grouped: readonly string[];
  /** Ranges and offsets: their place and their duration as it is written. */
  readonly durations: readonly {
    readonly from: number;
    readonly to: number;
    readonly text: string;
  }[];
}

/**
 * Grafana's variables are in places where the grammar expects a duration or a text. They are
 * replaced by a duration whose text has the same length.
 */
export function plainQuery(query: string): string {
  return query.replaceAll(/\$__(rate_interval|interval|range)\b/g, "5m");
}

export function queryParts(text: string): QueryParts {
  const query = plainQuery(text);
  const errors: string[] = [];
  const selectors: { metric: string; labels: string[] }[] = [];
  const grouped: string[] = [];
  const durations: { from: number; to: number; text: string }[] = [];
  parser.parse(query).iterate({
    enter(node) {
      const found = query.slice(node.from, node.to);
      if (node.type.isError) errors.push(query.slice(node.from, node.from + 30));
      if (node.name === "VectorSelector") selectors.push({ metric: "", labels: [] });
      if (node.name === "Identifier" && node.node.parent?.name === "VectorSelector") {
        const selector = selectors.at(-1);
        if (selector !== undefined) selector.metric = found;
      }
      if (node.name === "LabelName") {
        if (node.node.parent?.name === "GroupingLabels") grouped.push(found);
        else selectors.at(-1)?.labels.push(found);
      }
      if (node.name === "NumberDurationLiteralInDurationContext")
        durations.push({ from: node.from, to: node.to, text: found });
    },
  });
  return { errors, selectors, grouped, durations };
}
