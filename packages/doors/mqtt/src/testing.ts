// Owns: the door on the engine of a test, with small limits, so that tests reach them.
import { createSeededRandom, type DoorEngine, type NodeEngine } from "@holdfast/core";
import type { EngineHarness } from "@holdfast/testkit";
import { createMqttDoor, type MqttDoor } from "./door.ts";
import type { MqttSettings } from "./settings.ts";
import { SAME_NAMES } from "./topics.ts";

export const TEST_MQTT: MqttSettings = {
  topics: SAME_NAMES,
  keepAliveSecondsMax: 3600,
  receiveMax: 16,
  inFlightMax: 4,
  topicAliasMax: 4,
  sessionExpirySecondsMax: 3600,
  filtersMax: 20,
  channelsMax: 8,
  lookMs: 1000,
};

let doors = 0;

export function testDoor(
  harness: EngineHarness,
  engine: DoorEngine & Pick<NodeEngine, "tap"> = harness.engine,
  settings: MqttSettings = TEST_MQTT,
): MqttDoor {
  doors += 1;
  const broker = harness.broker.connect(`door-${doors}`);
  return createMqttDoor({
    engine,
    clock: harness.clock,
    random: createSeededRandom(doors),
    settings,
    nodeId: "n1",
    states: broker.states,
    bus: broker.bus,
    observer: {
      refused() {},
      opened() {},
      closed() {},
      takenOver() {},
      takeOverDelayed() {},
      ended() {},
      willEnded() {},
      willsAdopted() {},
      bug: (_where, error) => void harness.bugs.push(error),
    },
    channels: (query) => broker.channels(query),
    mayPublish: () => true,
    maySubscribe: () => true,
    tap: (channel, options) => engine.tap(channel, options),
    headOf: async () => ({ epoch: "", offset: 0 }),
    publish: async () => {},
    isLatest: () => false,
  });
}
