// Owns: the types of an alert and a recording rule, before they become a file.

/**
 * `critical`: a person must act now, because users are affected or soon will be. `warning`: a
 * person should look during working hours.
 */
export type Severity = "critical" | "warning";

/**
 * A condition on which a person can act. Its run book is docs/operations/alerts/<name in
 * kebab-case, without the prefix>.md.
 */
export interface AlertRule {
  /** `Holdfast` and the condition, in PascalCase. */
  readonly name: string;
  readonly severity: Severity;
  readonly expr: string;
  /**
   * How long the condition holds before the alert fires, as a Prometheus duration. Absent: at the
   * first evaluation.
   */
  readonly for?: string;
  /** One line without figures: it is what groups and subjects of messages show. */
  readonly summary: string;
  /** One or two sentences with the place and the figures, in Prometheus' templates. */
  readonly description: string;
}

/** A series that Prometheus computes, for programs that cannot compute it themselves. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  /** Why it is recorded and how it is computed; becomes a comment in the file. */
  readonly because: string;
}

export interface RuleGroup<Rule> {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** The name of the alert's run book, without its suffix: `HoldfastDrainStuck` has `drain-stuck`. */
export function runBookOf(alert: string): string {
  return alert
    .replace(/^Holdfast/, "")
    .replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`)
    .toLowerCase();
}
