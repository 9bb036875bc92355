// Owns: the dashboard about refused clients, tokens and keys.
import { type DashboardSpec, figure, line } from "./dashboard.ts";
import { REFUSED_HANDSHAKES } from "./panels.ts";
import { counted, named, of, quantile, rate, sum } from "./queries.ts";

export const SECURITY: DashboardSpec = {
  uid: "holdfast-security",
  title: "Holdfast / Security",
  description: "Refused handshakes, tokens, keys, certificates, rate limits and the HTTP API.",
  rows: [
    {
      title: "Now",
      panels: [
        figure("Certificate, until it ends", {
          description: "The certificate that ends first, of all nodes with TLS.",
          unit: "dtdurations",
          queries: [
            {
              expr: `min(${named(`(${of("holdfast_certificate_expiry_timestamp_seconds")} > 0) - time()`)})`,
              legend: "ends in",
            },
          ],
          thresholds: { warn: 14 * 86_400, bad: 3 * 86_400, below: true },
          width: 8,
          alert: "HoldfastCertificateExpiring",
        }),
        figure("Tokens refused", {
          description: "Tokens and resume tokens within the shown time.",
          unit: "short",
          queries: [{ expr: sum(counted("holdfast_auth_failures_total")), legend: "refused" }],
          width: 8,
          alert: "HoldfastTokensRefused",
        }),
        figure("Key fetches that failed", {
          description: "Fetches of auth.jwt.jwksUrl within the shown time.",
          unit: "short",
          queries: [
            {
              expr: sum(counted("holdfast_jwks_fetches_total", `outcome="failed"`)),
              legend: "failed",
            },
          ],
          thresholds: { bad: 1 },
          width: 8,
          alert: "HoldfastKeysOutOfReach",
        }),
      ],
    },
    {
      title: "At the door",
      panels: [
        REFUSED_HANDSHAKES,
        line("Refused before the upgrade", {
          description:
            "origin: a page that allowedOrigins does not name. full: the node is at its limit. not_websocket: the request is no WebSocket.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_sockets_refused_total"), "reason"), legend: "{{reason}}" },
          ],
          alert: "HoldfastOriginsRefused",
        }),
        line("Token failures by code", {
          description:
            "resume_rejected is usual after a long absence. Many token_expired: clocks differ, or clients do not refresh.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_auth_failures_total"), "code"), legend: "{{code}}" },
          ],
          alert: "HoldfastTokensRefused",
        }),
      ],
    },
    {
      title: "Back ends of the application",
      panels: [
        line("Questions by outcome", {
          description:
            "rejected: it refused the client. failed, timeout, unreachable: no answer. open: it is left alone. full: too many wait for it.",
          unit: "cps",
          queries: [
            {
              expr: sum(rate("holdfast_back_end_requests_total"), "back_end, outcome"),
              legend: "{{back_end}} {{outcome}}",
            },
          ],
          alert: "HoldfastBackEndAway",
        }),
        line("Answers, 95 of 100 within", {
          description: "Time until a back end has answered, or until it is known that it will not.",
          unit: "s",
          queries: [
            {
              expr: quantile(0.95, "holdfast_back_end_seconds", "back_end"),
              legend: "{{back_end}}",
            },
          ],
        }),
        line("Left alone", {
          description: "1 on a node for which the back end failed five times in a row.",
          unit: "short",
          queries: [
            {
              expr: `max by (back_end) (${of("holdfast_back_end_away")})`,
              legend: "{{back_end}}",
            },
          ],
          alert: "HoldfastBackEndAway",
        }),
      ],
    },
    {
      title: "Inside",
      panels: [
        line("Requests refused for a right or a rate", {
          description:
            "permission_denied: a token without the capability. rate_limited: over the connection's rate.",
          unit: "cps",
          queries: [
            {
              expr: `${sum(rate("holdfast_request_failures_total", `code=~"permission_denied|rate_limited|payload_too_large|payload_invalid|frame_invalid"`), "code")} > 0`,
              legend: "{{code}}",
            },
          ],
        }),
        line("Connections ended for what the client did", {
          description:
            "flooded: the client was far over its rates for long. frame_invalid: it does not speak the protocol. banned: an operator ended it.",
          unit: "cps",
          queries: [
            {
              expr: `${sum(rate("holdfast_connections_ended_total", `code=~"flooded|frame_invalid|frame_too_large|banned|token_expired|idle_timeout"`), "code")} > 0`,
              legend: "{{code}}",
            },
          ],
        }),
        line("HTTP API by status", {
          description:
            "401: the key is wrong. 403: the key lacks the scope. 429: the key is over its rate.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_http_requests_total"), "status"), legend: "{{status}}" },
          ],
        }),
        line("HTTP API, 95 of 100 within", {
          description:
            "Time from a request's arrival to its answer, by operation. none: the path is no operation.",
          unit: "s",
          queries: [
            { expr: quantile(0.95, "holdfast_http_request_seconds", "route"), legend: "{{route}}" },
          ],
        }),
        line("Key fetches", {
          description:
            "Fetches of auth.jwt.jwksUrl. If they fail, the node cannot check tokens that are signed with new keys.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_jwks_fetches_total"), "outcome"), legend: "{{outcome}}" },
          ],
          alert: "HoldfastKeysOutOfReach",
        }),
        line("Log lines held back", {
          description:
            "If the same event comes too often, the node counts it and does not write it.",
          unit: "cps",
          queries: [
            { expr: sum(rate("holdfast_log_suppressed_total"), "node"), legend: "{{node}}" },
          ],
        }),
      ],
    },
  ],
};
