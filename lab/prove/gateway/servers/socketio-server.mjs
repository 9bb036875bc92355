// Owns: a server of socket.io. It acknowledges each event. Without an adapter it numbers the events
// that it sends by itself within a socket. With REDIS_PORT it recovers connections over Redis
// Streams, and sends numbered events to all clients of all servers.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { took } from "./ledger.mjs";

const PUSH_MS = 500;
const BROADCAST_MS = 1000;
/** Longest time that sockets may take to close, and their sessions to be written. */
const END_MS = 1500;
/** Nothing is lost because the stream was trimmed. */
const STREAM_LENGTH_MAX = 200_000;
const RECOVERY_MS = 120_000;

// Whoever asks for anything else gets an answer, too.
const http = createServer((_, answer) => void answer.writeHead(404).end());
const { REDIS_PORT } = process.env;
const server = new Server(http, REDIS_PORT === undefined ? {} : recovering(Number(REDIS_PORT)));
let sockets = 0;
let broadcasts = 0;

server.on("connection", (socket) => {
  socket.on("say", (client, number, answer) => {
    took(`${client} ${number}`);
    answer(number);
  });
  if (REDIS_PORT !== undefined) return;
  const home = `${process.pid}.${++sockets}`;
  let pushes = 0;
  const timer = setInterval(() => socket.emit("push", { push: ++pushes, home }), PUSH_MS);
  socket.on("disconnect", () => clearInterval(timer));
});

/** @param {number} port */
function recovering(port) {
  const home = String(process.pid);
  const timer = setInterval(() => {
    server.emit("push", { push: ++broadcasts, home });
  }, BROADCAST_MS);
  process.once("SIGTERM", () => clearInterval(timer));
  return {
    adapter: createAdapter(new Redis(port, "127.0.0.1"), { maxLen: STREAM_LENGTH_MAX }),
    connectionStateRecovery: { maxDisconnectionDuration: RECOVERY_MS },
  };
}

http.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => {
  void server.close();
  setTimeout(() => process.exit(0), END_MS);
});
