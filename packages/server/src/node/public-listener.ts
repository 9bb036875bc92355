// Owns: the public listener of a node: sockets, the HTTP API, and a page if there is one.
import type { NodeEngine } from "@holdfast/core";
import { createNativeDoor } from "@holdfast/door-native";
import { type ServerEvents, unreadListener } from "../events.ts";
import { API_BASE, createHttpApi, OPERATION_PATHS } from "../http/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import {
  type ApiDoor,
  type BunGroups,
  listenSockets,
  type Sockets,
} from "../sockets/bun-sockets.ts";
import { portTaken } from "./internal-listener.ts";

/** Answers what is neither a socket nor the API; undefined: 404. */
export type Page = (request: Request) => Response | undefined | Promise<Response | undefined>;

export interface PublicParts {
  readonly engine: NodeEngine;
  readonly metrics: Metrics;
  readonly groups: BunGroups;
  readonly events: ServerEvents;
  readonly page: Page | undefined;
}

/** Sockets whose goodbye is on its way, beyond those that the engine counts. */
const SOCKETS_SPARE = 256;

/** Throws StartError when the port cannot be had. */
export function listenPublic(config: Config, parts: PublicParts): Sockets {
  const { limits, flow, tls } = config;
  const { engine, metrics, groups, events } = parts;
  const options = {
    host: config.host,
    port: config.port,
    reusePort: config.reusePort,
    ...(tls.certFile === undefined || tls.keyFile === undefined
      ? {}
      : { tls: { cert: Bun.file(tls.certFile), key: Bun.file(tls.keyFile) } }),
    basePath: config.basePath,
    origins: { allowedOrigins: config.allowedOrigins, anonymous: config.auth.anonymous },
    forwarded: { trusted: config.trustedProxies, header: config.forwardedHeader },
    messageBytesMax: limits.messageBytesMax,
    queueBytesMax: flow.queueBytesMax,
    socketsMax: limits.connectionsMax + SOCKETS_SPARE,
    door: createNativeDoor(engine),
    recorder: metrics.recorder,
    api: apiDoor(config, parts),
    page: pageOr404(config, parts.page),
    onRefused: events.socketRefused,
    onUnread: unreadListener(metrics.recorder, events),
    onError: (where: string, error: unknown) => events.bug({ where, error }),
  };
  try {
    return listenSockets(options, groups);
  } catch (error) {
    throw portTaken("public", config.port, error);
  }
}

function apiDoor(config: Config, { engine, metrics, events }: PublicParts): ApiDoor {
  const answer = createHttpApi({
    // A drain that the API orders leaves the listener open, so that it can be undone.
    control: engine,
    keys: config.apiKeys,
    bodyBytesMax: config.apiBodyBytesMax,
    recorder: metrics.recorder,
    events,
  });
  return { base: API_BASE, paths: OPERATION_PATHS, answer };
}

function pageOr404(
  { basePath }: Config,
  page: Page | undefined,
): (request: Request) => Promise<Response> {
  const base = basePath === "/" ? "" : basePath;
  const text = `Not here: clients connect to ${base}/connect, back ends use ${base}${API_BASE}\n`;
  return async (request) => (await page?.(request)) ?? new Response(text, { status: 404 });
}
