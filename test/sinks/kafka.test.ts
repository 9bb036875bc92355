// Owns: the Kafka sink against a broker that franz-go's authors wrote, read by their own client.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";
import { freePort } from "../free-port.ts";
import { neededVariable, program, takesConnections } from "./program.ts";

const [port, readerPort] = [await freePort(), await freePort()];
const folder = mkdtempSync(join(tmpdir(), "holdfast-kafka-"));
const broker = program({
  command: [neededVariable("KAFKA_BROKER"), String(port), String(readerPort), folder],
  port,
  isReady: async () => (await takesConnections(port)) && (await takesConnections(readerPort)),
});
await broker.start();
afterAll(async () => {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

const adapter = sinkAdapters({ print: async () => {} }).find(({ kind }) => kind === "kafka");
if (adapter === undefined) throw new Error("no kafka adapter");

const secrets = { KAFKA_USER: "writer", KAFKA_PASSWORD: "secret-of-kafka" };

interface Message extends Arrived {
  readonly partition: number;
  readonly timeMs: number;
}

async function ask(path: string): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${readerPort}${path}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

const read = async (topic: string): Promise<Message[]> =>
  (await ask(`/read?topic=${topic}`)) as Message[];

let topics = 0;

async function makeTopic(): Promise<string> {
  const topic = `t${++topics}`;
  await ask(`/make?topic=${topic}`);
  return topic;
}

const account = { usernameFrom: "KAFKA_USER", passwordFrom: "KAFKA_PASSWORD" };

describeSink("Kafka", async () => {
  const topic = await makeTopic();
  const options = { brokers: [`127.0.0.1:${port}`], topic, ...account };
  return {
    adapter,
    options,
    secrets,
    read: async () => (await read(topic)).map(({ id, key, value }) => ({ id, key, value })),
    isOnce: false,
    power: { off: () => broker.kill(), on: () => broker.start() },
    freeze: { on: () => broker.freeze(), off: () => broker.thaw() },
    refused: ["x".repeat(1_200_000), "y".repeat(1_200_000)],
    strangers: [
      { what: "a user without rights", secrets: { KAFKA_USER: "stranger" } },
      { what: "a topic that is not there", options: { ...options, topic: "nowhere" } },
    ],
    wrong: [
      {},
      { ...options, brokers: [] },
      { ...options, brokers: ["host"] },
      { ...options, topic: "a b" },
      { ...options, topic: "a{" },
      { ...options, passwordFrom: undefined },
      { ...options, mechanism: "PLAN" },
      { ...options, compression: "zip" },
      { ...options, requestBytes: 1 },
    ],
    close: async () => {
      broker.thaw();
      await broker.start();
    },
  };
});

test("records with one key are in one partition; topics of templates are names or the record is refused", async () => {
  const topic = await makeTopic();
  const options = {
    brokers: [`127.0.0.1:${port}`],
    topic: topic.replace("t", "{site}"),
    compression: "gzip",
    ...account,
  };
  expect(adapter.problems(options)).toEqual([]);
  const sink = adapter.open(
    { sink: "kafka", options },
    {
      pipeline: "p",
      partition: 0,
      output: 0,
      timeoutMs: 5_000,
      secret: (name) => secrets[name as keyof typeof secrets],
    },
  );
  const sites = ["t", "t", "a/b", "t", "", "x".repeat(300)];
  const records = sites.map((site, index) => ({
    ...sinkRecord(index + 1, null, "same"),
    params: { site },
  }));
  const answer = await sink.write({ pipeline: "p", partition: 0, output: 0, attempt: 1, records });
  expect(answer?.refused.map(({ index }) => index)).toEqual([2, 4, 5]);
  const found = await read(topic);
  expect(found.map(({ id }) => id)).toEqual([1, 2, 4].map((n) => sinkRecord(n).id));
  expect(new Set(found.map(({ partition }) => partition)).size).toBe(1);
  expect(found[0]?.timeMs).toBe(sinkRecord(1).timeMs);
  await sink.close();
});
