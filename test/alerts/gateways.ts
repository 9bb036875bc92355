// Owns: a page with every series of a gateway with which nothing is wrong, for queries alone.
import { GATEWAY_METRICS, type GatewayLabel } from "@holdfast/gateway";
import type { WatchedOperator } from "./operators.ts";

/** A value for each label, those of whatever the dashboards ask for. */
const LABELS: Readonly<Record<GatewayLabel, readonly string[]>> = {
  route: ["game"],
  cause: ["drain", "lost"],
  status: ["503"],
  why: ["room"],
  code: ["1000", "1012"],
  by: ["client", "gateway"],
  state: ["taking", "leaving"],
  endpoint: ["10.0.0.1:8080"],
  direction: ["in", "out"],
  outcome: ["taken", "obeyed", "well"],
};
/** All others are 0: nothing is wrong, and limits are far. */
const ONE = /_ready$|_clients$|_endpoints$|_endpoint_connections$/;
const figureOf = (name: string): number => (name.endsWith("_max") ? 100 : ONE.test(name) ? 1 : 0);

export function startGatewayPage(): WatchedOperator {
  const lines = Object.entries(GATEWAY_METRICS).flatMap(([name, { type, labels }]) => {
    const series = labels.reduce<readonly string[]>(
      (all, label) =>
        all.flatMap((one) => LABELS[label].map((text) => `${one}${label}="${text}",`)),
      [""],
    );
    if (type === "histogram")
      return series.flatMap((inside) => [
        `${name}_bucket{${inside}le="+Inf"} 1`,
        `${name}_sum{${inside}} 1`,
        `${name}_count{${inside}} 1`,
      ]);
    return series.map((inside) => `${name}{${inside}} ${figureOf(name)}`);
  });
  const text = `${lines.join("\n")}\n`;
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: () => new Response(text, { headers: { "content-type": "text/plain; version=0.0.4" } }),
  });
  return {
    internalUrl: `http://127.0.0.1:${server.port}`,
    ...{ pod: "pod-gateway", namespace: "gateways" },
    stop: () => server.stop(true),
  };
}
