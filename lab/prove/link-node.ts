// Owns: a node process on the broker link, for proofs without Redis: what `holdfast serve` does,
// with the broker of the process that started it.
import { loadConfig } from "@holdfast/config";
import {
  connectLink,
  createLogger,
  createNode,
  parseLink,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { ProveError } from "./prove-error.ts";

const [link = ""] = process.argv.slice(2);
const loaded = loadConfig(NODE_OPTIONS, { env: process.env });
if (!loaded.ok) throw new ProveError("node_unusable", JSON.stringify(loaded.problems));
const { config } = loaded;
const nodeId = config.nodeId ?? "node";
const logger = createLogger({
  sink: (line) => void process.stdout.write(`${line}\n`),
  level: config.log.level,
});
const broker = await connectLink({
  endpoint: parseLink(link),
  nodeId,
  clock: systemClock,
  random: systemRandom,
});
const node = await createNode({ config, logger, version: "proof", broker });
await node.start();
process.once("SIGTERM", async () => {
  await node.drain(config.drain);
  await node.stop();
  logger.flush();
  process.exit(0);
});
