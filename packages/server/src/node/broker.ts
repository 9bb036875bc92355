// Owns: the broker that a configuration names.
import { type Broker, createMemoryBroker } from "@holdfast/core";
import { connectLink, parseLink } from "../brokers/index.ts";
import type { ServerEvents } from "../events.ts";
import { StartError } from "./start-error.ts";
import { systemClock, systemRandom } from "./system.ts";

/** Opens the broker that `url` names: `memory:` lives in this process and ends with it, `link:` is a supervisor's. Throws StartError. */
export async function openBroker(url: string, nodeId: string, events: ServerEvents): Promise<Broker> {
  const common = { clock: systemClock, random: systemRandom, onBug: (error: unknown) => events.bug({ where: "broker", error }) };
  if (url === "memory:") return createMemoryBroker(common).connect(nodeId);
  try {
    return await connectLink({ ...common, endpoint: parseLink(url), nodeId });
  } catch (error) {
    throw new StartError("broker_unavailable", ["Cannot reach the broker's link: no answer from its supervisor"], { cause: error });
  }
}
