// Owns: the internal listener's answers: /livez, /readyz, /metrics.
import { randomUUID } from "node:crypto";
import type { ServerEvents } from "../events.ts";
import type { Metrics } from "../metrics/index.ts";
import { jsonAnswer, problemAnswer } from "./answers.ts";
import type { Readiness } from "./readiness.ts";

export interface InternalOptions {
  readonly readiness: Pick<Readiness, "check">;
  /** Absent: /metrics is not there. */
  readonly metrics?: Pick<Metrics, "render">;
  readonly events?: Pick<ServerEvents, "apiFailed">;
}

/**
 * Answers requests to the internal listener. Never rejects. `/livez`: 200 as long as the process
 * answers; `/readyz`: 200 or 503, with a JSON body that says why.
 */
export function createInternalHandler(
  options: InternalOptions,
): (request: Request) => Promise<Response> {
  const pages: ReadonlyMap<string, () => Promise<Response>> = new Map([
    ["/livez", async () => jsonAnswer({ alive: true }, 200)],
    ["/readyz", async () => readyAnswer(options.readiness)],
    ...metricsPage(options.metrics),
  ]);
  return async (request) => {
    const requestId = randomUUID();
    // Made of the Host header, which may hold anything.
    if (!URL.canParse(request.url))
      return problemAnswer(
        { code: "request_invalid", detail: "the Host header is no host" },
        requestId,
      );
    try {
      const { pathname } = new URL(request.url);
      const page = pages.get(pathname);
      if (page === undefined)
        return problemAnswer(
          { code: "not_found", detail: `expected ${[...pages.keys()].join(", ")}` },
          requestId,
        );
      if (request.method !== "GET" && request.method !== "HEAD") {
        return problemAnswer(
          { code: "method_not_allowed", detail: "expected GET or HEAD" },
          requestId,
          { allow: "GET, HEAD" },
        );
      }
      return await page();
    } catch (error) {
      options.events?.apiFailed({ requestId, error });
      return problemAnswer(
        { code: "internal", detail: "see the node's log for the request id" },
        requestId,
      );
    }
  };
}

async function readyAnswer(readiness: Pick<Readiness, "check">): Promise<Response> {
  const report = await readiness.check();
  return jsonAnswer(report, report.ready ? 200 : 503);
}

function metricsPage(
  metrics: Pick<Metrics, "render"> | undefined,
): [string, () => Promise<Response>][] {
  if (metrics === undefined) return [];
  const page = async (): Promise<Response> => {
    const { contentType, text } = await metrics.render();
    return new Response(text, {
      headers: { "content-type": contentType, "cache-control": "no-store" },
    });
  };
  return [["/metrics", page]];
}
