// Owns: a Socket.IO server that follows the conventions of the driver `socketio`, with connection
// state recovery. Run by Node: prints its port.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  connectionStateRecovery: { maxDisconnectionDuration: 60_000, skipMiddlewares: true },
});
io.on("connection", (socket) => {
  socket.on("subscribe", (room: string, answer: () => void) => {
    socket.join(room);
    answer();
  });
  socket.on("publish", (room: string, data: unknown, answer: () => void) => {
    io.to(room).emit("m", data);
    answer();
  });
  socket.on("echo", (answer: () => void) => answer());
});
http.listen(0, "127.0.0.1", () =>
  process.stdout.write(`${(http.address() as AddressInfo).port}\n`),
);
// The test that started it holds stdin open.
process.stdin.resume().on("end", () => process.exit(0));
