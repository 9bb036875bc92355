// Owns: the public listener of a node: sockets, the HTTP API, and a page if there is one.
import type { Broker, NodeEngine } from "@holdfast/core";
import type { MqttDoor } from "@holdfast/door-mqtt";
import { createNativeDoor, type NativeDoor } from "@holdfast/door-native";
import type { TicketAuthenticator } from "../auth/index.ts";
import { type ServerEvents, unreadListener } from "../events.ts";
import { API_BASE, createHttpApi, type HttpApi, OPERATION_PATHS } from "../http/index.ts";
import { createIngest } from "../ingest/index.ts";
import type { Metrics } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { type BunGroups, listenSockets, type Sockets } from "../sockets/bun-sockets.ts";
import { originCheck } from "../sockets/origins.ts";
import {
  AskingSessions,
  createEventsEndpoint,
  createForwarding,
  type EventsEndpoint,
  HttpSockets,
} from "../streams/index.ts";
import { portTaken } from "./internal-listener.ts";
import { withMqtt } from "./mqtt.ts";
import { systemRandom } from "./system.ts";

/** Answers what is neither a socket nor the API; undefined: 404. */
export type Page = (request: Request) => Response | undefined | Promise<Response | undefined>;

export interface PublicParts {
  readonly engine: NodeEngine;
  readonly broker: Pick<Broker, "bus">;
  readonly mqtt: MqttDoor | undefined;
  readonly metrics: Metrics;
  readonly groups: BunGroups;
  readonly events: ServerEvents;
  readonly authenticator: TicketAuthenticator;
  readonly page: Page | undefined;
}

/** Most sockets whose goodbye is on its way, in addition to those that the engine counts. */
const SOCKETS_SPARE = 256;

/** Below the 30 s after which the strictest proxies cut a silent answer. */
const HEARTBEAT_MS_MAX = 15_000;

export interface PublicListener extends Sockets, Pick<HttpApi, "endStreams"> {}

/** Throws StartError if it cannot listen on the port. */
export function listenPublic(config: Config, parts: PublicParts): PublicListener {
  const { limits, flow, tls } = config;
  const { engine, metrics, groups, events } = parts;
  const sessions = new AskingSessions({ engine });
  const api = publicApi(config, parts, sessions);
  const door = createNativeDoor(engine);
  const streams = publicEvents(config, parts, { sessions, door });
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
    door: withMqtt(config, door, parts.mqtt),
    recorder: metrics.recorder,
    api: { base: API_BASE, paths: OPERATION_PATHS, answer: api },
    events: streams,
    page: pageOr404(config, parts.page),
    onRefused: events.socketRefused,
    onUnread: unreadListener(metrics.recorder, events),
    onError: (where: string, error: unknown) => events.bug({ where, error }),
  };
  try {
    const sockets = listenSockets(options, groups);
    const end = (): void => {
      streams.end();
      sockets.end();
    };
    return { ...sockets, end, endStreams: api.endStreams };
  } catch (error) {
    throw portTaken("public", config.port, error);
  }
}

function publicApi(
  config: Config,
  { engine, metrics, events }: PublicParts,
  sessions: AskingSessions,
): HttpApi {
  return createHttpApi({
    // A drain that the API orders keeps the listener open, so that the drain can be undone.
    control: engine,
    keys: config.apiKeys,
    bodyBytesMax: config.apiBodyBytesMax,
    recorder: metrics.recorder,
    events,
    sendsAway: () => engine.sendsAway(),
    ingest: createIngest({
      ...config.ingest,
      control: engine,
      hold: (token, address) => sessions.hold(token, address),
      recorder: metrics.recorder,
      nowMs: () => performance.now(),
    }),
  });
}

function publicEvents(
  config: Config,
  parts: PublicParts,
  { sessions, door }: { readonly sessions: AskingSessions; readonly door: NativeDoor },
): EventsEndpoint {
  const { engine, metrics, events, authenticator, broker, groups } = parts;
  const nodeId = engine.info().node;
  const heartbeatMs = Math.min(HEARTBEAT_MS_MAX, config.timeouts.pingMs);
  return createEventsEndpoint({
    engine,
    sessions,
    sockets: new HttpSockets({
      nodeId,
      door,
      random: systemRandom,
      groups,
      forwarding: createForwarding({ nodeId, bus: broker.bus, nodes: () => engine.nodes() }),
      heartbeatMs,
      recorder: metrics.recorder,
    }),
    messageBytesMax: () => engine.limits().messageBytesMax,
    random: systemRandom,
    authenticator,
    cookie: config.auth.cookie,
    mayConnect: originCheck({
      allowedOrigins: config.allowedOrigins,
      anonymous: config.auth.anonymous,
    }),
    bodyBytesMax: config.apiBodyBytesMax,
    heartbeatMs,
    recorder: metrics.recorder,
    onError: (where, error) => events.bug({ where, error }),
  });
}

function pageOr404(
  { basePath }: Config,
  page: Page | undefined,
): (request: Request) => Promise<Response> {
  const base = basePath === "/" ? "" : basePath;
  const text = `Not here: clients connect to ${base}/connect, back ends use ${base}${API_BASE}\n`;
  return async (request) => (await page?.(request)) ?? new Response(text, { status: 404 });
}
