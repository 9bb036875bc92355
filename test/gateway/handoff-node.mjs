// Owns: the counter on Node with ws and the built package. `node handoff-node.mjs PATH`.
import { WebSocketServer } from "ws";

const { handoff } = await import(process.argv[2]);
const door = handoff({
  async message(session, data) {
    const count = Number(new TextDecoder().decode(session.state)) + 1;
    await new Promise((done) => setTimeout(done, Math.random() * 3));
    session.state = new TextEncoder().encode(String(count));
    session.send(`${count} ${data}`);
  },
});
const server = new WebSocketServer({
  ...{ port: 0, host: "127.0.0.1", handleProtocols: door.handleProtocols },
});
server.on("connection", door.connection);
server.on("listening", () => console.log(server.address().port));
