// Owns: alerts about tokens, keys, certificates and missing permissions.
import { AT_NODE, IN_JOB } from "./places.ts";
import type { AlertRule } from "./rule.ts";

export const SECURITY_ALERTS: readonly AlertRule[] = [
  {
    name: "HoldfastTokensRefused",
    severity: "warning",
    // Resume tokens that are refused are left out: after a long absence that is normal, and the
    // client comes with its token.
    expr: `sum by (namespace, job) (rate(holdfast_auth_failures_total{code=~"token_invalid|token_expired"}[5m]))
/
(sum by (namespace, job) (rate(holdfast_handshakes_total[5m])) > 0.1)
> 0.2`,
    for: "10m",
    summary: "Holdfast refuses many tokens",
    description: `{{ $value | humanizePercentage }} as many tokens as there are connection attempts${IN_JOB} are refused. The cause is a mistake of the issuer, clocks that differ, or somebody who guesses.`,
  },
  {
    name: "HoldfastKeysOutOfReach",
    severity: "critical",
    // A single failed fetch may be a short fault of the network. Fetches are made when a token
    // needs them, so the next one may come much later.
    expr: `increase(holdfast_jwks_fetches_total{outcome="failed"}[10m]) > 1.5
unless ignoring (outcome)
increase(holdfast_jwks_fetches_total{outcome="ok"}[10m]) > 0`,
    for: "5m",
    summary: "A Holdfast node cannot fetch the keys that tokens are checked with",
    description: `${AT_NODE} cannot read auth.jwt.jwksUrl. Keys that it has still work. Clients whose tokens are signed with others are told to come back later.`,
  },
  {
    name: "HoldfastCertificateExpiring",
    severity: "warning",
    expr: `(holdfast_certificate_expiry_timestamp_seconds > 0) - time() < 14 * 86400`,
    for: "1h",
    summary: "The certificate of a Holdfast node ends soon",
    description: `The certificate that ${AT_NODE} shows to clients ends in {{ $value | humanizeDuration }}. A node reads it when it starts. Renew it and restart the nodes by a rollout.`,
  },
  {
    name: "HoldfastOriginsRefused",
    severity: "warning",
    expr: `sum by (namespace, job) (rate(holdfast_sockets_refused_total{reason="origin"}[10m])) > 1`,
    for: "15m",
    summary: "Holdfast refuses pages of foreign origins",
    description: `{{ $value | printf "%.1f" }} requests a second${IN_JOB} come from pages of origins that allowedOrigins does not name. Either a page of yours moved, or the page is foreign.`,
  },
];
