// Owns: panels that are on more than one dashboard.
import { line } from "./dashboard.ts";
import { of, quantile, rate, sum } from "./queries.ts";

export const EVENT_LOOP_LAG = line("Event-loop lag, 99 of 100 within", {
  description:
    "How late a timer fires. Everything that a node delivers waits for as long, so its clients seem slow.",
  unit: "s",
  queries: [
    { expr: quantile(0.99, "holdfast_event_loop_lag_seconds", "node"), legend: "{{node}}" },
  ],
  thresholds: { bad: 0.25 },
  alert: "HoldfastEventLoopLag",
});

export const QUEUED_BYTES = line("Bytes queued for clients", {
  description:
    "Bytes queued for clients that the network has not taken yet. On one node alone: its network or its processor. On all: what is published, or the clients' own network.",
  unit: "bytes",
  queries: [{ expr: sum(of("holdfast_queue_bytes"), "node"), legend: "{{node}}" }],
});

export const REFUSED_HANDSHAKES = line("Refused handshakes by code", {
  description:
    "try_later and connection_limit: no room. draining is usual in a deploy: a new client came to a node that drains, and goes to another. Codes of tokens: the token was not good.",
  unit: "cps",
  queries: [
    {
      expr: `${sum(rate("holdfast_handshakes_total", `outcome="refused"`), "code")} > 0`,
      legend: "{{code}}",
    },
  ],
  alert: "HoldfastHandshakesRefused",
});

export const RECOVERIES = line("Recoveries by outcome", {
  description:
    "Subscriptions that came back with a position. full: everything was delivered, later. gap: the history was too short.",
  unit: "cps",
  queries: [
    {
      expr: sum(rate("holdfast_recoveries_total"), "outcome", "revision"),
      legend: "{{outcome}} {{revision}}",
    },
  ],
  alert: "HoldfastGaps",
});
