// Owns: a server of socket.io without any adapter. It acknowledges each event, and numbers those
// that it sends by itself within a socket.
import { createServer } from "node:http";
import { Server } from "socket.io";

const PUSH_MS = 500;
/** Longest time that sockets may take to close when the server ends. */
const END_MS = 1000;

// Whoever asks for anything else gets an answer, too.
const http = createServer((_, answer) => void answer.writeHead(404).end());
const server = new Server(http);
let sockets = 0;
server.on("connection", (socket) => {
  const home = `${process.pid}.${++sockets}`;
  let pushes = 0;
  const timer = setInterval(() => socket.emit("push", { push: ++pushes, home }), PUSH_MS);
  socket.on("say", (number: number, answer: (number: number) => void) => answer(number));
  socket.on("disconnect", () => clearInterval(timer));
});
http.listen(Number(process.argv[2]), "127.0.0.1", () => process.stdout.write("ready\n"));
process.on("SIGTERM", () => {
  void server.close();
  setTimeout(() => process.exit(0), END_MS).unref();
});
