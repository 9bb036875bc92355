// Owns: sources against real servers: a log of Kafka or NATS is in its channel once, whoever reads
// it, whatever dies.
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Broker } from "@holdfast/core";
import { createMemoryBroker } from "@holdfast/core";
import { systemClock, systemRandom } from "@holdfast/server";
import {
  type BridgeEvent,
  openKafkaSource,
  openNatsSource,
  type Source,
  SourceBridge,
  SourceError,
  type SourceRecord,
  sinkAdapters,
} from "@holdfast/sinks/adapters";
import { sinkRecord } from "@holdfast/testkit/contract";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { neededVariable, type Program, program, takesConnections } from "./program.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(tmpdir(), "holdfast-sources-"));
const programs: Program[] = [];
afterAll(async () => {
  for (const one of programs) await one.kill();
  rmSync(folder, { recursive: true, force: true });
});

interface Log {
  readonly power: Program;
  /** Adds records with these numbers. */
  add(first: number, last: number): Promise<void>;
  source(secret?: string): Source;
}

async function kafkaLog(): Promise<Log> {
  const [port, readerPort] = [await freePort(), await freePort()];
  const data = mkdtempSync(join(folder, "kafka-"));
  const power = program({
    command: [neededVariable("KAFKA_BROKER"), String(port), String(readerPort), data],
    port,
    isReady: async () => (await takesConnections(port)) && (await takesConnections(readerPort)),
  });
  await power.start();
  programs.push(power);
  await fetch(`http://127.0.0.1:${readerPort}/make?topic=log`);
  const account = { usernameFrom: "U", passwordFrom: "P" };
  const options = { brokers: [`127.0.0.1:${port}`], topic: "log", ...account };
  // The broker's rights are for topics: groups are the administrator's.
  const secret = (name: string) => (name === "U" ? "writer" : "secret-of-kafka");
  const sink = sinkAdapters({ print: async () => {} })
    .find(({ kind }) => kind === "kafka")
    ?.open(
      { sink: "kafka", options },
      { pipeline: "p", partition: 0, output: 0, timeoutMs: 5_000, secret },
    );
  return {
    power,
    async add(first, last) {
      const records = Array.from({ length: last - first + 1 }, (_, n) => sinkRecord(first + n));
      await sink?.write({ pipeline: "p", partition: 0, output: 0, attempt: 1, records });
    },
    source: () =>
      openKafkaSource(
        { brokers: options.brokers, ...account, topics: ["{name}"], recordsMax: 50 },
        { timeoutMs: 3_000, secret },
      ),
  };
}

async function natsLog(): Promise<Log> {
  const port = await freePort();
  const data = mkdtempSync(join(folder, "nats-"));
  const file = join(data, "nats.conf");
  await Bun.write(
    file,
    `listen: "127.0.0.1:${port}"
jetstream { store_dir: "${data}" }
authorization { users: [{ user: u, password: "secret-of-nats" }] }
`,
  );
  const power = program({ command: [neededVariable("NATS_SERVER"), "-c", file], port });
  await power.start();
  programs.push(power);
  const open = () => connect({ servers: `127.0.0.1:${port}`, user: "u", pass: "secret-of-nats" });
  const making = await open();
  const manager = await jetstreamManager(making);
  await manager.streams.add({ name: "log", subjects: ["log.>"] });
  await making.close();
  return {
    power,
    async add(first, last) {
      const connection = await open();
      const stream = jetstream(connection);
      for (let n = first; n <= last; n++)
        await stream.publish(`log.k${n % 7}`, JSON.stringify(sinkRecord(n).value));
      await connection.close();
    },
    source: (password = "secret-of-nats") =>
      openNatsSource(
        {
          servers: [`127.0.0.1:${port}`],
          stream: "log",
          usernameFrom: "U",
          passwordFrom: "P",
          recordsMax: 50,
        },
        { timeoutMs: 3_000, secret: (name) => (name === "U" ? "u" : password) },
      ),
  };
}

const STREAM = { cls: "ordered", sizeMax: 100_000, ttlMs: 3_600_000 } as const;

/** A bridge into the channel `in`. `chaos`: whether a publish fails, before or after it is done. */
function bridgeOf(log: Log, node: Broker, owner: string, chaos: () => boolean = () => false) {
  const events: BridgeEvent[] = [];
  const bridge = new SourceBridge({
    name: "log",
    source: log.source(),
    states: node.states,
    owner,
    clock: systemClock,
    random: systemRandom,
    leaseMs: 1_000,
    backoffMs: 10,
    backoffMsMax: 100,
    onEvent: (event) => events.push(event),
    async publish({ data }: SourceRecord, idempotencyKey) {
      if (chaos()) throw new Error("before");
      const payload = { kind: "json", text: new TextDecoder().decode(data) } as const;
      await node.publish("in", STREAM, { payload, idempotencyKey });
      if (chaos()) throw new Error("after");
    },
  });
  return { bridge, events };
}

async function numbersIn(node: Broker): Promise<number[]> {
  const { publications } = await node.history("in", STREAM, {
    after: 0,
    limit: 100_000,
    bytesMax: 1e9,
  });
  return publications.map(({ payload }) =>
    payload.kind === "json" ? (JSON.parse(payload.text) as { n: number }).n : 0,
  );
}

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patience(30_000);
  while (!(await check())) {
    if (performance.now() > untilMs) throw new Error(`not within the time: ${what}`);
    await Bun.sleep(10);
  }
}

/** Each number once, and those of one key in their order. */
async function expectAll(node: Broker, last: number): Promise<void> {
  await until(`${last} are there`, async () => (await numbersIn(node)).length >= last);
  const found = await numbersIn(node);
  expect(found.toSorted((a, b) => a - b)).toEqual(Array.from({ length: last }, (_, n) => n + 1));
  for (let key = 0; key < 7; key++) {
    const ofKey = found.filter((n) => n % 7 === key);
    expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
  }
}

describe.each([
  ["Kafka", kafkaLog],
  ["NATS JetStream", natsLog],
])("%s as a source", (_name, make) => {
  test("what is there and what comes is in the channel once, in order, over restarts and a server that dies", async () => {
    const log = await make();
    const broker = createMemoryBroker({ clock: systemClock, random: systemRandom });
    const node = broker.connect("n1");
    await log.add(1, 120);
    const first = bridgeOf(log, node, "n1/1");
    first.bridge.start();
    await expectAll(node, 120);
    await log.add(121, 200);
    await expectAll(node, 200);
    await first.bridge.stop();
    await log.add(201, 260);
    const second = bridgeOf(log, node, "n1/2");
    second.bridge.start();
    await expectAll(node, 260);
    await log.power.kill();
    await until("it is noticed", async () => second.events.some(({ kind }) => kind === "failed"));
    for (const event of second.events)
      if (event.kind === "failed") expect(Bun.inspect(event)).not.toContain("secret-of");
    await log.power.start();
    await log.add(261, 300);
    await expectAll(node, 300);
    await second.bridge.stop();
    broker.close();
  });

  test("one of two nodes reads; if it dies the other goes on, and publishes that fail come again once", async () => {
    const log = await make();
    const broker = createMemoryBroker({ clock: systemClock, random: systemRandom });
    const [one, two] = [broker.connect("n1"), broker.connect("n2")];
    await log.add(1, 100);
    let chances = 0;
    const chaos = (): boolean => ++chances % 397 === 0;
    const first = bridgeOf(log, one, "n1/1", chaos);
    const second = bridgeOf(log, two, "n2/1", chaos);
    first.bridge.start();
    await until("the first reads", async () => first.events.some(({ kind }) => kind === "reading"));
    second.bridge.start();
    await expectAll(two, 100);
    expect(second.events.some(({ kind }) => kind === "taken")).toBe(false);
    // As if the process was paused: its calls fail, and its lease ends.
    one.cut();
    await log.add(101, 200);
    await expectAll(two, 200);
    expect(second.events.some(({ kind }) => kind === "taken")).toBe(true);
    one.heal();
    await log.add(201, 230);
    await expectAll(two, 230);
    await Promise.all([first.bridge.stop(), second.bridge.stop()]);
    broker.close();
  });
});

test("a wrong password is told as such, without it", async () => {
  const log = await natsLog();
  const reading = log.source("secret-of-somebody").read({
    positions: {},
    take: async () => {},
    signal: new AbortController().signal,
  });
  const error = await reading.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(SourceError);
  expect((error as SourceError).code).toBe("refused");
  expect(Bun.inspect(error)).not.toContain("secret-of");
});
