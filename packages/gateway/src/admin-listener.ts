// Owns: the admin listener: health for the kubelet, figures for Prometheus, the control API.
import type { Server } from "bun";
import { AdminRequests } from "./admin-requests.ts";
import { ControlApi } from "./control/control-api.ts";
import { OPENAPI_PATH, openApiDocument } from "./control/openapi.ts";
import type { ControlKeys, ControlNeeds } from "./control/ports.ts";
import { problem } from "./control/problem.ts";
import type { GatewayFigures, GatewayMetrics } from "./metrics/metrics.ts";
import type { GatewayKey } from "./options/gateway-options.ts";

export interface AdminNeeds extends Omit<ControlNeeds, "find" | "wrong"> {
  readonly keys: ControlKeys;
  readonly apiKeys: readonly GatewayKey[];
  readonly metrics: GatewayMetrics;
  readonly readiness: () => { readonly ready: boolean; readonly reasons: readonly string[] };
  readonly figures: () => GatewayFigures;
}

const BASE = "/api/v1/";
const IDLE_SECONDS = 10;
/** An order may name a thousand addresses. */
const BODY_BYTES_MAX = 64 * 1024;
const PROBES = /^[a-z]+:\/\/[^/]*\/(healthz|livez|readyz)$/;
const PAGES = "/healthz, /livez, /readyz, /metrics";

export class AdminListener {
  readonly #needs: AdminNeeds;
  readonly #server: Server<undefined>;
  readonly #requests = new AdminRequests();
  #find: ReturnType<ControlKeys["finder"]>["find"];
  #hasKeys: boolean;

  /** Throws if it cannot listen on the port. */
  constructor({ host, port }: { readonly host: string; readonly port: number }, needs: AdminNeeds) {
    this.#needs = needs;
    this.#find = needs.keys.finder(needs.apiKeys).find;
    this.#hasKeys = needs.apiKeys.length > 0;
    const control = new ControlApi({
      ...needs,
      find: (authorization) => this.#find(authorization),
      wrong: needs.keys.wrong,
    });
    this.#server = Bun.serve({
      hostname: host,
      port,
      idleTimeout: IDLE_SECONDS,
      maxRequestBodySize: BODY_BYTES_MAX,
      development: false,
      fetch: (request, server) => this.#limited(request, server, control),
      error: (error) => {
        needs.events.bug({ where: "admin", error });
        return problem({ status: 500, code: "internal", detail: "see the gateway's log" });
      },
    });
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  setKeys(keys: readonly GatewayKey[]): void {
    this.#find = this.#needs.keys.finder(keys).find;
    this.#hasKeys = keys.length > 0;
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }

  /** The kubelet's questions are answered whoever else asks. */
  async #limited(
    request: Request,
    server: Server<undefined>,
    control: ControlApi,
  ): Promise<Response> {
    if (PROBES.test(request.url)) return await this.#answer(request, server, control);
    const over = this.#requests.begin(server.requestIP(request)?.address ?? "");
    if (typeof over === "string") {
      this.#needs.metrics.adminRefused();
      return problem({
        ...(over === "all"
          ? { status: 503, code: "overloaded" }
          : { status: 429, code: "rate_limited" }),
        detail: `too many requests of ${over === "all" ? "all callers" : "this address"} are under way`,
        headers: { "retry-after": "1", connection: "close" },
      });
    }
    try {
      return await this.#answer(request, server, control);
    } finally {
      over();
    }
  }

  async #answer(
    request: Request,
    server: Server<undefined>,
    control: ControlApi,
  ): Promise<Response> {
    // Made of the Host header, which may hold anything.
    if (!URL.canParse(request.url))
      return problem({
        status: 400,
        code: "request_invalid",
        detail: "the Host header is no host",
      });
    const url = new URL(request.url);
    if (url.pathname === OPENAPI_PATH && request.method === "GET") return plain(openApiDocument());
    if (url.pathname.startsWith(BASE)) {
      const address = server.requestIP(request)?.address ?? "";
      if (this.#hasKeys) return control.answer(request, url, address);
      const detail = "there are no apiKeys: the control API answers nobody";
      return problem({ status: 404, code: "not_found", detail });
    }
    const page = this.#pages(url.pathname);
    if (page === undefined)
      return problem({ status: 404, code: "not_found", detail: `expected ${PAGES}` });
    if (request.method !== "GET" && request.method !== "HEAD")
      return problem({
        ...{ status: 405, code: "method_not_allowed", detail: "expected GET or HEAD" },
        headers: { allow: "GET, HEAD" },
      });
    return page();
  }

  #pages(path: string): (() => Response | Promise<Response>) | undefined {
    switch (path) {
      case "/healthz":
      case "/livez":
        return () => plain({ alive: true });
      case "/readyz":
        return () => {
          const report = this.#needs.readiness();
          return plain(report, report.ready ? 200 : 503);
        };
      case "/metrics":
        return async () => {
          const { contentType, text } = await this.#needs.metrics.render(this.#needs.figures());
          return new Response(text, {
            headers: { "content-type": contentType, "cache-control": "no-store" },
          });
        };
      default:
        return undefined;
    }
  }
}

const plain = (body: object, status = 200): Response =>
  Response.json(body, { status, headers: { "cache-control": "no-store" } });
