// Owns: rival (b): Socket.IO 4 on Node: WebSocket transport only, no compression, the in-memory
// adapter's room broadcast.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { answerCommands } from "../commands.ts";
import { paced } from "../pacing.ts";
import { payloadObject } from "../payload.ts";
import { collectGarbage, usage } from "../usage.ts";

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  // No heartbeat falls into a measurement; the other servers are silent, too.
  pingInterval: 3_600_000,
});
io.on("connection", (socket) => {
  socket.on("subscribe", (room: string, answer: () => void) => {
    socket.join(room);
    answer();
  });
});
await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));

const { version } = createRequire(import.meta.url)("socket.io/package.json") as { version: string };
await answerCommands(
  {
    port: (http.address() as AddressInfo).port,
    version: `Socket.IO ${version}, Node ${process.versions.node}`,
  },
  {
    usage,
    gc: collectGarbage,
    publish: async (command) => {
      const channels = command.channels as readonly string[];
      const startedMs = Date.now();
      await paced({ count: Number(command.count), perSecond: Number(command.perSecond) }, (n) => {
        io.to(channels[n % channels.length] ?? "").emit("m", payloadObject(n));
      });
      return { startedMs };
    },
  },
);
