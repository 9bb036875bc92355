// Owns: a plain server on `ws` that knows nothing of Holdfast. It answers each frame with the same
// number, and numbers the frames that it sends by itself within a socket.
import { WebSocketServer } from "ws";
import { took } from "./ledger.mjs";

const PUSH_MS = 500;
/** Longest time that a socket may take to close when the server ends. */
const END_MS = 1000;
/** What a socket gets that asks for a flood. It looks at nobody's pace, as careless servers do. */
const FLOOD = { frames: 400, everyMs: 10, pad: "x".repeat(16 * 1024) };

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
let sockets = 0;
server.on("connection", (socket) => {
  const home = `${process.pid}.${++sockets}`;
  let pushes = 0;
  const timer = setInterval(() => socket.send(JSON.stringify({ push: ++pushes, home })), PUSH_MS);
  socket.on("message", (data) => {
    const frame = String(data);
    if (frame === "flood") return flood(socket);
    took(frame);
    socket.send(JSON.stringify({ answer: Number(frame.split(" ")[1]) }));
  });
  socket.on("close", () => clearInterval(timer));
  socket.on("error", () => {});
});

/** @param {import("ws").WebSocket} socket */
function flood(socket) {
  let count = 0;
  const timer = setInterval(() => {
    socket.send(JSON.stringify({ flood: ++count, pad: FLOOD.pad }));
    if (count === FLOOD.frames) clearInterval(timer);
  }, FLOOD.everyMs);
  socket.on("close", () => clearInterval(timer));
}

process.on("SIGTERM", () => {
  server.close();
  for (const socket of server.clients) socket.close(1001);
  setTimeout(() => process.exit(0), END_MS).unref();
});
