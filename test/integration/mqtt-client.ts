// Owns: clients of mqtt.js for tests: what they were sent, in order, and how to wait for it.
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { patience } from "../patience.ts";

export interface Received {
  readonly topic: string;
  readonly text: string;
  readonly packet: IPublishPacket;
}

export interface TestClient {
  readonly client: MqttClient;
  readonly received: Received[];
  /** CONNACK said that the node had the session. */
  readonly sessionPresent: boolean;
  /** Waits until as many messages came. */
  until(count: number): Promise<readonly Received[]>;
  /** Ends it in order. */
  end(): Promise<void>;
  /** Cuts the connection without a word. */
  cut(): void;
}

/** Of version 5, and does not come back by itself, if `options` do not say otherwise. */
export async function connectMqtt(url: string, options: IClientOptions = {}): Promise<TestClient> {
  const client = mqtt.connect(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: patience(5000),
    ...options,
  });
  const received: Received[] = [];
  const waiting: (() => void)[] = [];
  client.on("message", (topic, payload, packet) => {
    received.push({ topic, text: payload.toString(), packet });
    for (const wake of waiting.splice(0)) wake();
  });
  const sessionPresent = await new Promise<boolean>((resolve, reject) => {
    client.once("connect", (connack) => resolve(connack.sessionPresent));
    client.once("error", reject);
    if (options.reconnectPeriod === undefined)
      client.once("close", () => reject(new Error("closed before CONNACK")));
  });
  client.on("error", () => {});
  return {
    client,
    received,
    sessionPresent,
    async until(count) {
      while (received.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
      return received;
    },
    end: () => client.endAsync(),
    cut: () => void client.stream.destroy(),
  };
}
