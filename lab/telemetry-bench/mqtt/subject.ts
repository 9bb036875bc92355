// Owns: the comparison of MQTT brokers: scenarios, sizes, and which broker is measured where.
import type { Measuring, Subject } from "../subject.ts";
import { Brokers } from "./brokers.ts";
import { type FlowRules, type FlowSize, measureFlow } from "./flow.ts";
import { type MemoryRules, measureMemory } from "./memory.ts";
import { mqttCharts, mqttSections, mqttTargets } from "./page.ts";
import { BROKER_NAMES, BROKER_TEXTS, type BrokerName } from "./rivals.ts";

export const FLOWS = ["one-to-one", "one-to-many", "many-to-one"] as const;
export type FlowName = (typeof FLOWS)[number];
export const MEMORIES = ["idle", "subscribed"] as const;

export interface MqttSizes extends Readonly<Record<FlowName, FlowSize>> {
  readonly flow: Omit<FlowRules, "warmUpMessages">;
  /** Deliveries before a flow is measured. */
  readonly warmUpDeliveries: number;
  readonly memory: MemoryRules;
}

const FULL: MqttSizes = {
  "one-to-one": { publishers: 1, subscribers: 1, messagesPerSecond: 4000 },
  "one-to-many": { publishers: 1, subscribers: 50, messagesPerSecond: 200 },
  "many-to-one": { publishers: 500, subscribers: 1, messagesPerSecond: 4000 },
  flow: { payloadBytes: 100, leadMs: 1000, windowMs: 5000 },
  warmUpDeliveries: 60_000,
  memory: { connections: [2000, 8000], quietMs: 12_000, readings: 3 },
};

const QUICK: MqttSizes = {
  ...FULL,
  flow: { ...FULL.flow, leadMs: 500, windowMs: 2000 },
  warmUpDeliveries: 20_000,
  memory: { connections: [500, 2000], quietMs: 3000, readings: 2 },
};

/** Memory varies little, and is slow to measure. */
const MEMORY_ROUNDS_MAX = 1;
const CONNECTIONS_SPARE = 500;

const isMemory = (scenario: string): boolean => MEMORIES.some((name) => name === scenario);

export const MQTT: Subject<MqttSizes> = {
  scenarios: [...FLOWS, ...MEMORIES],
  rivals: BROKER_NAMES,
  sizes: (isQuick) => (isQuick ? QUICK : FULL),
  takesPart: ({ scenario, round }) => !isMemory(scenario) || round <= MEMORY_ROUNDS_MAX,
  titleOf: (rival) => BROKER_TEXTS[rival as BrokerName].title,
  open({ folder, pinning, sizes }): Measuring {
    const brokers = new Brokers({ folder, pinning });
    return {
      stopAll: () => brokers.stopAll(),
      async measure({ scenario, rival }, onVersion) {
        const connectionsMax = sizes.memory.connections[1] + CONNECTIONS_SPARE;
        const broker = await brokers.start(rival as BrokerName, connectionsMax);
        onVersion(rival, broker.version);
        try {
          if (isMemory(scenario))
            return { ...(await measureMemory(broker, sizes.memory, scenario === "subscribed")) };
          const size = sizes[scenario as FlowName];
          const warmUpMessages = Math.ceil(sizes.warmUpDeliveries / size.subscribers);
          return { ...(await measureFlow(broker, size, { ...sizes.flow, warmUpMessages })) };
        } finally {
          await broker.stop();
        }
      },
    };
  },
  targets: mqttTargets,
  charts: mqttCharts,
  sections: mqttSections,
};
