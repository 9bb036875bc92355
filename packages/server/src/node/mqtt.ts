// Owns: the MQTT door of a node and its listeners, as the options say.
import type { Contract } from "@holdfast/contract";
import type { Broker, Clock, NodeEngine, Random } from "@holdfast/core";
import { createMqttDoor, MQTT_SUBPROTOCOL, type MqttDoor } from "@holdfast/door-mqtt";
import type { ServerEvents } from "../events.ts";
import type { Config } from "../options/index.ts";
import { topicRows } from "../options/mqtt-topics.ts";
import { listenTcp, type TcpListener } from "../sockets/tcp-listener.ts";
import type { SocketDoor } from "../sockets/upgrade.ts";
import { portTaken } from "./internal-listener.ts";

export interface MqttParts {
  readonly engine: NodeEngine;
  readonly broker: Broker;
  readonly contract: Contract;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: ServerEvents;
}

/** The time between two looks for channels that filters with wildcards reach. */
const LOOK_MS = 1000;
const KEEP_ALIVE_UNIT_MS = 1000;
/** Most sockets of TCP whose end is on its way, in addition to those that the engine counts. */
const SOCKETS_SPARE = 256;

/** Undefined: the options want no MQTT. */
export function mqttDoor(config: Config, parts: MqttParts): MqttDoor | undefined {
  const { mqtt, limits } = config;
  if (mqtt.transports.length === 0) return undefined;
  const { engine, broker, contract, clock, random, events } = parts;
  return createMqttDoor({
    engine,
    clock,
    random,
    settings: {
      topics: topicRows(mqtt.topics),
      keepAliveSecondsMax: Math.floor(mqtt.keepAliveMsMax / KEEP_ALIVE_UNIT_MS),
      receiveMax: mqtt.receiveMax,
      inFlightMax: mqtt.inFlightMax,
      topicAliasMax: mqtt.topicAliasMax,
      filtersMax: limits.subscriptionsMax,
      channelsMax: limits.subscriptionsMax,
      lookMs: LOOK_MS,
    },
    observer: {
      refused() {},
      bug: (where, error) => events.bug({ where, error }),
    },
    channels: (query) => broker.channels(query),
    isLatest: (channel) => contract.resolve(channel)?.stream.cls === "latest",
  });
}

/** Clients that offer `mqtt` get that door; all others the one that was there. */
export function withMqtt(config: Config, door: SocketDoor, mqtt: MqttDoor | undefined): SocketDoor {
  if (mqtt === undefined || !config.mqtt.transports.includes("websocket")) return door;
  return {
    accept(offered) {
      const names = offered?.split(",").map((name) => name.trim()) ?? [];
      return names.includes(MQTT_SUBPROTOCOL)
        ? { subprotocol: MQTT_SUBPROTOCOL, open: (link) => mqtt.open(link) }
        : door.accept(offered);
    },
  };
}

export type MqttListeners = Pick<TcpListener, "port" | "stopListening" | "end">;

/** Undefined: the options want none. Throws StartError if it cannot listen on the port. */
export function listenMqtt(
  config: Config,
  { mqtt, events }: Pick<MqttParts, "events"> & { readonly mqtt: MqttDoor | undefined },
): MqttListeners | undefined {
  const { limits, flow } = config;
  if (mqtt === undefined || !config.mqtt.transports.includes("tcp")) return undefined;
  try {
    return listenTcp({
      host: config.host,
      port: config.mqtt.port,
      reusePort: config.reusePort,
      queueBytesMax: flow.queueBytesMax * 2,
      socketsMax: limits.connectionsMax + SOCKETS_SPARE,
      open: (link) => mqtt.open(link),
      onFull: (address) => events.socketRefused({ reason: "full", address }),
      onError: (where, error) => events.bug({ where, error }),
    });
  } catch (error) {
    throw portTaken("mqtt", config.mqtt.port, error);
  }
}
