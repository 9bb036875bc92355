// Owns: the counter on Bun.
import { handoff } from "@holdfast/handoff";

const door = handoff(
  {
    message(session, data) {
      const count = Number(new TextDecoder().decode(session.state)) + 1;
      // Spaces do not count.
      const length = Number(process.env.STATE_BYTES ?? 1);
      session.state = new TextEncoder().encode(String(count).padStart(length));
      session.send(`${count} ${data}`);
    },
  },
  { protocols: ["counter.v2"] },
);
const server = Bun.serve({
  ...{ port: 0, hostname: "127.0.0.1", websocket: door.websocket },
  fetch: (request, self) =>
    self.upgrade(request, door.upgrade(request)) ? undefined : new Response("WebSocket only"),
});
console.log(server.port);
