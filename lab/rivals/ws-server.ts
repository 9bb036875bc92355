// Owns: a bare server on Node: `ws` and a set of sockets for each topic, nothing else. It speaks
// the load generator's convention for plain WebSockets. Runs on Node.
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { plainRequest } from "./plain-request.ts";
import { BACKLOG, READY_EVENT } from "./ready.ts";

const server = new WebSocketServer({
  port: 0,
  host: "127.0.0.1",
  backlog: BACKLOG,
  perMessageDeflate: false,
});
const members = new Map<string, Set<WebSocket>>();

server.on("connection", (socket) => {
  const joined: Set<WebSocket>[] = [];
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    for (const room of joined) room.delete(socket);
  });
  socket.on("message", (message) => {
    const request = plainRequest(String(message));
    if (request.kind === "publish") {
      // Bytes once, as ws' own example of a broadcast hands them on.
      const bytes = Buffer.from(request.payload);
      for (const member of members.get(request.channel) ?? [])
        member.send(bytes, { binary: false });
    } else if (request.kind === "echo") socket.send(request.text);
    else {
      const room = members.get(request.channel) ?? new Set();
      members.set(request.channel, room.add(socket));
      joined.push(room);
      socket.send(`ok ${request.channel}`);
    }
  });
});

server.on("listening", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { version } = createRequire(import.meta.url)("ws/package.json") as { version: string };
  process.stdout.write(
    `${JSON.stringify({ event: READY_EVENT, url, internalUrl: url, version })}\n`,
  );
});
// Run with --expose-gc: so that memory can be read without V8's garbage, which it does not collect
// while it is idle.
process.on("SIGUSR2", () => globalThis.gc?.());
