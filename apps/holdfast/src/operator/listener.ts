// Owns: the operator's listener: health for the kubelet, figures for Prometheus.
import type { OperatorState } from "@holdfast/operator-runtime";
import type { OperatorMetrics } from "./metrics.ts";

export interface ListenerParts {
  readonly host: string;
  readonly port: number;
  readonly state: () => OperatorState;
  /** Streams that are open on the external scaler; undefined: it does not listen. */
  readonly streams: () => number | undefined;
  readonly metrics: Pick<OperatorMetrics, "render">;
}

/** An operator that hears nothing for so long is started anew. */
const DEAF_MS = 600_000;

/**
 * `/livez`: 200, or 503 if no watch has heard anything for ten minutes. `/readyz`: 200 when every
 * kind was listed, also on an operator that does not lead. Throws if the port cannot be had.
 */
export function listen({ host, port, state, streams, metrics }: ListenerParts) {
  const health = (isOk: boolean): Response =>
    Response.json({ ok: isOk, ...state() }, { status: isOk ? 200 : 503 });
  return Bun.serve({
    hostname: host,
    port,
    async fetch(request) {
      if (request.method !== "GET" && request.method !== "HEAD")
        return new Response("expected GET\n", { status: 405, headers: { allow: "GET, HEAD" } });
      switch (URL.canParse(request.url) ? new URL(request.url).pathname : "") {
        case "/livez": {
          const { unsynced, staleMs } = state();
          return health(unsynced.length > 0 || staleMs < DEAF_MS);
        }
        case "/readyz":
          return health(state().unsynced.length === 0);
        case "/metrics": {
          const { contentType, text } = await metrics.render(state(), streams());
          return new Response(text, {
            headers: { "content-type": contentType, "cache-control": "no-store" },
          });
        }
        default:
          return new Response("expected /livez, /readyz or /metrics\n", { status: 404 });
      }
    },
  });
}
