// Owns: the game's server: plain `ws`. It steers boats and tells everybody where they are. It knows
// nothing of Holdfast. `node game.mjs NAME FOLDER` says its port in its first line.
import { WebSocketServer } from "ws";
import { World } from "./world.mjs";

const [name = "v1", folder = "."] = process.argv.slice(2);
const TICK_MS = 50;
const ARRIVALS_MS = 10;
const ENDING_MS = 500;
const world = new World(folder);
/** The socket of each boat. If a client has two for a moment, the later one counts. */
const sockets = new Map();

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, maxPayload: 1024 });
server.on("connection", (socket, request) => {
  const asked = new URL(request.url, "ws://game").searchParams;
  const [id, boat] = [asked.get("boat") ?? "", asked.get("name") ?? ""];
  if (!/^[\w-]{1,64}$/.test(id) || !/^[\w -]{1,20}$/.test(boat))
    return socket.close(1008, "expected ?boat=ID&name=NAME");
  if (!world.arrive(id, boat)) return socket.close(1013, "the arena is full");
  sockets.set(id, socket);
  socket.on("message", (data) => {
    const input = read(data);
    if (input === undefined) socket.close(1008, 'expected {"seq": 1, "heading": [0, 1]}');
    else if (sockets.get(id) === socket) world.steer(id, input);
  });
  socket.on("close", () => {
    if (sockets.get(id) !== socket) return;
    sockets.delete(id);
    world.leave(id);
  });
  socket.on("error", () => socket.terminate());
});
server.on("listening", () => console.log(server.address().port));

setInterval(() => {
  world.tick(TICK_MS / 1000);
  tell(world.ids());
}, TICK_MS);
// A client that moves here waits for its boat, which the former server has until it lets go.
setInterval(() => tell(world.takeOver()), ARRIVALS_MS);

function tell(ids) {
  if (ids.length === 0) return;
  const snapshot = JSON.stringify({ server: `${name} · ${process.pid}`, ...world.snapshot() });
  for (const id of ids) sockets.get(id)?.send(snapshot);
}

/** Undefined: it is no input. */
function read(data) {
  try {
    const { seq, heading } = JSON.parse(data);
    const isHeading = Array.isArray(heading) && heading.length === 2;
    if (Number.isSafeInteger(seq) && isHeading && heading.every(Number.isFinite))
      return { seq, heading };
  } catch {
    // The same answer as for JSON that is no input.
  }
  return undefined;
}

process.on("SIGTERM", () => {
  for (const socket of sockets.values()) socket.close(1001, "the server ends");
  server.close(() => process.exit());
  setTimeout(() => process.exit(), ENDING_MS);
});
// Whoever started it is gone.
process.stdin.on("end", () => process.exit()).resume();
