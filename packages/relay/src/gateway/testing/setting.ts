// Owns: backends and clients of the gateway's tests: real sockets, on loopback.
import { afterEach } from "bun:test";
import { EndpointTable, type Profile, stateless } from "@holdfast/rehoming";
import { type Server, sleep } from "bun";
import { connectPlain, type PlainClient } from "../../../../../test/plain-client.ts";
import { Gateway } from "../gateway.ts";
import type { GatewayOptions } from "../gateway-ports.ts";
import type { Route } from "../route.ts";

export interface Backend {
  readonly address: string;
  readonly server: Server<{ readonly headers: Headers }>;
  readonly received: string[];
  readonly headers: Headers[];
  closes: number;
  /** Bytes that wait in the backend itself, at most so far. */
  backlogMax: number;
}
export const opened: { stop(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.stop();
});

/** Answers `re:<frame>@<name>`, and refuses, stays silent or closes as the path says. */
export function backend(name: string): Backend {
  const one: Omit<Backend, "server" | "address"> = {
    received: [],
    headers: [],
    closes: 0,
    backlogMax: 0,
  };
  const server = Bun.serve<{ readonly headers: Headers }>({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request, self) {
      const url = new URL(request.url);
      if (url.pathname === "/ws/refused")
        return new Response("no seat", {
          status: 403,
          headers: [
            ["x-why", "full"],
            ["set-cookie", "a=1"],
            ["set-cookie", "b=2"],
          ],
        });
      if (url.pathname.startsWith("/ws/silent")) return new Promise<Response>(() => {});
      one.headers.push(request.headers);
      const headers = {
        "x-backend": name,
        "Sec-WebSocket-Protocol": url.searchParams.get("p") ?? "",
      };
      if (self.upgrade(request, { headers, data: { headers: request.headers } })) return undefined;
      return new Response(
        `${request.method} ${url.pathname}${url.search} ${await request.text()}`,
        {
          headers: { "x-backend": name },
        },
      );
    },
    websocket: {
      data: {} as { readonly headers: Headers },
      // Beyond it Bun drops messages in silence.
      backpressureLimit: 100 * 1024 * 1024,
      message(socket, frame) {
        one.received.push(String(frame));
        if (frame === "close me") socket.close(4007, "as you wish");
        else if (typeof frame === "string") socket.send(`re:${frame}@${name}`);
        else socket.send(frame);
        one.backlogMax = Math.max(one.backlogMax, socket.getBufferedAmount());
      },
      close() {
        one.closes += 1;
      },
    },
  });
  opened.push({ stop: () => void server.stop(true) });
  return Object.assign(one, { server, address: `127.0.0.1:${server.port}` });
}

export function gateway(
  backends: readonly Backend[],
  profile: Profile = stateless,
  more: Partial<Route> = {},
  options: Partial<GatewayOptions> = {},
) {
  const endpoints = new EndpointTable({ slowStartMs: 1 });
  const takes = (address: string) => ({ address, takes: true });
  endpoints.discovered(
    backends.map(({ address }) => takes(address)),
    performance.now(),
  );
  const route: Route = {
    ...{ name: "app", path: "/ws", profile, endpoints, openMsMax: 500, messageBytesMax: 1 << 20 },
    ...more,
  };
  const moves: number[] = [];
  const dropped: number[] = [];
  const counted: string[] = [];
  let taken = 0;
  const one = new Gateway({
    ...{ host: "127.0.0.1", port: 0, routes: [route], clientsMax: 1000 },
    room: {
      take: (bytes) => {
        taken += bytes;
        return true;
      },
      give: (bytes) => {
        taken -= bytes;
      },
    },
    observer: {
      moved: (_, pausedMs) => moves.push(pausedMs),
      moveFailed: () => {},
      dropped: (frames) => dropped.push(frames),
      ended: () => {},
      refused: (status) => counted.push(`refused ${status}`),
      closed: (_, code, by) => counted.push(`closed ${code} ${by}`),
      answered: (_, status) => counted.push(`answered ${status}`),
      upstreamFailed: (_, why) => counted.push(`upstream ${why}`),
      failed: (where, error) => {
        throw new TypeError(where, { cause: error });
      },
    },
    ...options,
  });
  opened.push({ stop: () => one.end() });
  return { one, route, endpoints, moves, dropped, counted, taken: () => taken };
}

export type Client = PlainClient;

export const connect = (
  port: number,
  path = "/ws/room?x=1",
  protocols: readonly string[] = [],
): Promise<Client> => connectPlain(port, path, protocols);

export { until } from "../../../../../test/plain-client.ts";
