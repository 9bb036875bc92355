// Owns: lists of the control API: routes, endpoints, sessions; each with a limit.
import type { EndpointState } from "@holdfast/rehoming";
import type { HeldSocket } from "@holdfast/relay/gateway";
import type { LiveRoute } from "../live-route.ts";
import { PROFILE_KINDS } from "../options/profile-kinds.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";
import { type Schema, text, whole } from "./schemas.ts";

const LIMIT = 100;
const LIMIT_MAX = 1000;

/** Of every list. */
export const PAGE_QUERY: Readonly<Record<string, Schema>> = {
  limit: whole("Most rows of the page.", { minimum: 1, maximum: LIMIT_MAX, default: LIMIT }),
  after: text("`next` of the page before."),
};

export function routesPage(asked: Asked, { routes, clients }: ControlNeeds): Response {
  const counts = new Map<unknown, number>();
  for (const { route } of clients()) counts.set(route, (counts.get(route) ?? 0) + 1);
  const rows = routes().map((route) => ({
    id: route.name,
    name: route.name,
    host: route.host ?? null,
    path: route.path,
    profile: route.options.profile.kind,
    onDeploy: PROFILE_KINDS[route.options.profile.kind]?.onDeploy ?? null,
    service: route.options.service.kind,
    clients: counts.get(route) ?? 0,
    taking: route.endpoints.taking().length,
    trouble: route.trouble ?? null,
  }));
  return page("routes", rows, asked);
}

/** Changes with each process: counts begin anew. */
const STARTED_AT_MS = Date.now();
const MS_PER_MINUTE = 60_000;

export function endpointsPage(
  asked: Asked,
  { routes, clients, name: own }: ControlNeeds,
): Response {
  const name = asked.url.searchParams.get("route");
  const nowMs = performance.now();
  const crowds = crowdsOf(clients());
  const rows = routes()
    .filter((route) => name === null || route.name === name)
    .flatMap((route) =>
      route.endpoints.list(nowMs).map((endpoint) => ({
        id: `${route.name}/${endpoint.address}`,
        ...endpointRow(route, endpoint, crowds),
      })),
    );
  return page("endpoints", rows, asked, { gateway: own, startedAtMs: STARTED_AT_MS });
}

/** Clients of one endpoint. */
interface Crowd {
  /** They can move. */
  sessions: number;
  /** They can't: their profile is `none`. */
  fixed: number;
  /** Sockets to it, also of clients that move. */
  sockets: number;
}
type Crowds = ReadonlyMap<string, Crowd>;
const crowdKey = (route: string, address: string): string => `${route}\n${address}`;

export function crowdsOf(clients: readonly HeldSocket[]): Crowds {
  const crowds = new Map<string, Crowd>();
  const at = (route: string, address: string): Crowd => {
    const key = crowdKey(route, address);
    const crowd = crowds.get(key) ?? { sessions: 0, fixed: 0, sockets: 0 };
    crowds.set(key, crowd);
    return crowd;
  };
  for (const { route, address, addresses, held } of clients) {
    for (const one of addresses) at(route.name, one).sockets += 1;
    if (address !== undefined) at(route.name, address)[held.rehomes ? "sessions" : "fixed"] += 1;
  }
  return crowds;
}

/** One endpoint as the API tells it. */
export function endpointRow(
  route: LiveRoute,
  { felt, drainLeftMs, keep, token = 0, isDrained, ...endpoint }: EndpointState,
  crowds: Crowds,
) {
  const { sessions, fixed, sockets } = crowds.get(crowdKey(route.name, endpoint.address)) ?? {
    ...{ sessions: 0, fixed: 0, sockets: 0 },
  };
  // Requests that ask for no socket end by themselves, and nobody can move them.
  const requests = Math.max(0, endpoint.connections - sockets);
  const { connectionMs, ...counts } = felt;
  return {
    route: route.name,
    ...endpoint,
    ...{ isDrained, fence: token, sessions, fixedSockets: fixed + requests },
    ...(isDrained
      ? { drain: drainLeftMs === undefined ? {} : { deadlineInMs: Math.round(drainLeftMs) } }
      : {}),
    ...(keep === undefined ? {} : { shed: { keep, remaining: Math.max(0, sessions - keep) } }),
    felt: { connectionMinutes: connectionMs / MS_PER_MINUTE, ...counts },
  };
}

export function sessionsPage(asked: Asked, { clients }: ControlNeeds): Response {
  const { searchParams } = asked.url;
  const [route, endpoint] = [searchParams.get("route"), searchParams.get("endpoint")];
  const nowMs = performance.now();
  const rows = clients()
    .filter((client) => route === null || client.route.name === route)
    .filter(({ address }) => endpoint === null || address === endpoint)
    .map((client) => ({
      id: client.session,
      route: client.route.name,
      endpoint: client.address ?? null,
      client: client.clientAddress,
      requestId: client.request.requestId,
      isMoving: client.held.isMoving,
      seconds: Math.floor((nowMs - client.sinceMs) / 1000),
    }));
  return page("sessions", rows, asked);
}

/** `?limit=` rows behind the one that `?after=` names. `next`: the last one, if more come. */
function page<Row extends { readonly id: string }>(
  what: string,
  rows: readonly Row[],
  { url }: Asked,
  more: Readonly<Record<string, unknown>> = {},
): Response {
  const given = url.searchParams.get("limit");
  const limit = given === null ? LIMIT : Number(given);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    const detail = `found ${(given ?? "").slice(0, 40)}, expected 1 to ${LIMIT_MAX}`;
    return problem({ status: 400, code: "request_invalid", detail, path: "limit" });
  }
  const after = url.searchParams.get("after");
  const sorted = rows
    .filter(({ id }) => after === null || id > after)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const shown = sorted.slice(0, limit);
  return Response.json(
    {
      ...more,
      [what]: shown.map(({ id, ...row }) => (what === "sessions" ? { id, ...row } : row)),
      total: rows.length,
      next: sorted.length > limit ? (shown.at(-1)?.id ?? null) : null,
    },
    { headers: { "cache-control": "no-store" } },
  );
}

export const routeNamed = (
  routes: readonly LiveRoute[],
  name: string | undefined,
): LiveRoute | undefined => routes.find((route) => route.name === name);
