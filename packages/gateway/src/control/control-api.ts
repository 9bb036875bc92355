// Owns: the control API: what a request means, and who may ask for it.
import type { GatewayScope } from "../options/gateway-options.ts";
import { ENDED, ENDPOINT, ENDPOINTS_PAGE, ROUTES_PAGE, SESSIONS_PAGE } from "./answers.ts";
import { endpointsPage, PAGE_QUERY, routesPage, sessionsPage } from "./lists.ts";
import { ORDER_BODIES } from "./order-body.ts";
import { endSession, type OrderKind, order } from "./orders.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";
import { type Schema, text } from "./schemas.ts";

/** One row of the table. The OpenAPI document and its page are made from it. */
export interface Operation {
  readonly name: string;
  readonly method: "GET" | "POST" | "DELETE";
  /** Parts of the path below `/api/v1/`; `{name}` is any one. */
  readonly path: readonly string[];
  readonly scope: GatewayScope;
  readonly summary: string;
  readonly description?: string;
  readonly query?: Readonly<Record<string, Schema>>;
  readonly body?: Schema;
  /** Of the answer 200. */
  readonly answer: Schema;
  readonly handle: (asked: Asked, needs: ControlNeeds) => Response | Promise<Response>;
}

const ofRoute = text("Only those of this route.");

/** Orders about one endpoint are alike. */
const orderRow = (
  kind: OrderKind,
  words: { readonly summary: string; readonly description?: string },
): Operation => ({
  ...{ name: kind, method: "POST", path: ["endpoints", "{route}", "{address}", kind] },
  ...{ scope: "drain", ...words, body: ORDER_BODIES[kind], answer: ENDPOINT, handle: order(kind) },
});

/** Every operation, one row for each. */
export const OPERATIONS: readonly Operation[] = [
  {
    ...{ name: "routes", method: "GET", path: ["routes"], scope: "routes" },
    summary: "Routes with their clients, and the trouble of their discovery.",
    ...{ query: PAGE_QUERY, answer: ROUTES_PAGE, handle: routesPage },
  },
  {
    ...{ name: "endpoints", method: "GET", path: ["endpoints"], scope: "endpoints" },
    summary: "Endpoints, what each does, and its sockets.",
    query: { route: ofRoute, ...PAGE_QUERY },
    ...{ answer: ENDPOINTS_PAGE, handle: endpointsPage },
  },
  orderRow("drain", {
    summary: "Its clients move away, and it gets no others.",
    description:
      "It holds until another order comes, or discovery forgets the endpoint. The same order again begins no window anew.",
  }),
  orderRow("undrain", {
    summary: "Takes that back, and ends a shed. Clients that are there stay.",
  }),
  orderRow("shed", {
    summary: "It keeps so many clients, and the others move away. It takes new ones as before.",
    description: "An endpoint that drains refuses it.",
  }),
  orderRow("weight", { summary: "Its share of new clients, whatever discovery says." }),
  {
    ...{ name: "sessions", method: "GET", path: ["sessions"], scope: "sessions" },
    summary: "Held clients.",
    query: {
      route: ofRoute,
      endpoint: text("Only those whose home is at this address."),
      ...PAGE_QUERY,
    },
    ...{ answer: SESSIONS_PAGE, handle: sessionsPage },
  },
  {
    ...{ name: "session_end", method: "DELETE", path: ["sessions", "{id}"], scope: "sessions" },
    summary: "Closes a client with 1012.",
    ...{ answer: ENDED, handle: endSession },
  },
];

export class ControlApi {
  readonly #needs: ControlNeeds;

  constructor(needs: ControlNeeds) {
    this.#needs = needs;
  }

  /** Who asks is found out before what is asked for. */
  async answer(request: Request, url: URL, address: string): Promise<Response> {
    const caller = this.#needs.find(request.headers.get("authorization"));
    if (caller === undefined) return this.#unauthorized(address);
    const found = operationsAt(url.pathname);
    if (found.length === 0) {
      const detail = "expected routes, endpoints or sessions below /api/v1/";
      return problem({ status: 404, code: "not_found", detail });
    }
    const hit = found.find(({ operation }) => operation.method === request.method);
    if (hit === undefined) {
      const allow = found.map(({ operation }) => operation.method).join(", ");
      return problem({
        ...{ status: 405, code: "method_not_allowed", detail: `expected ${allow}` },
        headers: { allow },
      });
    }
    const { operation, parts } = hit;
    if (!caller.may(operation.scope)) {
      const detail = `key ${caller.name} lacks the scope ${operation.scope}`;
      return problem({ status: 403, code: "permission_denied", detail });
    }
    return operation.handle({ request, url, caller, parts }, this.#needs);
  }

  #unauthorized(address: string): Response {
    this.#needs.metrics.unauthorized();
    const waitMs = this.#needs.wrong(address);
    if (waitMs !== undefined)
      return problem({
        ...{ status: 429, code: "rate_limited", detail: "too many wrong keys of this address" },
        headers: { "retry-after": String(Math.ceil(waitMs / 1000)) },
      });
    return problem({
      ...{ status: 401, code: "unauthorized", detail: "expected Authorization: Bearer and a key" },
      headers: { "www-authenticate": "Bearer" },
    });
  }
}

function operationsAt(
  pathname: string,
): readonly { readonly operation: Operation; readonly parts: readonly string[] }[] {
  const parts = pathname.split("/").slice(3).map(decoded);
  return OPERATIONS.flatMap((operation) => {
    const { path } = operation;
    const fits =
      path.length === parts.length &&
      path.every((part, index) => (isAny(part) ? parts[index] !== "" : part === parts[index]));
    return fits ? [{ operation, parts: parts.filter((_, index) => isAny(path[index] ?? "")) }] : [];
  });
}

const isAny = (part: string): boolean => part.startsWith("{");

/** A part that is badly encoded names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
