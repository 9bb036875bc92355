// Owns: a bare server on Bun: `Bun.serve` and its own publish, nothing else. It speaks the load
// generator's convention for plain WebSockets.
import { plainRequest } from "./plain-request.ts";
import { READY_EVENT } from "./ready.ts";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request, self) =>
    self.upgrade(request) ? undefined : new Response("WebSocket only\n", { status: 426 }),
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    message(socket, message) {
      const request = plainRequest(String(message));
      if (request.kind === "publish") server.publish(request.channel, request.payload, false);
      else if (request.kind === "echo") socket.send(request.text);
      else {
        socket.subscribe(request.channel);
        socket.send(`ok ${request.channel}`);
      }
    },
  },
});

const url = server.url.origin;
process.stdout.write(
  `${JSON.stringify({ event: READY_EVENT, url, internalUrl: url, version: Bun.version })}\n`,
);
