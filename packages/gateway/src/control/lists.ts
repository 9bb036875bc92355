// Owns: lists of the control API: routes, endpoints, sessions; each with a limit.
import type { LiveRoute } from "../live-route.ts";
import { PROFILE_KINDS } from "../options/profile-kinds.ts";
import type { Asked, ControlNeeds } from "./ports.ts";
import { problem } from "./problem.ts";

const LIMIT = 100;
const LIMIT_MAX = 1000;

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

export function endpointsPage(asked: Asked, { routes }: ControlNeeds): Response {
  const name = asked.url.searchParams.get("route");
  const nowMs = performance.now();
  const rows = routes()
    .filter((route) => name === null || route.name === name)
    .flatMap((route) =>
      route.endpoints.list(nowMs).map((endpoint) => ({
        id: `${route.name}/${endpoint.address}`,
        route: route.name,
        ...endpoint,
      })),
    );
  return page("endpoints", rows, asked);
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
): Response {
  const text = url.searchParams.get("limit");
  const limit = text === null ? LIMIT : Number(text);
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    const detail = `found ${(text ?? "").slice(0, 40)}, expected 1 to ${LIMIT_MAX}`;
    return problem({ status: 400, code: "request_invalid", detail, path: "limit" });
  }
  const after = url.searchParams.get("after");
  const sorted = rows
    .filter(({ id }) => after === null || id > after)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const shown = sorted.slice(0, limit);
  return Response.json(
    {
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
