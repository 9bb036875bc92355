// Owns: the control API: what a request means, and who may ask for it.
import type { GatewayScope } from "../options/gateway-options.ts";
import { endpointsPage, routesPage, sessionsPage } from "./lists.ts";
import { endSession, order } from "./orders.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";

interface Operation {
  readonly method: "GET" | "POST" | "DELETE";
  /** Parts of the path below `/api/v1/`; `*` is any one. */
  readonly path: readonly string[];
  readonly scope: GatewayScope;
  readonly answer: (asked: Asked, needs: ControlNeeds) => Response | Promise<Response>;
}

/** Every operation, one row for each. */
export const OPERATIONS: readonly Operation[] = [
  { method: "GET", path: ["routes"], scope: "routes", answer: routesPage },
  { method: "GET", path: ["endpoints"], scope: "endpoints", answer: endpointsPage },
  {
    method: "POST",
    path: ["endpoints", "*", "*", "drain"],
    scope: "drain",
    answer: order("drain"),
  },
  {
    ...{ method: "POST", path: ["endpoints", "*", "*", "undrain"] },
    ...{ scope: "drain", answer: order("undrain") },
  },
  {
    ...{ method: "POST", path: ["endpoints", "*", "*", "shed"] },
    ...{ scope: "drain", answer: order("shed") },
  },
  {
    ...{ method: "POST", path: ["endpoints", "*", "*", "weight"] },
    ...{ scope: "drain", answer: order("weight") },
  },
  { method: "GET", path: ["sessions"], scope: "sessions", answer: sessionsPage },
  { method: "DELETE", path: ["sessions", "*"], scope: "sessions", answer: endSession },
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
    return operation.answer({ request, url, caller, parts }, this.#needs);
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
      path.every((part, index) => (part === "*" ? parts[index] !== "" : part === parts[index]));
    return fits ? [{ operation, parts: parts.filter((_, index) => path[index] === "*") }] : [];
  });
}

/** A part that is badly encoded names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
