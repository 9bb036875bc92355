// Owns: tests of what a subscription is asked for, and refused.
import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const permissions = { subscribe: "anyone", publish: "anyone", history: "token" } as const;
const history = { size: 20, ttlMs: 60_000 };
const contract = {
  channels: {
    "chat:{room}": { permissions, history },
    "fast:{room}": { permissions, class: "volatile" },
    "state:{room}": { permissions, class: "latest", history },
  },
} as const;
const max = TEST_SETTINGS.limits.subscriptionsMax;

const start = () => createEngineHarness({ contract, settings: TEST_SETTINGS });
const told = async (client: HandClient) =>
  (await client.take()).map((frame) => (frame.t === "err" ? frame.name : frame.t));

test("who may not read history is refused only what would read it", async () => {
  const { connect } = await start();
  const answer = async (ch: string, last: number) => {
    const client = await connect();
    await client.send({ t: "subscribe", id: 2, ch, last });
    return (await told(client))[0];
  };
  expect(await answer("chat:a", 0)).toBe("subscribed");
  expect(await answer("chat:a", 1)).toBe("permission_denied");
  expect(await answer("fast:a", 1)).toBe("permission_denied");
  expect(await answer("state:a", 1)).toBe("subscribed");
});

test("a connection has as many subscriptions as the limit says, each channel once", async () => {
  const { connect, engine } = await start();
  const client = await connect();
  const subscribe = async (room: number) => {
    await client.send({ t: "subscribe", id: 2, ch: `chat:${room}` });
    return told(client);
  };
  for (let room = 1; room <= max; room++) expect(await subscribe(room)).toEqual(["subscribed"]);
  expect(await subscribe(1)).toEqual(["already_subscribed"]);
  expect(await subscribe(max + 1)).toEqual(["subscription_limit"]);
  expect(engine.info().subscriptions).toBe(max);
  await client.send({ t: "unsubscribe", id: 3, ch: "chat:1" });
  await client.send({ t: "unsubscribe", id: 4, ch: "chat:1" });
  expect(await told(client)).toEqual(["ok", "not_subscribed"]);
  expect(engine.info().subscriptions).toBe(max - 1);
  expect(await subscribe(max + 1)).toEqual(["subscribed"]);
});

test("whom the application refuses is told so, whenever it answers", async () => {
  const refusals = [
    { reject: "no" },
    Promise.resolve({ reject: "no" }),
    Promise.resolve(),
    undefined,
  ];
  const { connect } = await createEngineHarness({
    contract: { ...contract, hooks: { onSubscribe: () => refusals.shift() as undefined } },
    settings: TEST_SETTINGS,
  });
  const client = await connect();
  const answers: string[] = [];
  for (let room = 0; room < 4; room++) {
    await client.send({ t: "subscribe", id: 2 + room, ch: `chat:${room}` });
    answers.push(...(await told(client)));
  }
  expect(answers).toEqual(["rejected", "rejected", "subscribed", "subscribed"]);
});
