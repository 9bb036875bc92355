// Owns: clients of MQTT over WebSocket, on the library `mqtt`, and brokers that share nothing.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type MqttClient } from "mqtt";
import type { App } from "../app.ts";
import { programOf } from "./programs.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

/** The library tells of a close without a code. */
const NO_CODE = 0;
const AGAIN_MS = 200;

/** It publishes with QoS 1 to a topic of its own, to which it is subscribed with QoS 1. */
class MqttLine implements Line {
  readonly #client: MqttClient;
  readonly #topic: string;
  readonly hearsFromFirst = false;
  #heard: Heard | undefined;
  #isOver = false;
  #wasConnected = false;

  constructor(url: string, id: number) {
    this.#topic = `proof/${id}`;
    this.#client = connect(url, {
      ...{ manualConnect: true, clientId: `proof-${id}`, clean: false, protocolVersion: 4 },
      ...{ reconnectPeriod: AGAIN_MS, keepalive: 60, queueQoSZero: false },
    });
  }

  get isOpen(): boolean {
    return this.#client.connected;
  }

  async open(heard: Heard): Promise<void> {
    const client = this.#client;
    this.#heard = heard;
    client.on("error", () => {});
    client.on("message", (_topic, payload) => heard.push("own", Number(String(payload))));
    client.on("close", () => {
      if (this.#wasConnected && !this.#isOver) heard.closed(NO_CODE);
      this.#wasConnected = false;
    });
    client.on("connect", () => {
      this.#wasConnected = true;
    });
    const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
    client.connect();
    await connected;
    await client.subscribeAsync(this.#topic, { qos: 1 });
  }

  say(number: number): void {
    this.#client.publish(this.#topic, String(number), { qos: 1 }, (error) => {
      if (!error) this.#heard?.answer(number);
    });
  }

  close(): void {
    this.#isOver = true;
    this.#client.end(true);
  }
}

export const mqtt: App = {
  name: "mqtt",
  title: "MQTT 3.1.1 with QoS 1 both ways, brokers (mosquitto) that share nothing, profile mqtt",
  profile: "mqtt",
  clients: 500,
  declared: [
    {
      ...{ holes: ["pushes"], kinds: ["drain", "death", "hang"] },
      text: "what the former broker had for the client and had not delivered, for brokers share nothing; what came twice, for QoS 1 means at least once",
    },
  ],
  server({ port, folder }) {
    const program = programOf("MOSQUITTO", "a broker");
    const file = join(folder, "mosquitto.conf");
    const lines = [
      ...["user root", "allow_anonymous true"],
      // Version 2.0.11 ends if it has a WebSocket listener alone.
      `listener 0 ${folder}/socket`,
      ...[`listener ${port} 127.0.0.1`, "protocol websockets"],
      ...["persistence false", "max_queued_messages 0", "log_dest none"],
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const { MOSQUITTO_LIBRARIES = "" } = process.env;
    return {
      command: [program, "-c", file],
      env: { LD_LIBRARY_PATH: MOSQUITTO_LIBRARIES },
    };
  },
  client: ({ url, id, everyMs }) => new Talker(new MqttLine(url, id), { id, everyMs }),
};
