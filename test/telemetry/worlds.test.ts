// Owns: where the two worlds meet: machines publish by MQTT, windows come by WebSocket, by
// server-sent events and into PostgreSQL, while nodes roll and one is killed. Every reading is in
// exactly one window.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import { type Balancer, startBalancer } from "@holdfast/relay";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { EventReader } from "../integration/event-reader.ts";
import { connectMqtt } from "../integration/mqtt-client.ts";
import { patience } from "../patience.ts";
import { freshPrefix } from "../redis/harness.ts";
import { startServer, stopServers } from "../redis/servers.ts";
import { startPostgres } from "../sinks/postgres-server.ts";

setDefaultTimeout(patience(150_000));

const EXAMPLE = fileURLToPath(new URL("../../examples/factory/", import.meta.url));
const LINES = ["north", "south"];
const MACHINES = 20;
const EVERY_MS = 100;
/** A window, its lateness, and the time after which silent channels hold back nobody. */
const CLOSED_MS = 45_000;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(
  sentence: string,
  condition: () => boolean | Promise<boolean>,
  found: () => unknown = () => "",
): Promise<void> {
  const untilMs = performance.now() + patience(CLOSED_MS);
  while (!(await condition())) {
    if (performance.now() > untilMs)
      throw new Error(`not in time: ${sentence} ${JSON.stringify(found())}`);
    await Bun.sleep(50);
  }
}

/** Nodes over one Redis, behind a balancer for each protocol, as Services are. */
class Fleet {
  readonly http: Balancer = startBalancer({ checkEveryMs: 50, waitMs: patience(5000) });
  readonly mqtt: Balancer = startBalancer({ checkEveryMs: 50, waitMs: patience(5000) });
  readonly #env: Readonly<Record<string, string>>;
  readonly #nodes: { readonly id: string; readonly command: RunningCommand }[] = [];
  #started = 0;

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  async add(): Promise<void> {
    const id = `node-${++this.#started}`;
    const [http, internal, mqtt] = [await freePort(), await freePort(), await freePort()];
    const command = startCommand(["serve", "--contract", `${EXAMPLE}holdfast.config.ts`], {
      env: {
        HOLDFAST_NODE_ID: id,
        ...{ HOLDFAST_HOST: "127.0.0.1", HOLDFAST_INTERNAL_HOST: "127.0.0.1" },
        ...{ HOLDFAST_PORT: String(http), HOLDFAST_INTERNAL_PORT: String(internal) },
        ...{ HOLDFAST_MQTT_TRANSPORTS: "tcp", HOLDFAST_MQTT_PORT: String(mqtt) },
        ...{ HOLDFAST_AUTH_ANONYMOUS: "true", HOLDFAST_AUTH_INSECURE: "true" },
        HOLDFAST_AUTH_RESUME_SECRET: "a secret that all test nodes share",
        ...{ HOLDFAST_DRAIN_PRE_DELAY_MS: "300", HOLDFAST_DRAIN_WINDOW_MS: "1000" },
        ...this.#env,
      },
    });
    this.#nodes.push({ id, command });
    const place = { id, host: "127.0.0.1", readyUrl: `http://127.0.0.1:${internal}/readyz` };
    this.http.add({ ...place, port: http });
    this.mqtt.add({ ...place, port: mqtt });
    await this.http.whenReady(id, patience(20_000));
    await this.mqtt.whenReady(id, patience(20_000));
  }

  /** Starts a newer one, and ends the oldest as Kubernetes does. Answers its status. */
  async replaceOldest(): Promise<number> {
    await this.add();
    const oldest = this.#nodes.shift();
    oldest?.command.signal("SIGTERM");
    const status = await oldest?.command.ended();
    this.#forget(oldest?.id ?? "");
    return status ?? -1;
  }

  async killOldest(): Promise<void> {
    await this.add();
    const oldest = this.#nodes.shift();
    oldest?.command.signal("SIGKILL");
    await oldest?.command.ended().catch(() => {});
    this.#forget(oldest?.id ?? "");
  }

  stop(): void {
    for (const { command } of this.#nodes) command.signal("SIGKILL");
    this.http.stop();
    this.mqtt.stop();
  }

  #forget(id: string): void {
    this.http.remove(id);
    this.mqtt.remove(id);
  }
}

interface Row {
  readonly machine: string;
  readonly at: number;
  readonly n: number;
}

/** Results as they came, in order. A window that came twice is there twice. */
interface Shown {
  readonly key: { readonly machine: string };
  readonly fromMs: number;
  readonly n: number;
}

const rowOf = ({ key, fromMs, n }: Shown): Row => ({ machine: key.machine, at: fromMs, n });
const sorted = (rows: readonly Row[]): readonly string[] =>
  rows.map(({ machine, at, n }) => `${machine} ${at} ${n}`).toSorted();
const readingsIn = (rows: readonly Row[]): number => rows.reduce((sum, { n }) => sum + n, 0);

test("P1, P2: every reading is in one window, which everybody gets once, over a rolling update and a kill", async () => {
  const redis = await startServer({ persistence: "none" });
  cleanups.push(() => stopServers([redis]));
  const database = await startPostgres();
  cleanups.push(() => database.remove());
  await database.sql.unsafe(readFileSync(`${EXAMPLE}table.sql`, "utf8"));
  const rows = async (): Promise<readonly Row[]> => {
    const found = await database.sql.unsafe("SELECT machine, at, n FROM heat");
    return found.map((row: Record<string, unknown>) => ({
      ...{ machine: String(row.machine), at: Number(row.at), n: Number(row.n) },
    }));
  };
  const fleet = new Fleet({
    HOLDFAST_BROKER_URL: `${redis.url}?prefix=${freshPrefix()}`,
    FACTORY_DATABASE_URL: database.url("postgres", "secret-of-the-superuser"),
  });
  cleanups.push(() => fleet.stop());
  await Promise.all([fleet.add(), fleet.add()]);

  // Those who look: an application with the SDK, and one with server-sent events.
  const sdk = new Holdfast(`ws://127.0.0.1:${fleet.http.port}/connect`);
  cleanups.push(() => sdk.close());
  const bySocket: Shown[] = [];
  const beside: Record<"late" | "dead", unknown[]> = { late: [], dead: [] };
  const gaps: unknown[] = [];
  const listen = async (name: string, heard: (data: unknown) => void): Promise<void> => {
    const subscription = sdk.channel(name).subscribe(({ data }) => heard(data));
    subscription.on("gap", (gap) => gaps.push(gap));
    await subscription.ready;
  };
  for (const line of LINES) await listen(`heat:${line}`, (data) => bySocket.push(data as Shown));
  await listen("late", (data) => beside.late.push(data));
  await listen("dead", (data) => beside.dead.push(data));
  const channels = LINES.map((line) => `channel=heat:${line}`).join("&");
  const reader = new EventReader(() => `http://127.0.0.1:${fleet.http.port}/events?${channels}`);
  cleanups.push(() => reader.stop());
  await until(
    "the reader listens",
    () => reader.of("subscribed").length >= LINES.length,
    () => reader.events.slice(0, 5),
  );

  // Machines: each counts its readings, and mqtt.js repeats what was not acknowledged.
  let isRunning = true;
  const acknowledged = new Set<string>();
  const refused: unknown[] = [];
  const machines = Array.from({ length: MACHINES }, async (_, index) => {
    const machine = `m${index}`;
    const { client } = await connectMqtt(`mqtt://127.0.0.1:${fleet.mqtt.port}`, {
      ...{ clientId: machine, clean: false, reconnectPeriod: 50, keepalive: 5 },
      properties: { sessionExpiryInterval: 600 },
    });
    cleanups.push(() => void client.end(true));
    const topic = `telemetry:${LINES[index % LINES.length]}`;
    const under: Promise<void>[] = [];
    for (let n = 1; isRunning; n++) {
      const reading = JSON.stringify({ machine, n, celsius: 60 + (n % 20), at: Date.now() });
      const said = client.publishAsync(topic, reading, { qos: 1 });
      under.push(
        said.then(
          () => void acknowledged.add(`${machine} ${n}`),
          (error: unknown) => void refused.push(error),
        ),
      );
      await Bun.sleep(EVERY_MS);
    }
    await Promise.all(under);
  });

  await until("the first window is in the table", async () => (await rows()).length > 0);
  expect(await fleet.replaceOldest()).toBe(0);
  expect(await fleet.replaceOldest()).toBe(0);
  const before = acknowledged.size;
  await until("machines go on", () => acknowledged.size > before + 5 * MACHINES);
  await fleet.killOldest();
  const after = acknowledged.size;
  await until("machines go on", () => acknowledged.size > after + 5 * MACHINES);
  isRunning = false;
  await Promise.all(machines);
  expect(refused).toEqual([]);

  const accounted = async (): Promise<number> =>
    readingsIn(await rows()) + beside.late.length + beside.dead.length;
  await until(
    "every reading is in a window, late or dead",
    async () => (await accounted()) >= acknowledged.size,
    () => ({ acknowledged: acknowledged.size, late: beside.late.length, dead: beside.dead }),
  );
  expect(await accounted()).toBe(acknowledged.size);
  expect(beside).toEqual({ late: [], dead: [] });
  const table = sorted(await rows());
  expect(table.length).toBeGreaterThanOrEqual(2 * MACHINES);
  const byEvents = () => reader.of("publication").map(({ data }) => rowOf(data.data));
  await until(
    "both have every window",
    () => byEvents().length >= table.length && bySocket.length >= table.length,
  );
  expect(sorted(bySocket.map(rowOf))).toEqual(table);
  expect(sorted(byEvents())).toEqual(table);
  expect([gaps, reader.of("gap")]).toEqual([[], []]);
});
