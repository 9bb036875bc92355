// Owns: the door for MQTT 3.1.1 and 5: its clients, and what they share. No I/O.
import type {
  Bus,
  BusMessage,
  Clock,
  DoorClient,
  DoorEngine,
  Link,
  Random,
  StateStore,
} from "@holdfast/core";
import { MqttClient } from "./client.ts";
import { Discovery, type DiscoveryNeeds } from "./discovery.ts";
import type { Accepted, DoorParts, MqttObserver } from "./door-parts.ts";
import { Leases, TAKEN } from "./leases.ts";
import { Messages } from "./message.ts";
import type { MqttSettings } from "./settings.ts";
import type { ShareNeeds } from "./share-group.ts";
import { Shares } from "./shares.ts";
import { TakeOvers } from "./take-overs.ts";
import { Topics } from "./topics.ts";
import { type MqttFigures, Totals } from "./totals.ts";
import { Wills, type WillsNeeds } from "./wills.ts";

/** The WebSocket subprotocol of MQTT (MQTT 5, section 6). */
export const MQTT_SUBPROTOCOL = "mqtt";

/** What the door needs of its node. */
export interface MqttNeeds {
  readonly engine: DoorEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: MqttSettings;
  readonly observer: MqttObserver;
  readonly nodeId: string;
  /** `Broker.states` and `Broker.bus`. */
  readonly states: StateStore;
  readonly bus: Pick<Bus, "send">;
  readonly channels: DiscoveryNeeds["channels"];
  mayPublish: DoorParts["mayPublish"];
  maySubscribe: DoorParts["maySubscribe"];
  tap: ShareNeeds["tap"];
  headOf: ShareNeeds["headOf"];
  /** Publishes for a client that is gone. */
  publish: WillsNeeds["publish"];
  /** Whether the contract says of the channel that it is of class `latest`. */
  isLatest(channel: string): boolean;
}

export interface MqttDoor {
  /** A new client; its bytes come in whatever pieces the transport has. */
  open(link: Link, accepted?: Accepted): DoorClient;
  figures(): MqttFigures;
  /** The node ends: wills that wait are left to others. Never rejects. */
  stop(): Promise<void>;
}

export function createMqttDoor(needs: MqttNeeds): MqttDoor {
  const { settings, clock, observer } = needs;
  const topics = new Topics(settings.topics);
  const messages = new Messages(topics);
  const totals = new Totals();
  const lifeId = needs.random.id().slice(0, 12);
  // A word that is lost is no harm: nodes learn from the broker, a little later.
  const tell = (message: BusMessage): void => void needs.bus.send(message).catch(() => {});
  const leases = new Leases({
    states: needs.states,
    clock,
    nodeId: needs.nodeId,
    tell,
    bug: (error) => observer.bug("mqtt.leases", error),
  });
  needs.engine.hear(TAKEN, (message) => leases.heard(message));
  const wills = new Wills({
    ...needs,
    lifeId,
    tell,
    ended: (outcome) => observer.willEnded(outcome),
    adopted: (count) => observer.willsAdopted(count),
    bug: (where, error) => observer.bug(where, error),
  });
  needs.engine.hear(Wills.kind, (message) => wills.heard(message));
  wills.start();
  const shares = new Shares({
    ...needs,
    messages,
    lifeId,
    bug: (error) => observer.bug("mqtt.shares", error),
  });
  const parts: DoorParts = {
    ...needs,
    settings: () => settings,
    topics,
    messages,
    lifeId,
    leases,
    wills,
    totals,
    takeOvers: new TakeOvers(clock, () => observer.takeOverDelayed()),
    shares,
    discovery: new Discovery({
      clock,
      channels: needs.channels,
      lookMs: () => settings.lookMs,
      channelsMax: () => settings.channelsMax,
      bug: (error) => observer.bug("mqtt.discovery", error),
    }),
  };
  return {
    open: (link, accepted = {}) => new MqttClient(parts, link, accepted),
    figures: () => ({
      ...totals.figures(),
      waitingWills: wills.pending,
      searches: parts.discovery.size,
    }),
    stop: () => wills.stop(),
  };
}
