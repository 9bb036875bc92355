// Owns: a Socket.IO server as its documentation advises for production: WebSocket only, no
// compression, the first request let go of; several over the Redis Streams adapter. Runs on Node.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server, type ServerOptions } from "socket.io";
import { BACKLOG, READY_EVENT } from "./ready.ts";

/** The first argument, as JSON. */
export interface SocketIoServerOptions {
  /** Absent: the adapter in memory. */
  readonly redisPort?: number;
  /**
   * How long a session waits for its client (connection state recovery). Absent: switched off, as
   * by default.
   */
  readonly recoveryMs?: number;
  /** Between "not ready" and closing, when told to go. */
  readonly preDelayMs?: number;
}

const {
  redisPort,
  recoveryMs,
  preDelayMs = 0,
}: SocketIoServerOptions = JSON.parse(process.argv[2] ?? "{}");
/** Room for all that is published in a run: nothing is lost because the stream was trimmed. */
const STREAM_LENGTH_MAX = 200_000;
/** What the adapter still writes when sockets are closed: their sessions, which recovery needs. */
const FLUSH_MS = 1500;
const BODY_BYTES_MAX = 1_000_000;

let ready = true;
const http = createServer((request, response) => {
  if (request.url === "/readyz") {
    response.writeHead(ready ? 200 : 503).end();
    return;
  }
  let body = "";
  request.on("data", (bytes: Buffer) => {
    body += bytes.toString("utf8");
    if (body.length > BODY_BYTES_MAX) request.destroy();
  });
  request.on("end", () => {
    const { channel, data } = JSON.parse(body) as { channel: string; data: unknown };
    io.to(channel).emit("message", channel, data);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
});

const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
  ...adapter(),
  ...recovery(),
});
io.engine.on("connection", (socket: { request: unknown }) => {
  socket.request = null;
});
io.on("connection", (socket) => {
  socket.on("subscribe", (channel: string, answer: () => void) => {
    void socket.join(channel);
    answer();
  });
  socket.on("publish", (channel: string, data: unknown, answer: () => void) => {
    io.to(channel).emit("message", channel, data);
    answer();
  });
  socket.on("echo", (answer: () => void) => answer());
});

function adapter(): Partial<ServerOptions> {
  if (redisPort === undefined) return {};
  const redis = new Redis(redisPort, "127.0.0.1");
  return { adapter: createAdapter(redis, { maxLen: STREAM_LENGTH_MAX, onlyPlaintext: true }) };
}

function recovery(): Partial<ServerOptions> {
  return recoveryMs === undefined
    ? {}
    : { connectionStateRecovery: { maxDisconnectionDuration: recoveryMs, skipMiddlewares: true } };
}

http.listen({ port: 0, host: "127.0.0.1", backlog: BACKLOG }, () => {
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const { version } = createRequire(import.meta.url)("socket.io/package.json") as {
    version: string;
  };
  process.stdout.write(
    `${JSON.stringify({ event: READY_EVENT, url, internalUrl: url, version })}\n`,
  );
});
process.once("SIGTERM", () => {
  ready = false;
  setTimeout(() => {
    void io.close();
    setTimeout(() => process.exit(0), FLUSH_MS);
  }, preDelayMs);
});
// Run with --expose-gc: so that memory can be read without V8's garbage, which it does not collect
// while it is idle.
process.on("SIGUSR2", () => globalThis.gc?.());
