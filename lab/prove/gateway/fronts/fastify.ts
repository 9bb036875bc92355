// Owns: fastify's http-proxy, which reconnects upstream sockets (`wsReconnect`), before a Service.
import { join } from "node:path";
import type { Front, FrontPlace } from "../front.ts";
import { ProxyProcess } from "./proxy-process.ts";
import { Service } from "./service.ts";

/** It knows one upstream, so it stands before an address for all servers. */
export async function startFastify(
  place: FrontPlace,
  endpoints: readonly string[],
): Promise<Front> {
  const service = new Service(endpoints);
  const servicePort = await service.listen();
  const front = await ProxyProcess.start(
    {
      name: "fastify",
      command: ({ port }) => ({
        command: [
          "node",
          join(import.meta.dir, "fastify-front.mjs"),
          ...[port, servicePort].map(String),
        ],
      }),
      write: (_, now) => {
        service.endpoints = now;
      },
    },
    place,
    endpoints,
  );
  const end = front.end.bind(front);
  return Object.assign(front, {
    async end(): Promise<void> {
      await end();
      service.end();
    },
  });
}
