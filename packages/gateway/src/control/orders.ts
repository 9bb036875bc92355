// Owns: orders of the control API: an endpoint drains, takes clients again, gives some away, has a
// weight; a client goes. Of two who give orders about one endpoint, the one with the lower token
// loses.
import type { EndpointTable, OrderResult } from "@holdfast/rehoming";
import { crowdsOf, endpointRow, routeNamed } from "./lists.ts";
import { type OrderBody, readOrder } from "./order-body.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";

type Act = (endpoints: EndpointTable, address: string, body: OrderBody) => OrderResult;

/** What each order does. */
const ACTS = {
  drain: (endpoints, address, { token = 0, ...how }) =>
    endpoints.drain(address, token, { ...how, nowMs: performance.now() }),
  undrain: (endpoints, address, { token = 0 }) => endpoints.undrain(address, token),
  shed: (endpoints, address, { keep, ...how }) =>
    endpoints.shed(address, keep, { ...how, nowMs: performance.now() }),
  weight: (endpoints, address, { token = 0, weight }) => endpoints.weigh(address, weight, token),
} as const satisfies Record<string, Act>;
export type OrderKind = keyof typeof ACTS;

const CODE = 1012;
const REASON = "Please connect again";

export function order(kind: OrderKind): (asked: Asked, needs: ControlNeeds) => Promise<Response> {
  return async ({ request, parts: [routeName = "", address = ""], caller }, needs) => {
    const body = await readOrder(kind, request);
    if (body instanceof Response) return body;
    const { token } = body;
    const route = routeNamed(needs.routes(), routeName);
    const outcome = route === undefined ? "unknown" : ACTS[kind](route.endpoints, address, body);
    needs.metrics.ordered(outcome);
    const what = { order: kind, route: routeName, address, outcome } as const;
    needs.events.ordered({
      ...{ key: caller.name, ...what },
      ...(token === undefined ? {} : { token }),
    });
    if (outcome === "unknown") {
      const detail = "no such route, or it has no such endpoint";
      return problem({ status: 404, code: "not_found", detail });
    }
    if (outcome === "drained") {
      const detail = "the endpoint is drained: it keeps nobody";
      return problem({ status: 409, code: "order_refused", detail });
    }
    if (outcome === "outdated") {
      const detail = `found token ${token}, expected at least the token of the last order`;
      return problem({ status: 409, code: "order_refused", detail, path: "token" });
    }
    const state = route?.endpoints.list(performance.now()).find((one) => one.address === address);
    return Response.json(
      route === undefined || state === undefined
        ? {}
        : endpointRow(route, state, crowdsOf(needs.clients())),
    );
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
