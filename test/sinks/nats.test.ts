// Owns: the NATS sink against a real nats-server with JetStream.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { freePort } from "../free-port.ts";
import { neededVariable, program } from "./program.ts";

const port = await freePort();
const folder = mkdtempSync(join(tmpdir(), "holdfast-nats-"));
const file = join(folder, "nats.conf");
await Bun.write(
  file,
  `listen: "127.0.0.1:${port}"
max_payload: 262144
jetstream { store_dir: "${folder}", max_file_store: 256MB }
authorization { users: [{ user: writer, password: "secret-of-nats" }] }
`,
);
const server = program({ command: [neededVariable("NATS_SERVER"), "-c", file], port });
await server.start();
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true, force: true });
});

const adapter = sinkAdapters({ print: async () => {} }).find(({ kind }) => kind === "nats");
if (adapter === undefined) throw new Error("no nats adapter");

const secrets: Record<string, string> = { NATS_USER: "writer", NATS_PASSWORD: "secret-of-nats" };
const account = { usernameFrom: "NATS_USER", passwordFrom: "NATS_PASSWORD" };

async function within<T>(task: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const servers = `127.0.0.1:${port}`;
  const connection = await connect({ servers, user: "writer", pass: "secret-of-nats" });
  try {
    return await task(connection);
  } finally {
    await connection.close();
  }
}

let streams = 0;

async function makeStream(more: Record<string, unknown> = {}): Promise<string> {
  const name = `s${++streams}`;
  await within(async (connection) => {
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name, subjects: [`${name}.>`], ...more });
  });
  return name;
}

async function read(name: string): Promise<(Arrived & { readonly subject: string })[]> {
  return within(async (connection) => {
    const manager = await jetstreamManager(connection);
    const { state } = await manager.streams.info(name);
    const found = [];
    for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
      const message = await manager.streams.getMessage(name, { seq });
      if (message === null) continue;
      const id = message.header.get("Nats-Msg-Id");
      const [, , key = ""] = message.subject.split(".");
      found.push({ id, key, value: message.json(), subject: message.subject });
    }
    return found;
  });
}

describeSink("NATS JetStream", async () => {
  const stream = await makeStream();
  const options = { servers: [`127.0.0.1:${port}`], subject: `${stream}.{site}.{key}`, ...account };
  return {
    adapter,
    options,
    secrets,
    read: async () => (await read(stream)).map(({ id, key, value }) => ({ id, key, value })),
    isOnce: true,
    power: { off: () => server.kill(), on: () => server.start() },
    freeze: { on: () => server.freeze(), off: () => server.thaw() },
    refused: ["x".repeat(300_000)],
    strangers: [{ what: "a wrong password", secrets: { NATS_PASSWORD: "secret-wrong" } }],
    wrong: [
      {},
      { ...options, servers: ["nats://u:p@h:1"] },
      { ...options, subject: "a.*" },
      { ...options, subject: "a..b" },
      { ...options, subject: ">" },
      { ...options, subject: "a b" },
      { ...options, tls: 1 },
    ],
    close: async () => {
      server.thaw();
      await server.start();
    },
  };
});

const open = (subject: string) =>
  adapter.open(
    { sink: "nats", options: { servers: [`127.0.0.1:${port}`], subject, ...account } },
    { pipeline: "p", partition: 0, output: 0, timeoutMs: 2_000, secret: (name) => secrets[name] },
  );

const batchOf = (records: readonly ReturnType<typeof sinkRecord>[]) => ({
  pipeline: "p",
  partition: 0,
  output: 0,
  attempt: 1,
  records,
});

const codeOf = (writing: Promise<unknown>): Promise<string> =>
  writing.then(
    () => "done",
    (error: { code: string }) => error.code,
  );

test("parameters that would be wildcards or other subjects are refused", async () => {
  const stream = await makeStream();
  const sink = open(`${stream}.{site}`);
  const sites = ["north", "a.b", "*", ">", "", "a b", "c\u0000", "süd"];
  const records = sites.map((site, index) => ({ ...sinkRecord(index + 1), params: { site } }));
  const answer = await sink.write(batchOf(records));
  expect(answer?.refused.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
  expect((await read(stream)).map(({ subject }) => subject).toSorted()).toEqual([
    `${stream}.north`,
    `${stream}.süd`,
  ]);
  await sink.close();
});

test("a stream that is full is busy, one that takes no such size refuses, none is away", async () => {
  const full = await makeStream({ max_msgs: 2, discard: "new" });
  const tight = await makeStream({ max_msg_size: 200 });
  const [toFull, toTight, toNone] = [open(`${full}.a`), open(`${tight}.a`), open("nowhere.a")];
  expect(await codeOf(toFull.write(batchOf([1, 2, 3].map((n) => sinkRecord(n)))))).toBe("busy");
  const answer = await toTight.write(batchOf([sinkRecord(1), sinkRecord(2, "x".repeat(300))]));
  expect(answer?.refused.map(({ index }) => index)).toEqual([1]);
  expect(await codeOf(toNone.write(batchOf([sinkRecord(1)])))).toBe("unavailable");
  await Promise.all([toFull.close(), toTight.close(), toNone.close()]);
});
