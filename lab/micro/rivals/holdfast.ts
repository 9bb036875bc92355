// Owns: rival (c): a Holdfast node as it is, with the limits raised that would refuse the load, and
// no metrics or logs taken away.

import { loadConfig } from "@holdfast/config";
import { createLogger, createNode } from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { BenchError } from "../bench-error.ts";
import { answerCommands } from "../commands.ts";
import { paced } from "../pacing.ts";
import { payloadObject } from "../payload.ts";
import { collectGarbage, usage } from "../usage.ts";

const loaded = loadConfig(NODE_OPTIONS, {
  defaults: {
    host: "127.0.0.1",
    port: 0,
    internalHost: "127.0.0.1",
    internalPort: 0,
    channels: { "{name}": {} },
    "auth.anonymous": true,
    "limits.connectionsMax": 15_000,
    "limits.connectionsPerAddressMax": 15_000,
    "limits.handshakesInFlightMax": 15_000,
    "limits.publishesPerSecondMax": 100_000,
    "limits.framesPerSecondMax": 100_000,
    "limits.publishedBytesPerSecondMax": 2 ** 29,
    "limits.receivedBytesPerSecondMax": 2 ** 30,
    "limits.answeredBytesPerSecondMax": 2 ** 32,
    "limits.nodePublishedBytesPerSecondMax": 2 ** 34,
    "limits.nodeReceivedBytesPerSecondMax": 2 ** 34,
    "limits.nodeAnsweredBytesPerSecondMax": 2 ** 34,
    "limits.nodeChannelsPerSecondMax": 100_000,
    "limits.nodeProcessingMsPerSecondMax": 1000,
    "admission.handshakesPerSecond": 100_000,
    // The drivers do not ping: no heartbeat falls into a measurement; the other servers are silent,
    // too.
    "timeouts.idleMs": 3_600_000,
  },
});
if (!loaded.ok) throw new BenchError("server_unusable", JSON.stringify(loaded.problems));

const node = await createNode({
  config: loaded.config,
  logger: createLogger({ level: "warn", sink: (line) => process.stderr.write(`${line}\n`) }),
  version: "bench",
});
await node.start();

await answerCommands(
  { port: node.port, version: `Holdfast, Bun ${Bun.version}` },
  {
    usage,
    gc: collectGarbage,
    publish: async (command) => {
      const channels = command.channels as readonly string[];
      const answers: Promise<{ readonly ok: boolean }>[] = [];
      const startedMs = Date.now();
      await paced({ count: Number(command.count), perSecond: Number(command.perSecond) }, (n) => {
        const payload = { kind: "json", text: JSON.stringify(payloadObject(n)) } as const;
        answers.push(node.control.publish(channels[n % channels.length] ?? "", { payload }));
      });
      const refused = (await Promise.all(answers)).filter(({ ok }) => !ok).length;
      if (refused > 0) throw new BenchError("load_failed", `${refused} publishes were refused`);
      return { startedMs };
    },
  },
);
