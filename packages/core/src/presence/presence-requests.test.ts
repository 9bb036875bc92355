// Owns: tests of what becomes of a session's membership if its request, or the broker, fails.
import { expect, test } from "bun:test";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { BrokerError, type BrokerErrorCode, type PresenceStore } from "../ports.ts";

const contract = { channels: { "chat:{room}": { presence: true } } };
const answers = (frames: readonly ServerFrame<unknown>[]) =>
  frames
    .flatMap((frame) => (frame.t === "err" ? [frame.name] : frame.t === "ok" ? ["ok"] : []))
    .sort();
const enter = (id: number, ch = `chat:${id}`, data?: number) =>
  ({ t: "enter", id, ch, ...(data === undefined ? {} : { data }) }) as const;

test("a session that is no member updates nothing", async () => {
  const { connect } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = await connect();
  await client.send({ t: "update", id: 2, ch: "chat:a", data: 1 });
  expect(answers(await client.take())).toEqual(["not_entered"]);
});

test("a session that came back enters as many channels as it may have without counting as publishes", async () => {
  const limits = {
    ...TEST_SETTINGS.limits,
    publishesPerSecondMax: 1,
    burstFactor: 1,
    presencePerConnectionMax: 2,
  };
  const { connect, open } = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits },
  });
  const first = await connect();
  await first.send(enter(2), enter(3));
  expect(answers(await first.take())).toEqual(["ok", "rate_limited"]);
  const { session } = first.connection;
  await first.lose();
  const back = open();
  const resume = JSON.stringify({ session, identity: {}, issuedAtMs: 0 });
  await back.send({ t: "connect", id: 1, resume }, enter(2), enter(3));
  expect(answers(await back.take())).toEqual(["ok", "ok"]);
  await back.send({ t: "leave", id: 4, ch: "chat:2" }, { t: "leave", id: 5, ch: "chat:3" });
  await back.take();
  await back.send(enter(6), enter(7));
  expect(answers(await back.take())).toEqual(["ok", "rate_limited"]);
});

/** A node whose broker refuses entries as it is told. */
async function refusing() {
  let code: BrokerErrorCode | undefined;
  const left: string[] = [];
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { presence } = broker;
      const [entering, leaving] = [presence.enter.bind(presence), presence.leave.bind(presence)];
      presence.enter = (...args: Parameters<PresenceStore["enter"]>) =>
        code === undefined ? entering(...args) : Promise.reject(new BrokerError(code, "no"));
      presence.leave = (...args: Parameters<PresenceStore["leave"]>) => {
        left.push(args[0]);
        return leaving(...args);
      };
      return broker;
    },
  });
  return {
    ...node,
    left,
    refuse: (why: BrokerErrorCode | undefined) => {
      code = why;
    },
  };
}

test("a session that the broker refused is no member, and one that it may have taken leaves in the end", async () => {
  const { connect, refuse, left } = await refusing();
  const client = await connect();
  refuse("full");
  await client.send(enter(2, "chat:full"));
  refuse("unavailable");
  await client.send(enter(3, "chat:maybe"));
  refuse(undefined);
  expect(answers(await client.take())).toHaveLength(2);
  await client.send({ t: "update", id: 4, ch: "chat:full", data: 1 });
  expect(answers(await client.take())).toEqual(["not_entered"]);
  await client.send({ t: "bye" });
  expect(left).toEqual(["chat:maybe"]);
});

test("a member whose update is refused keeps what it said before, also for its node", async () => {
  const { connect, refuse, broker, engine, advance } = await refusing();
  const client = await connect();
  await client.send({ t: "subscribe", id: 9, ch: "chat:a" }, enter(2, "chat:a", 1));
  refuse("full");
  await client.send({ t: "update", id: 3, ch: "chat:a", data: 2 });
  refuse(undefined);
  expect(answers(await client.take())).toEqual(["broker_full", "ok"]);
  // Another node ends the entry: this one enters its member again.
  const { session, owner } = client.connection;
  await broker.connect("other").presence.leave("chat:a", session, owner, 0);
  await advance(1000);
  expect(await engine.presence("chat:a")).toEqual({
    ok: true,
    value: [{ member: session, data: { kind: "json", text: "1" } }],
  });
});

test("a session that is no member leaves nothing, and one that left is none any more", async () => {
  const { connect, broker, observed } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
  });
  const client = await connect();
  const leave = { t: "leave", id: 3, ch: "chat:a" } as const;
  await client.send(leave);
  expect(answers(await client.take())).toEqual(["not_entered"]);
  await client.send(enter(2, "chat:a"));
  await client.send({ ...leave, ch: "chat:b" });
  expect(answers(await client.take())).toEqual(["not_entered", "ok"]);
  await client.send(leave);
  expect(answers(await client.take())).toEqual(["ok"]);
  expect(broker.figures().members).toBe(0);
  await client.send({ t: "unwatch", id: 4, ch: "chat:a" });
  expect(answers(await client.take())).toEqual(["not_subscribed"]);
  expect(observed.filter((line) => line.startsWith("bug"))).toEqual([]);
});

test("a leave that the broker did not take is refused, and the session is still a member", async () => {
  const { connect, broker, fail } = await failingLeaves();
  const client = await connect();
  await client.send(enter(2, "chat:a", 1));
  await client.take();
  fail(true);
  await client.send({ t: "leave", id: 3, ch: "chat:a" });
  expect(answers(await client.take())).toEqual(["broker_unavailable"]);
  fail(false);
  await client.send({ t: "update", id: 4, ch: "chat:a", data: 2 });
  expect(answers(await client.take())).toEqual(["ok"]);
  expect(broker.figures().members).toBe(1);
});

async function failingLeaves() {
  let fails = false;
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { presence } = broker;
      const leave = presence.leave.bind(presence);
      presence.leave = (...args: Parameters<PresenceStore["leave"]>) =>
        fails ? Promise.reject(new BrokerError("unavailable", "no")) : leave(...args);
      return broker;
    },
  });
  return {
    ...node,
    fail: (value: boolean) => {
      fails = value;
    },
  };
}

test("bytes of presence count until an entry is refused, updated or left, if the node counts them", async () => {
  const limits = { ...TEST_SETTINGS.limits, keptBytesPerUserMax: 1000 };
  const { connect } = await createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits },
    wrapBroker: (broker) => Object.assign(broker, { sharesRoom: false }),
  });
  const client = await connect();
  const ask = async (t: "enter" | "update", ch: string, length: number) => {
    await client.send({ t, id: 2, ch, data: "x".repeat(length) });
    return answers(await client.take());
  };
  expect(await ask("enter", "chat:a", 400)).toEqual(["ok"]);
  expect(await ask("enter", "chat:b", 400)).toEqual(["rate_limited"]);
  expect(await ask("enter", "chat:b", 200)).toEqual(["ok"]);
  expect(await ask("update", "chat:b", 400)).toEqual(["rate_limited"]);
  expect(await ask("update", "chat:b", 250)).toEqual(["ok"]);
  await client.send({ t: "leave", id: 3, ch: "chat:a" });
  await client.take();
  expect(await ask("enter", "chat:c", 400)).toEqual(["ok"]);
});

/** A node whose schema for presence answers when it is told to, and takes numbers alone. */
async function checking() {
  let answer: () => void = () => {};
  const caps = [{ channel: "chat:*", actions: ["presence" as const] }];
  const tokens = { wide: { user: "ada", caps }, narrow: { user: "ada", caps: [] } };
  const node = await createEngineHarness({
    tokens,
    contract: {
      channels: {
        "chat:{room}": {
          presence: true,
          permissions: { presence: "token" },
          presenceData: {
            "~standard": {
              version: 1,
              vendor: "test",
              validate: (value: unknown) =>
                new Promise((resolve) => {
                  answer = () =>
                    resolve(
                      typeof value === "number"
                        ? { value }
                        : { issues: [{ message: "no number" }] },
                    );
                }),
            },
          },
        },
      },
    },
    settings: TEST_SETTINGS,
  });
  const client = await node.connect({ token: "wide" });
  return {
    ...node,
    client,
    answer: async () => {
      answer();
      await node.advance(5);
    },
  };
}

test("data of presence passes its schema, however late that answers", async () => {
  const { client, answer, engine } = await checking();
  await client.send(enter(2, "chat:a", 1));
  expect(answers(await client.take())).toEqual([]);
  await answer();
  expect(answers(await client.take())).toEqual(["ok"]);
  await client.send({ t: "enter", id: 3, ch: "chat:b", data: "text" });
  await answer();
  expect(answers(await client.take())).toEqual(["payload_invalid"]);
  expect(await engine.presence("chat:b")).toEqual({ ok: true, value: [] });
  expect(await engine.presence("chat:a")).toMatchObject({ value: [{ user: "ada" }] });
});

test("a schema that does not answer in time is a refusal", async () => {
  const { client, advance } = await checking();
  await client.send(enter(2, "chat:a", 1));
  await advance(TEST_SETTINGS.timeouts.rpcMs);
  expect(answers(await client.take())).toEqual(["request_failed"]);
});

test("H5: who lost the permission, or the connection, while the schema was asked enters nothing", async () => {
  const { client, answer, engine, broker } = await checking();
  await client.send(enter(2, "chat:a", 1));
  await client.send({ t: "refresh", id: 3, token: "narrow" });
  await answer();
  expect(answers(await client.take())).toContain("permission_denied");
  expect(await engine.presence("chat:a")).toEqual({ ok: true, value: [] });
  const other = await checking();
  await other.client.send(enter(2, "chat:a", 1));
  await other.client.lose();
  await other.answer();
  expect(other.broker.figures().members + broker.figures().members).toBe(0);
});
