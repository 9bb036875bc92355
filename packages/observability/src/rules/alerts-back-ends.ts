// Owns: the alert about back ends that answer hooks and RPCs.
import { IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const BACK_END_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastBackEndAway",
    severity: "critical",
    expr: `max by (namespace, job, back_end) (holdfast_back_end_away) > 0`,
    for: "1m",
    summary: "A back end of the application does not answer Holdfast nodes",
    description: `Back end {{ $labels.back_end }}${IN_JOB} failed five times in a row. Hooks and RPCs that it answers are refused, or hooks are allowed, as its whenAway says.`,
  },
];
