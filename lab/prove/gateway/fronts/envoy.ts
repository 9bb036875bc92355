// Owns: Envoy before the same servers. Its endpoints come from a file, which it watches.
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programOf } from "../apps/programs.ts";
import type { FrontPlace } from "../front.ts";
import type { ProxyDialect } from "./proxy-process.ts";

const TYPES = "type.googleapis.com/envoy";
/** Its own limits are for a thousand connections. */
const MANY = 20_000;

const fileOf = ({ folder }: FrontPlace): string => join(folder, "envoy.json");
const endpointsOf = ({ folder }: FrontPlace): string => join(folder, "endpoints.json");

const socketAddress = (address: string): unknown => {
  const [host, port] = address.split(":");
  return { socket_address: { address: host, port_value: Number(port) } };
};

function listener({ port, app }: FrontPlace): unknown {
  const hash =
    app.keyQuery === undefined
      ? {}
      : { hash_policy: [{ query_parameter: { name: app.keyQuery } }] };
  const route = { cluster: "app", timeout: "0s", ...hash };
  const virtualHost = {
    ...{ name: "app", domains: ["*"] },
    routes: [{ match: { prefix: "/" }, route }],
  };
  const manager = {
    "@type": `${TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    ...{ stat_prefix: "proof", stream_idle_timeout: "0s" },
    upgrade_configs: [{ upgrade_type: "websocket" }],
    route_config: { virtual_hosts: [virtualHost] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": `${TYPES}.extensions.filters.http.router.v3.Router` },
      },
    ],
  };
  return {
    address: socketAddress(`127.0.0.1:${port}`),
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
      },
    ],
  };
}

function cluster(place: FrontPlace): unknown {
  const limits = { max_connections: MANY, max_pending_requests: MANY, max_requests: MANY };
  const file = { path_config_source: { path: endpointsOf(place) }, resource_api_version: "V3" };
  return {
    ...{ name: "app", type: "EDS", connect_timeout: "5s" },
    lb_policy: place.app.keyQuery === undefined ? "LEAST_REQUEST" : "RING_HASH",
    eds_cluster_config: { eds_config: file },
    circuit_breakers: { thresholds: [limits] },
  };
}

export const envoy: ProxyDialect = {
  name: "envoy",
  command(place) {
    const config = {
      node: { id: "proof", cluster: "proof" },
      static_resources: { listeners: [listener(place)], clusters: [cluster(place)] },
    };
    writeFileSync(fileOf(place), JSON.stringify(config));
    const program = programOf("ENVOY", "envoy");
    const options = ["--concurrency", "1", "--log-level", "critical", "--use-dynamic-base-id"];
    return { command: [program, "-c", fileOf(place), ...options] };
  },
  write(place, endpoints) {
    const lb_endpoints = endpoints.map((address) => ({
      endpoint: { address: socketAddress(address) },
    }));
    const assignment = {
      "@type": `${TYPES}.config.endpoint.v3.ClusterLoadAssignment`,
      ...{ cluster_name: "app", endpoints: [{ lb_endpoints }] },
    };
    const file = endpointsOf(place);
    writeFileSync(`${file}.new`, JSON.stringify({ resources: [assignment] }));
    // It sees a file that was moved, and none that was written.
    renameSync(`${file}.new`, file);
  },
};
