// Owns: rules as the YAML files that Prometheus reads. Pure.
import { stringify } from "yaml";
import { ALERT_GROUPS } from "./alerts.ts";
import { RECORDING_GROUPS } from "./recording.ts";
import { type AlertRule, runBookOf } from "./rule.ts";

/**
 * A placeholder that users replace with the address of their copy of the run books; the
 * documentation says how.
 */
export const RUN_BOOK_BASE = "https://holdfast.example/docs/operations/alerts/";

const GENERATED =
  "# Generated from packages/observability by `npm run generate`; a check compares the two.\n";

/** `runBookBase`: the address before the run books' names, with its closing slash. */
export function renderAlerts(runBookBase: string = RUN_BOOK_BASE, of = ALERT_GROUPS): string {
  const groups = of.map(({ name, rules }) => ({
    name,
    rules: rules.map((rule) => alertEntry(rule, runBookBase)),
  }));
  return `${GENERATED}# Run books: docs/operations/alerts. Replace ${runBookBase} with the address of your copy of them.\n${write({ groups })}`;
}

export function renderRecording(): string {
  const comments = RECORDING_GROUPS.flatMap(({ rules }) =>
    rules.map(({ record, because }) => `#\n# ${record}\n${because.replaceAll(/^/gm, "# ")}\n`),
  );
  const groups = RECORDING_GROUPS.map(({ name, rules }) => ({
    name,
    rules: rules.map(({ record, expr }) => ({ record, expr })),
  }));
  return `${GENERATED}${comments.join("")}${write({ groups })}`;
}

function alertEntry(rule: AlertRule, runBookBase: string): object {
  return {
    alert: rule.name,
    expr: rule.expr,
    ...(rule.for === undefined ? {} : { for: rule.for }),
    labels: { severity: rule.severity },
    annotations: {
      summary: rule.summary,
      description: rule.description,
      runbook_url: `${runBookBase}${runBookOf(rule.name)}.md`,
    },
  };
}

const write = (content: object): string =>
  stringify(content, { lineWidth: 0, blockQuote: "literal" });
