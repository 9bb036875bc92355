// Owns: the Kafka broker that tests run against: franz-go's kfake, built with Go into our own
// folder.
import { join } from "node:path";
import { capture } from "./child.mjs";
import { ROOT } from "./root.mjs";

const SOURCE = join(ROOT, "test/sinks/kafka-broker");
const PROGRAM = join(ROOT, ".cache/tools/kafka-broker");
const BUILD_TIMEOUT_MS = 5 * 60_000;

/**
 * The program for tests, as the environment that names it. Go knows itself what has changed.
 * @returns {Promise<{ ok: true, env: { KAFKA_BROKER: string } } | { ok: false, message: string }>}
 */
export async function ensureKafka() {
  const run = await capture("go", ["build", "-o", PROGRAM, "."], {
    cwd: SOURCE,
    timeoutMs: BUILD_TIMEOUT_MS,
    env: { GOFLAGS: "", CGO_ENABLED: "0" },
  });
  if (run.code === 0) return { ok: true, env: { KAFKA_BROKER: PROGRAM } };
  console.log(run.output.trimEnd());
  return {
    ok: false,
    message:
      "the Kafka broker of the tests could not be built. Install Go 1.26 or newer, or one that may fetch it, and run npm test again",
  };
}
