// Owns: the generated parts of documents: the head of each run book, and the table of all alerts.
// People write the rest.
import { ALERT_GROUPS } from "./rules/alerts.ts";
import { type AlertRule, runBookOf } from "./rules/rule.ts";

const BEGIN = "<!-- rule: generated from packages/observability -->";
const END = "<!-- /rule -->";
const FOLDER = "docs/operations/alerts";

export interface GeneratedDocument {
  /** From the root of the repository. */
  readonly path: string;
  /** The document as it should be, from its present text. */
  readonly text: (found: string) => string;
}

export function observabilityDocuments(): readonly GeneratedDocument[] {
  const alerts = ALERT_GROUPS.flatMap(({ rules }) => rules);
  return [
    ...alerts.map((rule) => ({
      path: `${FOLDER}/${runBookOf(rule.name)}.md`,
      text: (found: string) => within(found, head(rule)),
    })),
    { path: "docs/operations/observe.md", text: (found) => within(found, table(alerts)) },
  ];
}

/** A document without the markers is left as it is: tests say what it lacks. */
function within(found: string, part: string): string {
  const [begin, end] = [found.indexOf(BEGIN), found.indexOf(END)];
  return begin < 0 || end < begin
    ? found
    : `${found.slice(0, begin + BEGIN.length)}\n\n${part}\n\n${found.slice(end)}`;
}

function head(rule: AlertRule): string {
  const holds = rule.for === undefined ? "fires at once" : `fires when it has held for ${rule.for}`;
  return `${rule.summary}.\nSeverity **${rule.severity}**, ${holds}:\n\n\`\`\`promql\n${rule.expr}\n\`\`\``;
}

function table(alerts: readonly AlertRule[]): string {
  const rows = alerts.map(
    ({ name, severity, summary }) =>
      `| [${name}](alerts/${runBookOf(name)}.md) | ${severity} | ${summary} |`,
  );
  return ["| alert | severity | when |", "| --- | --- | --- |", ...rows].join("\n");
}
