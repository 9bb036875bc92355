// Owns: the public listener of a node that cannot serve clients yet: the HTTP API alone.
import type { Server } from "bun";
import { type ApiDoor, HTTP_IDLE_SECONDS, hasHost, NO_HOST } from "./bun-sockets.ts";

export interface ApiListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  readonly tls: { readonly certFile?: string | undefined; readonly keyFile?: string | undefined };
  readonly basePath: string;
  readonly api: ApiDoor;
  readonly onError: (where: string, error: unknown) => void;
}

const STARTING = (): Response =>
  new Response("The node waits for its broker\n", {
    status: 503,
    headers: { "retry-after": "1", "cache-control": "no-store" },
  });

/** Throws if it cannot listen on the port. `stop` resolves when the port is free. */
export function listenApi(options: ApiListenerOptions): { stop(): Promise<void> } {
  const { host, port, reusePort, tls, api, onError } = options;
  const base = options.basePath === "/" ? "" : options.basePath;
  const answerAt =
    (path: string | undefined) =>
    (request: Request, server: Server<undefined>): Response | Promise<Response> =>
      hasHost(request)
        ? api.answer(request, {
            address: server.requestIP(request)?.address ?? "",
            path,
            mayCut: (may) => server.timeout(request, may ? HTTP_IDLE_SECONDS : 0),
          })
        : NO_HOST();
  const server = Bun.serve({
    hostname: host,
    port,
    reusePort,
    idleTimeout: HTTP_IDLE_SECONDS,
    ...(tls.certFile === undefined || tls.keyFile === undefined
      ? {}
      : { tls: { cert: Bun.file(tls.certFile), key: Bun.file(tls.keyFile) } }),
    routes: {
      ...Object.fromEntries(api.paths.map((path) => [base + path, answerAt(path)])),
      [`${base}${api.base}/*`]: answerAt(undefined),
    },
    fetch: STARTING,
    error(error) {
      onError("http", error);
      return new Response("The node could not answer\n", { status: 500 });
    },
  });
  return { stop: () => server.stop(true) };
}
