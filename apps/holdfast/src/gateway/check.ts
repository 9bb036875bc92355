// Owns: `holdfast gateway check`: whether a file can be used, and what it means for clients.
import { GATEWAY_OPTIONS, PROFILE_KINDS, type RouteOptions } from "@holdfast/gateway/options";
import { readTable } from "../configuration.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";

/** Reads the file alone: no environment, no flags. It connects to nobody. */
export async function checkGateway(file: string, host: Host): Promise<number> {
  const read = await readTable(GATEWAY_OPTIONS, file, host, {});
  if (!read.ok) {
    host.err(`${read.message}\n`);
    return EXIT.refused;
  }
  const { routes, apiKeys } = read.config;
  host.out(`${file} can be used: ${count(routes.length, "route")}.\n`);
  for (const route of routes) host.out(routeText(route));
  if (routes.length === 0) host.out("\nnote: without a route every request is answered with 404\n");
  if (apiKeys.length === 0)
    host.out("\nnote: there are no apiKeys, so nobody can order a drain or list clients\n");
  return EXIT.ok;
}

function routeText({ name, host, path, profile, service }: RouteOptions): string {
  const kind = PROFILE_KINDS[profile.kind];
  return `\n${name}: ${host ?? "any host"}${path} to ${service.kind}, profile ${profile.kind}\n  a deploy of its service: ${DEPLOY[kind?.onDeploy ?? "closed"]} (${kind?.holes ?? "unknown"})\n`;
}

const DEPLOY = {
  kept: "clients stay connected and miss nothing",
  holes: "clients stay connected; something may be missing",
  closed: "clients are closed with 1012, in pace",
} as const;

const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? "" : "s"}`;
