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
