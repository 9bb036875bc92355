// Owns: reading the routes of the file: each by its table, and what holds between them.
import { parseList, type Reading, type Refused, refuse } from "@holdfast/config";
import { below, readFields } from "./fields.ts";
import { ROUTE_FIELDS, type RouteOptions } from "./route-fields.ts";

export const ROUTES_MAX = 200;
export const ROUTES_ALLOWED = "a list of maps, one for each route, with name and service";

export function readRoutes(found: unknown): Reading<readonly RouteOptions[]> {
  const items = parseList(found);
  if (items === undefined) return refuse(found, ROUTES_ALLOWED);
  if (items.length > ROUTES_MAX)
    return refuse(`${items.length} routes`, `at most ${ROUTES_MAX} routes`);
  const refused: Refused[] = [];
  const routes: RouteOptions[] = [];
  for (const [index, item] of items.entries()) {
    const at = `[${index}]`;
    const reading = readFields(ROUTE_FIELDS, item);
    if (!reading.ok) {
      refused.push(...below(at, reading.refused));
      continue;
    }
    const route = reading.value as RouteOptions;
    refused.push(...below(at, clashes(route, routes)));
    routes.push(route);
  }
  return refused.length > 0 ? { ok: false, refused } : { ok: true, value: routes };
}

function clashes(route: RouteOptions, others: readonly RouteOptions[]): readonly Refused[] {
  const refused: Refused[] = [];
  if (others.some(({ name }) => name === route.name))
    refused.push({ at: ".name", found: route.name, allowed: "a name that no other route has" });
  const twin = others.find(({ host, path }) => host === route.host && path === route.path);
  if (twin !== undefined)
    refused.push({
      at: ".path",
      found: `${route.host ?? ""}${route.path}, as route ${twin.name} has it`,
      allowed: "another host or path: only one route can get these requests",
    });
  return refused;
}
