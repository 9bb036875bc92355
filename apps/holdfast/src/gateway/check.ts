// Owns: `holdfast gateway check`: whether a file can be used, and what it means for clients.
import { readRouteTls, TlsFileError } from "@holdfast/gateway";
import { GATEWAY_OPTIONS, PROFILE_KINDS, type RouteOptions } from "@holdfast/gateway/options";
import { readTable } from "../configuration.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";

/**
 * Reads the file alone: no environment, no flags. It connects to nobody. Files that it names may be
 * elsewhere, as in a pipeline: what is wrong with them is a note.
 */
export async function checkGateway(file: string, host: Host): Promise<number> {
  const read = await readTable(GATEWAY_OPTIONS, file, host, {});
  if (!read.ok) {
    host.err(`${read.message}\n`);
    return EXIT.refused;
  }
  const { routes, apiKeys } = read.config;
  host.out(`${file} can be used: ${count(routes.length, "route")}.\n`);
  for (const route of routes) host.out(routeText(route));
  for (const route of routes) host.out(tlsNote(route));
  if (routes.length === 0) host.out("\nnote: without a route every request is answered with 404\n");
  if (apiKeys.length === 0)
    host.out("\nnote: there are no apiKeys, so nobody can order a drain or list clients\n");
  return EXIT.ok;
}

function routeText(route: RouteOptions): string {
  const { name, host, path, profile, service } = route;
  const kind = PROFILE_KINDS[profile.kind];
  return `\n${name}: ${host ?? "any host"}${path} to ${service.kind}, profile ${profile.kind}\n  a deploy of its service: ${DEPLOY[kind?.onDeploy ?? "closed"]} (${kind?.holes ?? "unknown"})\n${tlsText(route)}`;
}

function tlsNote(route: RouteOptions): string {
  try {
    readRouteTls(route);
    return "";
  } catch (error) {
    if (!(error instanceof TlsFileError)) throw error;
    return `\nnote: as of here, ${error.message}\n`;
  }
}

function tlsText({ upstreamTls }: RouteOptions): string {
  if (upstreamTls === undefined) return "";
  const { caFile, serverName, certFile } = upstreamTls;
  const believes = caFile === undefined ? "the system's authorities" : `authorities of ${caFile}`;
  const as = serverName ?? "the host of the address";
  const own = certFile === undefined ? "" : `, by the certificate of ${certFile}`;
  return `  TLS to its endpoints: ${believes}, certificates for ${as}${own}\n`;
}

const DEPLOY = {
  kept: "clients stay connected and miss nothing",
  holes: "clients stay connected; something may be missing",
  closed: "clients are closed with 1012, in pace",
} as const;

const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? "" : "s"}`;
