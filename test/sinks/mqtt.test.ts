// Owns: the MQTT sink against a real mosquitto, and who listens there.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";
import { connectAsync, type MqttClient } from "mqtt";
import { freePort } from "../free-port.ts";
import { neededVariable, program } from "./program.ts";

const port = await freePort();
const folder = mkdtempSync(join(tmpdir(), "holdfast-mqtt-"));
const [file, passwords, rights] = ["mosquitto.conf", "passwords", "rights"].map((name) =>
  join(folder, name),
) as [string, string, string];
const libraries = process.env.MOSQUITTO_LIBRARIES ?? "";
await Bun.write(
  file,
  [
    ...["user root", `listener ${port} 127.0.0.1`, "allow_anonymous false"],
    ...[`password_file ${passwords}`, `acl_file ${rights}`],
    ...["max_queued_messages 0", "log_dest none", "message_size_limit 262144"],
  ].join("\n"),
);
await Bun.write(rights, "user writer\ntopic write #\nuser reader\ntopic read #\n");
await Bun.write(passwords, [entryOf("writer", "secret-of-mqtt"), entryOf("reader", "r")].join(""));
const broker = program({
  command: [neededVariable("MOSQUITTO"), "-c", file],
  port,
  env: { LD_LIBRARY_PATH: libraries },
});
await broker.start();
afterAll(async () => {
  await reader?.endAsync(true);
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** As mosquitto_passwd writes it: PBKDF2 with SHA-512. */
function entryOf(name: string, password: string): string {
  const { pbkdf2Sync } = require("node:crypto") as typeof import("node:crypto");
  const salt = Buffer.from("twelve bytes");
  const hash = pbkdf2Sync(password, salt, 101, 64, "sha512");
  return `${name}:$7$101$${salt.toString("base64")}$${hash.toString("base64")}\n`;
}

const adapter = sinkAdapters({ print: async () => {} }).find(({ kind }) => kind === "mqtt");
if (adapter === undefined) throw new Error("no mqtt adapter");

const secrets = { MQTT_USER: "writer", MQTT_PASSWORD: "secret-of-mqtt" };
const account = { usernameFrom: "MQTT_USER", passwordFrom: "MQTT_PASSWORD" };
const url = `mqtt://127.0.0.1:${port}`;

let reader: MqttClient | undefined;
const heard: (Arrived & { readonly topic: string })[] = [];

/** A session that lasts: what is published while the reader is away comes later. */
async function listen(): Promise<void> {
  await reader?.endAsync(true);
  reader = await connectAsync(url, {
    ...{ protocolVersion: 5, clean: false, clientId: "reader", reconnectPeriod: 0 },
    ...{ username: "reader", password: "r", properties: { sessionExpiryInterval: 3_600 } },
  });
  reader.on("error", () => {});
  reader.on("message", (topic, payload, { properties }) => {
    const { id = "", key = "" } = (properties?.userProperties ?? {}) as Record<string, string>;
    heard.push({ topic, id, key, value: JSON.parse(payload.toString()) });
  });
  await reader.subscribeAsync("t/#", { qos: 2 });
}
await listen();

/** Everything so far: a message of our own is behind it. */
async function read(prefix: string): Promise<Arrived[]> {
  if (reader?.connected !== true) await listen();
  const marker = await connectAsync(url, { username: "writer", password: "secret-of-mqtt" });
  const topic = `t/marker/${performance.now()}`;
  await marker.publishAsync(topic, "1", { qos: 2 });
  while (!heard.some((one) => one.topic === topic)) await Bun.sleep(5);
  await marker.endAsync(true);
  return heard
    .filter((one) => one.topic.startsWith(`${prefix}/`))
    .map(({ id, key, value }) => ({ id, key, value }));
}

let topics = 0;

describeSink("MQTT", async () => {
  const prefix = `t/${++topics}`;
  const options = { url, topic: `${prefix}/{site}/{key}`, ...account };
  return {
    adapter,
    options,
    secrets,
    read: () => read(prefix),
    isOnce: false,
    // It keeps what is acknowledged in memory: killed, it would lose it.
    freeze: { on: () => broker.freeze(), off: () => broker.thaw() },
    strangers: [
      { what: "a wrong password", secrets: { MQTT_PASSWORD: "secret-wrong" } },
      { what: "an unknown name", secrets: { MQTT_USER: "nobody" } },
    ],
    wrong: [
      {},
      { ...options, url: "http://a" },
      { ...options, url: "mqtt://u:a secret@h" },
      { ...options, topic: "a/#" },
      { ...options, topic: "a/{" },
      { ...options, qos: 0 },
    ],
    close: async () => broker.thaw(),
  };
});

const open = (topic: string) =>
  adapter.open(
    { sink: "mqtt", options: { url, topic, ...account } },
    {
      ...{ pipeline: "p", partition: 0, output: 0, timeoutMs: 3_000 },
      secret: (name) => secrets[name as keyof typeof secrets],
    },
  );

const batchOf = (records: readonly ReturnType<typeof sinkRecord>[]) => ({
  ...{ pipeline: "p", partition: 0, output: 0, attempt: 1 },
  records,
});

test("parameters that would be wildcards or other levels are refused", async () => {
  const sink = open("t/odd/{site}");
  const sites = ["north", "a/b", "+", "#", "", "c\u0000", "süd ost"];
  const records = sites.map((site, index) => ({ ...sinkRecord(index + 1), params: { site } }));
  const answer = await sink.write(batchOf(records));
  expect(answer?.refused.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5]);
  expect((await read("t/odd")).map(({ id }) => id)).toEqual([1, 7].map((n) => sinkRecord(n).id));
  await sink.close();
});

test("a broker that goes away is an error in time, and the same sink goes on when it is back", async () => {
  const sink = open("t/away/{key}");
  await sink.write(batchOf([sinkRecord(1)]));
  await broker.kill();
  const code = await sink.write(batchOf([sinkRecord(2)])).catch((error) => error.code);
  expect(["unavailable", "timeout"]).toContain(code);
  await broker.start();
  await listen();
  await sink.write(batchOf([sinkRecord(2)]));
  expect((await read("t/away")).map(({ id }) => id)).toContain(sinkRecord(2).id);
  await sink.close();
});
