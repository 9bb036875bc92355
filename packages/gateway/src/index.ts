// Owns: what the package exports: the parts of a gateway.
export type { Caller, ControlKeys } from "./control/ports.ts";
export { renderGatewayApiReference, renderGatewayOpenApi } from "./control/reference.ts";
export {
  type Discovery,
  type DiscoveryNeeds,
  ENDPOINTS_MAX,
} from "./discovery/discovery.ts";
export { KubernetesDiscovery } from "./discovery/kubernetes.ts";
export type { ServiceKind, ServiceOptions } from "./discovery/service.ts";
export { SERVICE_KINDS } from "./discovery/service-kinds.ts";
export type { GatewayEvents } from "./gateway-events.ts";
export {
  GATEWAY_LABELS,
  GATEWAY_METRICS,
  type GatewayLabel,
  type GatewayMetricName,
  type GatewayMetricRow,
} from "./metrics/table.ts";
export { type GatewayNeeds, GatewayProgram } from "./program.ts";
export { GatewayStartError } from "./start-error.ts";
export { readRouteTls } from "./tls/route-tls.ts";
export { TlsFileError } from "./tls/tls-files.ts";
