// Owns: the dialects of servers that are not here: the drivers against small servers that implement
// the documented side of the peer, and those servers against the dialects' real client libraries.
import { afterAll, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import {
  type Basics,
  chat,
  connect,
  fanout,
  idle,
  type LoadPlan,
  ping,
  recover,
  runLoad,
  storm,
} from "@holdfast/load";
import { Centrifuge } from "centrifuge";
import Pusher from "pusher-js";
import { smallBasics } from "./plans.ts";
import { startCentrifugeServer } from "./servers/centrifuge.ts";
import { startPusherServer } from "./servers/pusher.ts";

const APP = { key: "app-key", secret: "app-secret-for-tests" };
const centrifuge = startCentrifugeServer({ token: "a-token" });
const pusher = startPusherServer(APP);
afterAll(() => {
  centrifuge.stop();
  pusher.stop();
});

const PUBLISHING = { publishers: 2, publishesPerSecond: 100 };
const DROPPING = { awayMs: 100, msMax: 10_000 };

function withToken(basics: Basics, token: string): Basics {
  return { ...basics, target: { ...basics.target, token } };
}

async function clean(plan: LoadPlan) {
  const result = await runLoad(plan);
  const { counts, errors } = result.total;
  expect(errors).toEqual({});
  expect([
    result.lost,
    result.unanswered,
    counts.duplicated,
    counts.outOfOrder,
    counts.foreign,
  ]).toEqual([0, 0, 0, 0, 0]);
  expect(result.phases[0]?.absent).toBe(0);
  return result;
}

describe("Centrifuge", () => {
  const basics = () =>
    withToken(smallBasics("centrifuge", centrifuge.url, { workers: 1, ms: 300 }), "a-token");
  test("fan-out and chat: everything arrives and is acknowledged", async () => {
    const all = (await clean(fanout(basics(), PUBLISHING))).total.counts;
    expect(all.delivered).toBe(all.sent * 30);
    expect(all.acknowledged).toBe(all.sent);
    const rooms = (await clean(chat(basics(), { size: 5, everyMs: 100 }))).total.counts;
    expect(rooms.delivered).toBe(rooms.sent * 5);
  });
  test("ping and churn", async () => {
    const { total } = await clean(ping(basics(), { pingsPerSecond: 200 }));
    expect(total.times.ping?.count).toBe(total.counts.pings);
    await clean(connect(basics(), { churnPerSecond: 20 }));
  });
  test("what was missed is recovered from the position", async () => {
    for (const plan of [
      recover(basics(), PUBLISHING, { ...DROPPING, share: 0.4 }),
      storm(basics(), PUBLISHING, DROPPING),
    ]) {
      const { total } = await clean(plan);
      expect(total.counts.delivered).toBe(total.counts.sent * 30);
    }
  });
  test("the server of this test speaks to the real client library", async () => {
    const client = new Centrifuge(`${centrifuge.url}/connection/websocket`, { token: "a-token" });
    const subscription = client.newSubscription("real");
    const arrived = new Promise((resolve) =>
      subscription.on("publication", ({ data, offset }) => resolve({ data, offset })),
    );
    const subscribed = new Promise((resolve) => subscription.on("subscribed", resolve));
    client.connect();
    subscription.subscribe();
    await subscribed;
    await subscription.publish({ n: 1 });
    expect(await arrived).toEqual({ data: { n: 1 }, offset: 1 });
    client.disconnect();
  });
});

describe("Pusher", () => {
  const basics = () =>
    withToken(
      smallBasics("pusher", pusher.url, { workers: 1, ms: 300 }),
      `${APP.key}:${APP.secret}`,
    );
  test("chat: client events reach every member but their author", async () => {
    const { counts } = (await clean(chat(basics(), { size: 5, everyMs: 100 }))).total;
    expect(counts.delivered).toBe(counts.sent * 4);
  });
  test("ping, idle and churn", async () => {
    const { total } = await clean(ping(basics(), { pingsPerSecond: 200 }));
    expect(total.times.ping?.count).toBe(total.counts.pings);
    await clean(idle(basics(), { subscribes: true }));
    await clean(connect(basics(), { churnPerSecond: 20 }));
  });
  test("a writer outside of its room is refused before anything is opened", async () => {
    await expect(runLoad(fanout(basics(), PUBLISHING))).rejects.toThrow(
      /expected only members of a room to write to it with driver pusher/,
    );
  });
  test("a wrong secret ends the run, with the server's code", async () => {
    const plan = idle(withToken(basics(), `${APP.key}:wrong`), { subscribes: true });
    expect(await runLoad(plan).catch((error: unknown) => String(error))).toMatch(
      /30 of 30 connections refused finally \(code_4009 30\)/,
    );
  });
  test("the server of this test speaks to the real client library", async () => {
    const connectTo = () =>
      new Pusher(APP.key, {
        wsHost: "127.0.0.1",
        wsPort: Number(pusher.port),
        forceTLS: false,
        enabledTransports: ["ws"],
        cluster: "",
        disableStats: true,
        channelAuthorization: {
          endpoint: "",
          transport: "ajax",
          customHandler: ({ socketId, channelName }, done) => {
            const signature = createHmac("sha256", APP.secret)
              .update(`${socketId}:${channelName}`)
              .digest("hex");
            done(null, { auth: `${APP.key}:${signature}` });
          },
        },
      });
    const clients = [connectTo(), connectTo()];
    const [writer, reader] = clients.map((client) => client.subscribe("private-real"));
    const ready = [writer, reader].map(
      (channel) =>
        new Promise((resolve) => channel?.bind("pusher:subscription_succeeded", resolve)),
    );
    const arrived = new Promise((resolve) => reader?.bind("client-note", resolve));
    await Promise.all(ready);
    writer?.trigger("client-note", { n: 1 });
    expect(await arrived).toEqual({ n: 1 });
    for (const client of clients) client.disconnect();
  });
});
