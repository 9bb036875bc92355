// Owns: a game of one number on Bun, which hands its clients over: each message adds 1, and the
// answer says how much it is now.
import { handoff } from "@holdfast/handoff";

const door = handoff({
  message(session, data) {
    const count = Number(new TextDecoder().decode(session.state)) + 1;
    session.state = new TextEncoder().encode(String(count));
    session.send(`${count} ${data}`);
  },
});
const server = Bun.serve({
  ...{ port: Number(process.argv[2]), hostname: "127.0.0.1", websocket: door.websocket },
  fetch: (request, self) =>
    self.upgrade(request, door.upgrade(request)) ? undefined : new Response("WebSocket only"),
});
process.on("SIGTERM", () => {
  void server.stop(true);
  process.exit(0);
});
