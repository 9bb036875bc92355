import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const called: string[] = [];
const contract = {
  channels: {},
  rpc: {
    echo: { allow: "anyone", handler: () => 1 },
    mine: { allow: ({ user }: { user?: string }) => user === "u", handler: () => called.push("m") },
    known: { allow: "authenticated", handler: () => called.push("k") },
  },
} as const;
const tokens = { one: { user: "u" }, two: { user: "u" }, other: { user: "v" } };
const RESUME_TTL_MS = 1000;
const harness = (limits: Partial<typeof TEST_SETTINGS.limits> = {}) =>
  createEngineHarness({
    contract,
    tokens,
    settings: {
      ...TEST_SETTINGS,
      limits: { ...TEST_SETTINGS.limits, ...limits },
      timeouts: { ...TEST_SETTINGS.timeouts, resumeTtlMs: RESUME_TTL_MS },
    },
  });

async function pong(client: HandClient): Promise<{ readonly resume?: string }> {
  await client.send({ t: "ping", id: 7 });
  const frame = (await client.take()).find(({ t }) => t === "pong");
  if (frame?.t !== "pong") throw new Error("no pong");
  return frame;
}

test("a pong brings a resume token only when the last one has lived for half of its time", async () => {
  const { connect, advance } = await harness();
  const client = await connect();
  expect((await pong(client)).resume).toBeUndefined();
  await advance(RESUME_TTL_MS / 2);
  expect((await pong(client)).resume).toBeUndefined();
  await advance(5);
  expect((await pong(client)).resume).toBeDefined();
  expect((await pong(client)).resume).toBeUndefined();
});

test("after a refresh the next pong brings a resume token, and only that one", async () => {
  const { connect } = await harness();
  const client = await connect({ token: "one" });
  await client.send({ t: "refresh", id: 2, token: "two" });
  expect((await client.take()).map(({ t }) => t)).toEqual(["ok"]);
  expect((await pong(client)).resume).toContain('"user":"u"');
  expect((await pong(client)).resume).toBeUndefined();
});

test("calls and refreshes have one rate, and the refused one hears when it may come again", async () => {
  const { connect, advance } = await harness({ rpcsPerSecondMax: 2, burstFactor: 1 });
  const client = await connect({ token: "one" });
  await client.send({ t: "rpc", id: 2, m: "echo" }, { t: "refresh", id: 3, token: "two" });
  expect((await client.take()).map(({ t }) => t).sort()).toEqual(["ok", "ok"]);
  await client.send({ t: "rpc", id: 4, m: "echo" }, { t: "refresh", id: 5, token: "two" });
  const refused = await client.take();
  expect(refused).toHaveLength(2);
  for (const frame of refused)
    expect(frame).toMatchObject({ t: "err", name: "rate_limited", retryMs: 500 });
  await advance(500);
  await client.send({ t: "rpc", id: 6, m: "echo" });
  expect((await client.take()).map(({ t }) => t)).toEqual(["ok"]);
});

test("a refresh with a token of another user changes nothing", async () => {
  const { connect } = await harness();
  const client = await connect({ token: "one" });
  await client.send({ t: "refresh", id: 2, token: "other" });
  expect(await client.take()).toMatchObject([
    { t: "err", id: 2, name: "token_invalid", path: "token" },
  ]);
  expect(client.connection.identity.user).toBe("u");
  expect((await pong(client)).resume).toBeUndefined();
});

test("a call that its rule does not allow is refused, and its handler is never asked", async () => {
  const { connect } = await harness();
  const clients = [{ token: "one" }, { token: "other" }, {}].map((frame) => connect(frame));
  const [one, other, nobody] = await Promise.all(clients);
  const answers = async (client: HandClient | undefined) => {
    await client?.send({ t: "rpc", id: 2, m: "mine" }, { t: "rpc", id: 3, m: "known" });
    const frames = (await client?.take()) ?? [];
    return frames.map((frame) => (frame.t === "err" ? frame.name : frame.t));
  };
  expect(await answers(one)).toEqual(["ok", "ok"]);
  expect(called.splice(0).sort()).toEqual(["k", "m"]);
  expect(await answers(other)).toEqual(["permission_denied", "ok"]);
  expect(await answers(nobody)).toEqual(["permission_denied", "permission_denied"]);
  expect(called).toEqual(["k"]);
});
