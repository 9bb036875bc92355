// Owns: the rows of the table of metrics that are about back ends of the application.
import { type MetricRow, row } from "./row.ts";

export const BACK_END_METRICS = {
  holdfast_back_end_requests_total: row(
    "counter",
    "requests",
    ["back_end", "question", "outcome"],
    "Questions for a back end. The outcome is `ok`, `rejected` (it refused the client), `refused` (another 4xx), `failed` (429, 5xx), `timeout`, `unreachable`, `unreadable`, `open` (it is left alone), `full` or `cancelled`.",
  ),
  holdfast_back_end_seconds: row(
    "histogram",
    "seconds",
    ["back_end"],
    "Time until a back end has answered, or until it is known that it will not.",
  ),
  holdfast_back_end_away: row(
    "gauge",
    "0 or 1",
    ["back_end"],
    "1 while a back end is left alone, because it has failed five times in a row.",
  ),
} as const satisfies Record<string, MetricRow>;
