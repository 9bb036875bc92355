// Owns: a Socket.IO node as its documentation advises for several nodes: Redis Streams adapter, connection state recovery, WebSocket only, an orderly end. Runs on Node.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const [redisPort = "", preDelayMs = "500"] = process.argv.slice(2);
/** Recovery works for as long as Holdfast's resume tokens do in the proof. */
const RECOVERY_MS = 300_000;
/** Room for all that is published in a proof: nothing is lost because the stream was trimmed. */
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
const redis = new Redis(Number(redisPort), "127.0.0.1");
const io = new Server(http, {
  adapter: createAdapter(redis, { maxLen: STREAM_LENGTH_MAX, onlyPlaintext: true }),
  connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS, skipMiddlewares: true },
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
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
});

http.listen(0, "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const { version } = createRequire(import.meta.url)("socket.io/package.json") as { version: string };
  process.stdout.write(`${JSON.stringify({ event: "node_listening", url, internalUrl: url, version })}\n`);
});
process.once("SIGTERM", () => {
  ready = false;
  setTimeout(() => {
    void io.close();
    setTimeout(() => process.exit(0), FLUSH_MS);
  }, Number(preDelayMs));
});
