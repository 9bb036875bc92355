// Owns: a plain server on `ws` that knows nothing of Holdfast. It answers each frame with the same
// number, and numbers the frames that it sends by itself within a socket.
import { WebSocketServer } from "ws";

const PUSH_MS = 500;
/** Longest time that a socket may take to close when the server ends. */
const END_MS = 1000;

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });
let sockets = 0;
server.on("listening", () => process.stdout.write("ready\n"));
server.on("connection", (socket) => {
  const home = `${process.pid}.${++sockets}`;
  let pushes = 0;
  const timer = setInterval(() => socket.send(JSON.stringify({ push: ++pushes, home })), PUSH_MS);
  socket.on("message", (data) =>
    socket.send(JSON.stringify({ answer: Number(String(data)), home })),
  );
  socket.on("close", () => clearInterval(timer));
  socket.on("error", () => {});
});
process.on("SIGTERM", () => {
  server.close();
  for (const socket of server.clients) socket.close(1001);
  setTimeout(() => process.exit(0), END_MS).unref();
});
