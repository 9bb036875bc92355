// Owns: the door for MQTT 3.1.1 and 5: its clients, and what they share. No I/O.
import type { Clock, DoorClient, DoorEngine, Link, Random } from "@holdfast/core";
import { MqttClient } from "./client.ts";
import { Discovery, type DiscoveryNeeds } from "./discovery.ts";
import { type Accepted, type DoorParts, type MqttObserver, Registry } from "./door-parts.ts";
import { Messages } from "./message.ts";
import type { MqttSettings } from "./settings.ts";
import { Topics } from "./topics.ts";

/** The WebSocket subprotocol of MQTT (MQTT 5, section 6). */
export const MQTT_SUBPROTOCOL = "mqtt";

/** What the door needs of its node. */
export interface MqttNeeds {
  readonly engine: DoorEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: MqttSettings;
  readonly observer: MqttObserver & { bug(where: string, error: unknown): void };
  readonly channels: DiscoveryNeeds["channels"];
  /** Whether the contract says of the channel that it is of class `latest`. */
  isLatest(channel: string): boolean;
}

export interface MqttDoor {
  /** A new client; its bytes come in whatever pieces the transport has. */
  open(link: Link, accepted?: Accepted): DoorClient;
}

export function createMqttDoor(needs: MqttNeeds): MqttDoor {
  const { settings, clock, observer } = needs;
  const topics = new Topics(settings.topics);
  const parts: DoorParts = {
    ...needs,
    settings: () => settings,
    topics,
    messages: new Messages(topics),
    registry: new Registry(),
    discovery: new Discovery({
      clock,
      channels: needs.channels,
      lookMs: () => settings.lookMs,
      channelsMax: () => settings.channelsMax,
      bug: (error) => observer.bug("mqtt.discovery", error),
    }),
  };
  return { open: (link, accepted = {}) => new MqttClient(parts, link, accepted) };
}
