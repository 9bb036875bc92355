// Owns: what may stand before the servers: the gateway, and those that it is compared with.
import type { Front, FrontPlace } from "../front.ts";
import { envoy } from "./envoy.ts";
import { startFastify } from "./fastify.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { haproxy } from "./haproxy.ts";
import { nginx } from "./nginx.ts";
import { ProxyProcess } from "./proxy-process.ts";

type StartFront = (place: FrontPlace, endpoints: readonly string[]) => Promise<Front>;

export const FRONTS = {
  gateway: (place, endpoints) => GatewayProcess.start(place, endpoints),
  nginx: (place, endpoints) => ProxyProcess.start(nginx, place, endpoints),
  haproxy: (place, endpoints) => ProxyProcess.start(haproxy, place, endpoints),
  envoy: (place, endpoints) => ProxyProcess.start(envoy, place, endpoints),
  fastify: startFastify,
} as const satisfies Record<string, StartFront>;

export type FrontName = keyof typeof FRONTS;
