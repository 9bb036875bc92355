// Owns: the MQTT door of a node and its listeners, as the options say.

import type { PeerCertificate } from "node:tls";
import type { Contract } from "@holdfast/contract";
import type { Broker, Clock, NodeEngine, Random } from "@holdfast/core";
import {
  type Accepted,
  createMqttDoor,
  MQTT_SUBPROTOCOL,
  type MqttDoor,
} from "@holdfast/door-mqtt";
import { payloadBytes } from "@holdfast/protocol";
import type { TLSOptions } from "bun";
import type { ServerEvents } from "../events.ts";
import type { ServerRecorder } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { topicRows } from "../options/mqtt-topics.ts";
import type { TcpSocket } from "../sockets/tcp-link.ts";
import { listenTcp, type TcpListener, type TcpListenerOptions } from "../sockets/tcp-listener.ts";
import type { SocketDoor } from "../sockets/upgrade.ts";
import { portTaken } from "./internal-listener.ts";

export interface MqttParts {
  readonly nodeId: string;
  readonly engine: NodeEngine;
  readonly broker: Broker;
  readonly contract: Contract;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: ServerEvents;
  readonly recorder: ServerRecorder;
}

/** The time between two looks for channels that filters with wildcards reach. */
const LOOK_MS = 1000;
const KEEP_ALIVE_UNIT_MS = 1000;
/** Ends that nobody has to look at. */
const ORDINARY: ReadonlySet<string> = new Set([
  "use_another_server",
  "session_taken_over",
  "keep_alive_timeout",
]);
/** Most sockets of TCP whose end is on its way, in addition to those that the engine counts. */
const SOCKETS_SPARE = 256;

/** Undefined: the options want no MQTT. */
export function mqttDoor(config: Config, parts: MqttParts): MqttDoor | undefined {
  const { mqtt, limits } = config;
  if (mqtt.transports.length === 0) return undefined;
  const { engine, broker, contract, clock, random, events, nodeId, recorder } = parts;
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
      sessionExpirySecondsMax: Math.floor(mqtt.sessionExpiryMsMax / KEEP_ALIVE_UNIT_MS),
      filtersMax: limits.subscriptionsMax,
      channelsMax: limits.subscriptionsMax,
      lookMs: LOOK_MS,
    },
    observer: {
      refused: (code) => recorder.mqttRefused(code),
      opened: (outcome, version) => recorder.mqttOpened(outcome, version),
      closed: (version) => recorder.mqttClosed(version),
      takeOverDelayed() {
        recorder.mqttTakeOverDelayed();
        events.mqttTakeOverDelayed();
      },
      ended(reason, where) {
        recorder.mqttEnded(reason, where);
        if (!ORDINARY.has(reason)) events.mqttRefused({ reason, where });
      },
      takenOver: () => recorder.mqttTakenOver(),
      willEnded: (outcome) => recorder.mqttWill(outcome, 1),
      willsAdopted(wills) {
        recorder.mqttWill("adopted", wills);
        events.mqttWillsAdopted({ wills });
      },
      bug: (where, error) => events.bug({ where, error }),
    },
    nodeId,
    states: broker.states,
    bus: broker.bus,
    async mayPublish(connection, { channel, payload }) {
      const rules = contract.resolve(channel);
      if (rules === undefined || payloadBytes(payload) > limits.dataBytesMax) return false;
      const { view, identity } = connection;
      if (!(await rules.allows("publish", view, identity))) return false;
      return (await rules.checkPayload?.(payload))?.ok ?? true;
    },
    async maySubscribe({ view, identity }, channel) {
      return (await contract.resolve(channel)?.allows("subscribe", view, identity)) ?? false;
    },
    tap: (channel, options) => engine.tap(channel, options),
    async headOf(channel) {
      const stream = contract.resolve(channel)?.stream;
      if (stream === undefined) return { epoch: "", offset: 0 };
      const { epoch, head } = await broker.history(channel, stream, { limit: 0, after: 0 });
      return { epoch, offset: head };
    },
    async publish({ channel, payload, key, meta, user }, idempotencyKey) {
      const rules = contract.resolve(channel);
      if (rules === undefined) return;
      await broker.publish(channel, rules.stream, {
        payload,
        meta,
        idempotencyKey,
        ...(key === undefined ? {} : { key }),
        ...(user === undefined ? {} : { user }),
      });
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

/** The listeners of a node's MQTT; a port is 0 if there is none. */
export interface MqttListeners {
  readonly port: number;
  readonly tlsPort: number;
  stopListening(): void;
  end(): void;
}

/** Undefined: the options want none. Throws StartError if it cannot listen on a port. */
export function listenMqtt(
  config: Config,
  { mqtt, events }: Pick<MqttParts, "events"> & { readonly mqtt: MqttDoor | undefined },
): MqttListeners | undefined {
  if (mqtt === undefined) return undefined;
  const { transports, port, tlsPort } = config.mqtt;
  const common = commonOptions(config, events);
  const plain = transports.includes("tcp")
    ? listening("mqtt", port, { ...common, port, open: (link) => mqtt.open(link) })
    : undefined;
  let secure: TcpListener | undefined;
  try {
    if (transports.includes("tls"))
      secure = listening("mqtt tls", tlsPort, {
        ...common,
        port: tlsPort,
        tls: tlsOptions(config),
        open: (link, socket) => mqtt.open(link, acceptedOf(config, socket)),
      });
  } catch (error) {
    plain?.end();
    throw error;
  }
  return {
    port: plain?.port ?? 0,
    tlsPort: secure?.port ?? 0,
    stopListening() {
      plain?.stopListening();
      secure?.stopListening();
    },
    end() {
      plain?.end();
      secure?.end();
    },
  };
}

function commonOptions({ host, reusePort, limits, flow }: Config, events: ServerEvents) {
  return {
    host,
    reusePort,
    queueBytesMax: flow.queueBytesMax * 2,
    socketsMax: limits.connectionsMax + SOCKETS_SPARE,
    onFull: (address: string) => events.socketRefused({ reason: "full", address }),
    onError: (where: string, error: unknown) => events.bug({ where, error }),
  };
}

function listening(
  which: "mqtt" | "mqtt tls",
  port: number,
  options: TcpListenerOptions,
): TcpListener {
  try {
    return listenTcp(options);
  } catch (error) {
    throw portTaken(which, port, error);
  }
}

function tlsOptions({ mqtt, tls }: Config): TLSOptions {
  const { certFile = tls.certFile, keyFile = tls.keyFile, clientCaFile } = mqtt.tls;
  const { clientCertificates } = mqtt.tls;
  return {
    ...(certFile === undefined ? {} : { cert: Bun.file(certFile) }),
    ...(keyFile === undefined ? {} : { key: Bun.file(keyFile) }),
    ...(clientCaFile === undefined ? {} : { ca: Bun.file(clientCaFile) }),
    requestCert: clientCertificates !== "none",
    rejectUnauthorized: clientCertificates === "required",
  };
}

/** A certificate that no authority of ours signed is as good as none. */
function acceptedOf({ mqtt }: Config, socket: TcpSocket): Accepted {
  if (mqtt.tls.clientCertificates === "none" || !socket.authorized) return {};
  const user = userOf(socket.getPeerCertificate(), mqtt.tls.user);
  return user === undefined ? {} : { identity: { user } };
}

const NAMES = { dns: "DNS:", uri: "URI:", email: "email:" } as const;

function userOf(
  { subject, subjectaltname }: Partial<PeerCertificate>,
  rule: Config["mqtt"]["tls"]["user"],
): string | undefined {
  if (rule === "cn") {
    const name: unknown = subject?.CN;
    return typeof name === "string" && name !== "" ? name : undefined;
  }
  const kind = NAMES[rule];
  const found = subjectaltname?.split(", ").find((name) => name.startsWith(kind));
  return found?.slice(kind.length);
}
