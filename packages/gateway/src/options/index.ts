// Re-exports of the gateway's options. They open nothing.

export { COHORT_FIELDS, type CohortOptions } from "./cohorts.ts";
export {
  GATEWAY_OPTIONS,
  GATEWAY_SCOPES,
  type GatewayConfig,
  type GatewayKey,
  type GatewayScope,
} from "./gateway-options.ts";
export type { KeyOptions } from "./key.ts";
export { PROFILE_KINDS, type ProfileKind, type ProfileOptions } from "./profile-kinds.ts";
export { gatewayOptionsReference } from "./reference.ts";
export {
  CHECK_FIELDS,
  type CheckOptions,
  ROUTE_FIELDS,
  type RouteOptions,
} from "./route-fields.ts";
export { UPSTREAM_TLS_FIELDS, type UpstreamTlsOptions } from "./upstream-tls.ts";
