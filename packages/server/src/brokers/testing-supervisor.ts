// Owns: a supervisor process for tests that kill it: serves a memory broker at the path and with the secret that it is given, says "listening".
import { createMemoryBroker } from "@holdfast/core";
import { createSeededRandom } from "@holdfast/testkit";
import { createLinkServer } from "./index.ts";
import { realClock } from "./testing.ts";

const [path = "", secret = ""] = process.argv.slice(2);
await createLinkServer({
  broker: createMemoryBroker({ clock: realClock, random: createSeededRandom(process.pid) }),
  clock: realClock,
  place: { kind: "unix", path },
  secret,
});
process.stdout.write("listening\n");
