// Owns: rival (a): nothing but Bun.serve and server.publish. A message from a client is a topic to
// subscribe to.
import { answerCommands } from "../commands.ts";
import { paced } from "../pacing.ts";
import { payloadObject } from "../payload.ts";
import { collectGarbage, usage } from "../usage.ts";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request, self) =>
    self.upgrade(request) ? undefined : new Response("WebSocket only", { status: 426 }),
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    message: (socket, topic) => {
      socket.subscribe(String(topic));
      socket.send("ok");
    },
  },
});

await answerCommands(
  { port: server.port, version: `Bun ${Bun.version}` },
  {
    usage,
    gc: collectGarbage,
    publish: async (command) => {
      const channels = command.channels as readonly string[];
      const startedMs = Date.now();
      await paced({ count: Number(command.count), perSecond: Number(command.perSecond) }, (n) => {
        server.publish(
          channels[n % channels.length] ?? "",
          JSON.stringify(payloadObject(n)),
          false,
        );
      });
      return { startedMs };
    },
  },
);
