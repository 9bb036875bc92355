// Owns: the system that alerts watch in tests: `holdfast serve` processes over a real Redis, each
// with its own wire, a balancer, and clients.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { type Balancer, startBalancer } from "@holdfast/relay";
import mqtt, { type MqttClient } from "mqtt";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { API_KEY } from "../integration/start-node.ts";
import { startServer, stopServers, type TestServer } from "../redis/servers.ts";
import { layWire, type Wire } from "../redis/wires.ts";
import { NATS_USER, startNats, type TestLog } from "../sinks/logs.ts";

export interface FleetNode {
  readonly id: string;
  readonly pod: string;
  readonly url: string;
  readonly internalUrl: string;
  readonly wire: Wire;
  readonly mqttPort: number;
  kill(): Promise<void>;
  /** An operation of the HTTP API. */
  order(operation: "drain" | "undrain", body: object): Promise<void>;
}

const CHANNEL = "chat:alerts";
const CHANNELS = {
  "chat:{room}": {
    history: { size: 1000, ttlMs: 600_000 },
    presence: true,
    permissions: { subscribe: "anyone", publish: "anyone", presence: "anyone", history: "anyone" },
  },
  "talk:{room}": {},
  "meters:{site}": {},
};

/** It counts what is said in each room, and reads a log into channels. */
const processing = (log: string) => ({
  sources: {
    meters: {
      nats: {
        ...{ servers: [log], stream: "meters", subjects: ["meters.{site}"] },
        ...{ usernameFrom: "NATS_USER", passwordFrom: "NATS_PASSWORD" },
      },
      channel: "meters:{site}",
    },
  },
  pipelines: {
    talk: {
      from: "chat:{room}",
      steps: [
        { window: { tumbling: "1s", key: { room: "params.room" } }, aggregate: { n: "count" } },
        { to: { channel: "talk:{room}" } },
      ],
    },
  },
});

/** What the back end of the nodes here answers: how many questions it was asked. */
function startBackEnd() {
  let asked = 0;
  return Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: () => {
      asked += 1;
      return Response.json({ data: asked });
    },
  });
}

export class Fleet {
  readonly redis: TestServer;
  readonly balancer: Balancer;
  readonly #nodes = new Map<
    string,
    { readonly node: FleetNode; readonly command: RunningCommand }
  >();
  readonly #clients: Holdfast[] = [];
  readonly #devices: MqttClient[] = [];
  readonly #backEnd = startBackEnd();
  readonly #log: TestLog;
  readonly #folder: string;
  #publishing = true;
  #publisher: Promise<void> | undefined;
  #count = 0;

  private constructor(redis: TestServer, balancer: Balancer, log: TestLog, folder: string) {
    this.redis = redis;
    this.#log = log;
    this.#folder = folder;
    writeFileSync(this.#pipelines, JSON.stringify(processing(log.address)));
    this.balancer = balancer;
  }

  static async start(): Promise<Fleet> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-alerts-"));
    const log = await startNats(folder);
    await log.make("meters");
    await log.add([{ name: "meters.hall", key: "", value: { n: 1 } }]);
    const balancer = startBalancer({ checkEveryMs: 100, waitMs: 200 });
    return new Fleet(await startServer(), balancer, log, folder);
  }

  get #pipelines(): string {
    return join(this.#folder, "pipelines.json");
  }

  get nodes(): readonly FleetNode[] {
    return [...this.#nodes.values()].map(({ node }) => node);
  }

  /** `env`: variables besides those that all nodes here have. */
  async addNode(revision: string, env: Readonly<Record<string, string>> = {}): Promise<FleetNode> {
    const id = `node-${++this.#count}`;
    const wire = await layWire(this.redis.port);
    const mqttPort = await freePort();
    const desk = { url: `http://127.0.0.1:${this.#backEnd.port}/`, rpcs: { ask: "anyone" } };
    const command = startCommand(["serve"], {
      env: {
        HOLDFAST_NODE_ID: id,
        HOLDFAST_REVISION: revision,
        HOLDFAST_HOST: "127.0.0.1",
        HOLDFAST_PORT: "0",
        HOLDFAST_INTERNAL_HOST: "127.0.0.1",
        HOLDFAST_INTERNAL_PORT: "0",
        HOLDFAST_BROKER_URL: `redis://127.0.0.1:${wire.port}`,
        HOLDFAST_CHANNELS: JSON.stringify(CHANNELS),
        HOLDFAST_PIPELINES: this.#pipelines,
        HOLDFAST_BACK_ENDS: JSON.stringify({ desk }),
        HOLDFAST_MQTT_TRANSPORTS: "tcp",
        HOLDFAST_MQTT_PORT: String(mqttPort),
        NATS_USER: NATS_USER.name,
        NATS_PASSWORD: NATS_USER.password,
        HOLDFAST_AUTH_ANONYMOUS: "true",
        HOLDFAST_AUTH_INSECURE: "true",
        HOLDFAST_AUTH_RESUME_SECRET: "what signs the resume tokens of these tests",
        HOLDFAST_API_KEYS: JSON.stringify([{ name: "test", key: API_KEY, scopes: ["*"] }]),
        HOLDFAST_FLEET_REBALANCE: "false",
        ...env,
      },
    });
    await command.until((output) => output.includes('"node_listening"'));
    const { url, internalUrl } = command
      .events()
      .find(({ event }) => event === "node_listening") as unknown as {
      readonly url: string;
      readonly internalUrl: string;
    };
    const node: FleetNode = {
      id,
      pod: `pod-${id}`,
      url,
      internalUrl,
      wire,
      mqttPort,
      kill: () => this.#kill(id),
      async order(operation, body) {
        const answer = await fetch(`${url}/api/v1/${operation}`, {
          method: "POST",
          headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        if (!answer.ok) throw new Error(`${operation}: ${answer.status} ${await answer.text()}`);
      },
    };
    this.#nodes.set(id, { node, command });
    this.admit(node);
    await this.balancer.whenReady(id, 10_000);
    return node;
  }

  /** The balancer sends newcomers there. */
  admit({ id, url, internalUrl }: FleetNode): void {
    this.balancer.add({
      id,
      host: "127.0.0.1",
      port: Number(new URL(url).port),
      readyUrl: `${internalUrl}/readyz`,
    });
  }

  /**
   * Clients that come by the balancer, subscribe and are present; the first publishes ten times a
   * second.
   */
  async addClients(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const client = new Holdfast(`ws://127.0.0.1:${this.balancer.port}/connect`);
      this.#clients.push(client);
      await client.channel(CHANNEL).subscribe(() => {}).ready;
    }
    const [first] = this.#clients;
    if (first !== undefined) this.#publisher ??= this.#publish(first);
  }

  /**
   * Clients of MQTT, one on each node: each hears of the channel, publishes to it once, and once to
   * a topic that is no channel.
   */
  async addDevices(): Promise<void> {
    for (const { id, mqttPort } of this.nodes) {
      const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`, {
        ...{ clientId: `device-${id}`, protocolVersion: 5, reconnectPeriod: 200 },
        will: { topic: CHANNEL, payload: '"gone"', qos: 1 },
      });
      this.#devices.push(device);
      await device.subscribeAsync(CHANNEL, { qos: 1 });
      await device.publishAsync(CHANNEL, '{"by":"device"}', { qos: 1 });
      await device.publishAsync("nowhere", "1", { qos: 1 }).catch(() => {});
    }
  }

  async stop(): Promise<void> {
    this.#publishing = false;
    for (const client of this.#clients) client.close();
    for (const device of this.#devices) device.end(true);
    await this.#publisher;
    for (const id of [...this.#nodes.keys()]) await this.#kill(id);
    this.balancer.stop();
    await this.#backEnd.stop(true);
    await this.#log.power.kill();
    await stopServers([this.redis]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #publish(client: Holdfast): Promise<void> {
    for (let n = 0; this.#publishing; n++) {
      await client
        .channel(CHANNEL)
        .publish({ n })
        .catch(() => {});
      if (n % 10 === 0) await client.rpc("ask").catch(() => {});
      await Bun.sleep(100);
    }
  }

  async #kill(id: string): Promise<void> {
    const known = this.#nodes.get(id);
    if (known === undefined) return;
    this.#nodes.delete(id);
    this.balancer.remove(id);
    known.command.signal("SIGKILL");
    await known.command.ended().catch(() => {});
    await known.node.wire.close();
  }
}
