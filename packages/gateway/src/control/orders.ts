// Owns: orders of the control API: an endpoint drains, takes clients again, has a weight; a client
// goes. Of two who give orders about one endpoint, the one with the lower token loses.
import type { OrderResult } from "@holdfast/rehoming";
import { routeNamed } from "./lists.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";

type Kind = "drain" | "undrain" | "weight";

const WEIGHT_MAX = 100;
const CODE = 1012;
const REASON = "Please connect again";

export function order(kind: Kind): (asked: Asked, needs: ControlNeeds) => Promise<Response> {
  return async ({ request, parts: [routeName = "", address = ""], caller }, needs) => {
    const body = await bodyOf(request);
    if (body instanceof Response) return body;
    const { token, weight } = body;
    if (!isToken(token)) return invalid("token", token, "a whole number from 0");
    if (kind === "weight" && !isWeight(weight))
      return invalid("weight", weight, `a whole number from 1 to ${WEIGHT_MAX}`);
    const endpoints = routeNamed(needs.routes(), routeName)?.endpoints;
    const outcome: OrderResult =
      endpoints === undefined
        ? "unknown"
        : kind === "weight"
          ? endpoints.weigh(address, Number(weight), token)
          : endpoints.order(address, kind === "drain", token);
    needs.metrics.ordered(outcome);
    const what = { order: kind, route: routeName, address, token, outcome } as const;
    needs.events.ordered({ key: caller.name, ...what });
    if (outcome === "unknown") {
      const detail = "no such route, or it has no such endpoint";
      return problem({ status: 404, code: "not_found", detail });
    }
    if (outcome === "outdated") {
      const detail = `found token ${token}, expected at least the token of the last order`;
      return problem({ status: 409, code: "order_refused", detail, path: "token" });
    }
    const state = endpoints?.list(performance.now()).find((one) => one.address === address);
    return Response.json({ route: routeName, ...state });
  };
}

export function endSession(
  { parts: [session = ""], caller }: Asked,
  { clients, events }: ControlNeeds,
): Response {
  const client = clients().find((one) => one.session === session);
  if (client === undefined) {
    const detail = "no such session: it may have ended";
    return problem({ status: 404, code: "not_found", detail });
  }
  client.dismiss(CODE, REASON);
  events.sessionEnded({ key: caller.name, session });
  return Response.json({ id: session, code: CODE });
}

async function bodyOf(request: Request): Promise<Readonly<Record<string, unknown>> | Response> {
  let text: string;
  try {
    text = await request.text();
  } catch {
    return invalid("body", "none", "a body that arrives in time");
  }
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body))
      return body as Readonly<Record<string, unknown>>;
  } catch {
    // The same answer as for JSON that is no object.
  }
  return invalid("body", text.slice(0, 40), 'a JSON object, such as {"token": 1}');
}

const isToken = (found: unknown): found is number =>
  typeof found === "number" && Number.isSafeInteger(found) && found >= 0;
const isWeight = (found: unknown): found is number =>
  typeof found === "number" && Number.isInteger(found) && found >= 1 && found <= WEIGHT_MAX;

function invalid(path: string, found: unknown, expected: string): Response {
  const shown = (JSON.stringify(found) ?? "nothing").slice(0, 80);
  const detail = `found ${shown}, expected ${expected}`;
  return problem({ status: 400, code: "request_invalid", detail, path });
}
