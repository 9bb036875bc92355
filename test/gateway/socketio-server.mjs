// Owns: an application on Socket.IO, as a program that says its port. With SECOND_PORT it listens
// there too, as a second server of the same fleet, with connection state recovery between both.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { SessionAwareAdapter } from "socket.io-adapter";

const refused = (process.env.REFUSED ?? "").split(",");
const second = Number(process.env.SECOND_PORT ?? 0);

/** What an adapter on Redis shares: sessions, and events that they may have missed. */
class SharedAdapter extends SessionAwareAdapter {
  static #all = new Set();
  static #sessions = new Map();
  static #packets = new Map();

  constructor(namespace) {
    super(namespace);
    const { name } = namespace;
    this.sessions = SharedAdapter.#sessions;
    this.packets = SharedAdapter.#packets.get(name) ?? [];
    SharedAdapter.#packets.set(name, this.packets);
    SharedAdapter.#all.add(this);
  }

  broadcast(packet, opts) {
    super.broadcast(packet, opts);
    for (const other of SharedAdapter.#all)
      if (other !== this && other.nsp.name === this.nsp.name)
        Object.getPrototypeOf(SessionAwareAdapter.prototype).broadcast.call(other, packet, opts);
  }
}

function start(port, options) {
  const http = createServer();
  const io = new Server(http, { pingInterval: 300, pingTimeout: 5000, ...options });
  for (const namespace of [io.of("/"), io.of("/chat")]) {
    namespace.use((socket, next) =>
      next(refused.includes(socket.handshake.auth.token) ? new Error("refused") : undefined),
    );
    namespace.on("connection", (socket) => {
      socket.on("echo", (value, answer) => answer(value));
      socket.on("slow", (ms, answer) => setTimeout(() => answer("late"), ms));
      socket.on("say", (value) => namespace.emit("said", value));
      socket.on("join", (room) => socket.join(room));
      socket.on("tell", (room, value) => namespace.to(room).emit("told", value));
      socket.on("ask me", (value) =>
        socket.emit("question", value, (answer) => socket.emit("answered", value, answer)),
      );
      socket.on("who am I", (answer) => answer(socket.id, socket.recovered, [...socket.rooms]));
      socket.on("kick me", () => socket.disconnect(true));
    });
  }
  http.listen(port, "127.0.0.1", () => {
    if (port === 0 || port !== second) console.log(http.address().port);
  });
  return io;
}

const recovery = { connectionStateRecovery: {}, adapter: SharedAdapter };
const all = second === 0 ? [start(0, {})] : [start(second, recovery), start(0, recovery)];
process.on("SIGTERM", async () => {
  for (const io of all) await io.close();
  process.exit(0);
});
