// The client library mqtt and real mosquitto brokers, with the gateway between them.
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mqtt as profile } from "@holdfast/rehoming";
import { sleep } from "bun";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { patience } from "../patience.ts";
import { gatewayBed, until } from "./bed.ts";
import { type Broker, startBroker } from "./mosquitto.ts";

setDefaultTimeout(patience(60_000));

const ended: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});
async function broker(): Promise<Broker> {
  const one = await startBroker();
  ended.unshift(() => one.remove());
  return one;
}

interface Listener {
  readonly client: MqttClient;
  readonly heard: string[];
  /** Connections that it made: one, if nobody closed it. */
  connections: number;
}

/** Counts what it hears. It would connect anew if its socket were closed, and that is counted. */
async function connect(url: string, options: IClientOptions): Promise<Listener> {
  const client = await connectAsync(url, { reconnectPeriod: 200, keepalive: 60, ...options });
  const one: Listener = { client, heard: [], connections: 1 };
  client.on("connect", () => {
    one.connections += 1;
  });
  client.on("message", (_topic, payload) => one.heard.push(String(payload)));
  client.on("error", () => {});
  ended.unshift(() => client.endAsync(true));
  return one;
}
const persistent = (version: 4 | 5, clientId: string): IClientOptions => ({
  ...{ protocolVersion: version, clientId, clean: false },
  ...(version === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
});

/** Publishes on and on; `stop` resolves with what was acknowledged. */
function publishing(client: MqttClient, name: string, qos: 1 | 2) {
  const acknowledged: string[] = [];
  let isStopped = false;
  const done = (async () => {
    while (!isStopped) {
      const text = `q${qos}.${name}.${acknowledged.length}`;
      await client.publishAsync(`talk/${qos}`, text, { qos });
      acknowledged.push(text);
      await sleep(2);
    }
    return acknowledged;
  })();
  return {
    stop: () => {
      isStopped = true;
      return done;
    },
  };
}

describe.each([4, 5] as const)("MQTT with protocol version %d", (version) => {
  test.each(["stop", "kill"] as const)(
    "one broker that keeps sessions on disk restarts (%s): QoS 1 arrives, QoS 2 exactly once",
    async (how) => {
      const one = await broker();
      using bed = gatewayBed(profile(), one.address);
      const listener = await connect(bed.url, persistent(version, "listener"));
      await listener.client.subscribeAsync("talk/+", { qos: 2 });
      const talker = await connect(bed.url, persistent(version, "talker"));
      const start = (round: number) =>
        ([1, 2] as const).map((qos) => publishing(talker.client, `${round}`, qos));
      const sent: string[] = [];
      let talk = start(0);
      const stop = async (): Promise<void> => {
        for (const { stop } of talk.splice(0)) sent.push(...(await stop()));
      };
      for (let round = 1; round <= 2; round++) {
        await sleep(300);
        // A broker loses what it had not written when it is killed. It writes once a second.
        if (how === "kill") await stop();
        if (how === "kill") await sleep(1500);
        await one[how]();
        await sleep(200);
        if (how === "kill") talk = start(round);
        await one.start();
        await until("both are back", () => bed.count(one.address) === 2);
      }
      await sleep(300);
      await stop();
      const of = (qos: 1 | 2, texts: readonly string[]) =>
        texts.filter((text) => text.startsWith(`q${qos}`)).toSorted();
      await until("all is heard", () => sent.every((text) => listener.heard.includes(text)));
      expect(of(2, listener.heard)).toEqual(of(2, sent));
      expect([...new Set(of(1, listener.heard))]).toEqual(of(1, sent));
      expect([listener.connections, talker.connections, bed.dropped]).toEqual([1, 1, 0]);
    },
  );

  test("clients move between two brokers without shared sessions: they stay, and listen again", async () => {
    const [one, two] = [await broker(), await broker()];
    using bed = gatewayBed(profile(), one.address);
    const listener = await connect(bed.url, persistent(version, "listener"));
    await listener.client.subscribeAsync(["a/+", "b"], { qos: 1 });
    await listener.client.unsubscribeAsync("b");
    const talker = await connect(bed.url, { protocolVersion: version, clean: true });
    await talker.client.publishAsync("a/1", "before", { qos: 1 });
    await until("heard", () => listener.heard.length === 1);
    bed.takes(one.address, two.address);
    bed.takes(two.address);
    bed.drain(one.address);
    await until("both moved", () => bed.count(two.address) === 2);
    await talker.client.publishAsync("b", "not heard", { qos: 1 });
    await talker.client.publishAsync("a/2", "after", { qos: 2 });
    await until("heard", () => listener.heard.length === 2);
    expect(listener.heard).toEqual(["before", "after"]);
    expect([listener.connections, talker.connections, bed.dropped]).toEqual([1, 1, 0]);
    expect(bed.moves.map(({ cause }) => cause)).toEqual(["drain", "drain"]);
  });

  test("a message that no broker acknowledged goes to the next one", async () => {
    const [one, two] = [await broker(), await broker()];
    using bed = gatewayBed(profile(), one.address);
    const talker = await connect(bed.url, persistent(version, "talker"));
    const listener = await connect(`ws://${two.address}/`, { protocolVersion: version });
    await listener.client.subscribeAsync("a", { qos: 2 });
    one.freeze();
    const sent = [1, 2].map((qos) => talker.client.publishAsync("a", `q${qos}`, { qos: qos as 1 }));
    await sleep(100);
    bed.takes(one.address, two.address);
    await one.kill();
    await Promise.all(sent);
    await until("heard", () => listener.heard.length === 2);
    expect([listener.heard.toSorted(), talker.connections]).toEqual([["q1", "q2"], 1]);
  });

  test("a will is told if the client vanishes, and not if it moves", async () => {
    const [one, two] = [await broker(), await broker()];
    using bed = gatewayBed(profile(), one.address);
    const [at1, at2] = await Promise.all(
      [one, two].map(({ address }) => connect(`ws://${address}/`, { protocolVersion: version })),
    );
    await Promise.all([at1, at2].map((at) => at?.client.subscribeAsync("will")));
    const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const mortal = await connect(bed.url, {
      ...persistent(version, "mortal"),
      will,
      reconnectPeriod: 0,
    });
    bed.takes(one.address, two.address);
    bed.takes(two.address);
    bed.drain(one.address);
    await until("moved", () => bed.count(two.address) === 1);
    await sleep(200);
    expect([at1?.heard, at2?.heard]).toEqual([[], []]);
    mortal.client.stream.destroy();
    await until("told", () => at2?.heard.length === 1);
    expect([at1?.heard, at2?.heard]).toEqual([[], ["gone"]]);
  });
});

test("a broker that hangs is left after a ping", async () => {
  const [one, two] = [await broker(), await broker()];
  using bed = gatewayBed(profile({ pingMsMax: 500 }), one.address);
  const listener = await connect(bed.url, { clientId: "l", keepalive: 1 });
  await listener.client.subscribeAsync("a");
  bed.takes(one.address, two.address);
  one.freeze();
  await until("moved", () => bed.count(two.address) === 1);
  await listener.client.publishAsync("a", "x", { qos: 1 });
  await until("heard", () => listener.heard.length === 1);
  expect(listener.connections).toBe(1);
});

test("a client that wants to know of a lost session is closed, and connects anew", async () => {
  const [one, two] = [await broker(), await broker()];
  using bed = gatewayBed(profile({ lostSession: "close" }), one.address);
  const listener = await connect(bed.url, persistent(4, "listener"));
  await listener.client.subscribeAsync("a", { qos: 1 });
  bed.takes(one.address, two.address);
  bed.takes(two.address);
  bed.drain(one.address);
  await until("connected anew", () => listener.connections === 2);
  expect(bed.count(two.address)).toBe(1);
});
