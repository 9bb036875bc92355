// Owns: a supervisor process for tests that kill it: serves a memory broker at the path and with
// the secret that it is given, says "listening".
import { createMemoryBroker } from "@holdfast/core";
import { systemClock, systemRandom } from "@holdfast/server";
import { createLinkServer } from "../index.ts";

const [path = "", secret = ""] = process.argv.slice(2);
await createLinkServer({
  broker: createMemoryBroker({ clock: systemClock, random: systemRandom }),
  clock: systemClock,
  place: { kind: "unix", path },
  secret,
});
process.stdout.write("listening\n");
