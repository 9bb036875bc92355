// Owns: every event of the gateway that gets a line in the log.
import type { GatewayEvents } from "@holdfast/gateway";
import type { Logger } from "@holdfast/server";

export function gatewayEvents(log: Logger): GatewayEvents {
  return {
    listening: (fields) => log.info("gateway_listening", fields),
    endpointsChanged: (fields) =>
      fields.taking === 0
        ? log.warn("endpoints_changed", fields)
        : log.info("endpoints_changed", fields),
    discoveryTrouble: (fields) => log.warn("discovery_trouble", fields),
    discoveryWell: (fields) => log.info("discovery_well", fields),
    moveFailed: (fields) => log.debug("move_failed", fields),
    tlsFilesChanged: (fields) => log.info("tls_files_changed", fields),
    tlsFilesRefused: (fields) => log.warn("tls_files_refused", fields),
    answered: (fields) => log.debug("request_answered", fields),
    upstreamFailed: (fields) => log.debug("upstream_failed", fields),
    routesChanged: ({ added, changed, removed }) =>
      log.info("routes_changed", {
        added: added.join(" "),
        changed: changed.join(" "),
        removed: removed.join(" "),
      }),
    routeEmptied: (fields) => log.info("route_emptied", fields),
    ordered: (fields) => log.info("endpoint_ordered", fields),
    sessionEnded: (fields) => log.info("session_ended", fields),
    bug: (fields) => log.error("gateway_bug", fields),
  };
}
