// Owns: one measurement: one server, or one cluster of them, in one scenario.
import { fanOutPlan, roomsPlan } from "./load-plans.ts";
import type { Sizes } from "./plan.ts";
import type { Measurement } from "./result.ts";
import type { RivalName } from "./rivals.ts";
import { nodesOf, type ScenarioName } from "./scenario.ts";
import { measureFlow } from "./scenarios/flow.ts";
import { measureMemory } from "./scenarios/memory.ts";
import { measureRecovery } from "./scenarios/recovery.ts";
import type { Running, ServerOrder, Servers } from "./servers.ts";

/** Room for connections beyond those of a scenario. */
const CONNECTIONS_SPARE = 500;

export interface MeasureOrder {
  readonly scenario: ScenarioName;
  readonly rival: RivalName;
  readonly sizes: Sizes;
  /** Called with the server's version, if it says one. */
  readonly onVersion: (version: string) => void;
}

/** Starts the servers, loads them, and ends them whatever happens. */
export async function measure(
  servers: Servers,
  { scenario, rival, sizes, onVersion }: MeasureOrder,
): Promise<Measurement["figures"]> {
  const order: ServerOrder = {
    rival,
    nodes: nodesOf(scenario) ?? 1,
    recovers: scenario === "recovery",
    connectionsMax: Math.max(sizes.memory.connections, sizes.recovery.clients) + CONNECTIONS_SPARE,
  };
  const start = async () => {
    const running = await servers.start(order);
    onVersion(running.version);
    return running;
  };
  if (scenario === "memory") return { ...(await measureMemory(start, sizes)) };
  const running = await start();
  try {
    return { ...(await figuresOf(running, scenario, sizes)) };
  } finally {
    await running.stop();
  }
}

async function figuresOf(
  running: Running,
  scenario: Exclude<ScenarioName, "memory">,
  sizes: Sizes,
) {
  switch (scenario) {
    case "fanout": {
      const { subscribers, deliveriesPerSecond } = sizes.fanOut;
      const plan = fanOutPlan(running, sizes, {
        subscribers,
        publishesPerSecond: deliveriesPerSecond / subscribers,
      });
      return measureFlow(running, plan);
    }
    case "rooms":
      return measureFlow(running, roomsPlan(running, sizes));
    case "recovery":
      return measureRecovery(running, sizes);
    case "nodes-1":
    case "nodes-2":
    case "nodes-3": {
      const { subscribersOfNode, publishesPerSecond } = sizes.nodes;
      const subscribers = subscribersOfNode * running.urls.length;
      return measureFlow(running, fanOutPlan(running, sizes, { subscribers, publishesPerSecond }));
    }
  }
}
