// Owns: tests of claims that change while something is under way (H5).
import { expect, test } from "bun:test";
import type { ContractDefinition, Identity } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import {
  createEngineHarness,
  type HandClient,
  type HarnessOptions,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import type { Broker } from "../ports.ts";

const byToken = {
  subscribe: "token",
  publish: "token",
  presence: "token",
  history: "token",
} as const;
const tokens: Record<string, Identity> = {
  wide: {
    user: "u",
    caps: [{ channel: "mine:*", actions: ["subscribe", "publish", "presence", "history"] }],
  },
  narrow: { user: "u", caps: [] },
};
let slowRule: () => boolean | Promise<boolean> = () => true;
const contract: ContractDefinition = {
  channels: {
    "mine:{room}": { presence: true, permissions: byToken },
    "slow:{room}": { permissions: { ...byToken, subscribe: () => slowRule() } },
  },
};
const kinds = (frames: readonly ServerFrame<unknown>[]) => frames.map((frame) => frame.t);

/** A node whose broker takes subscriptions and entries only when `open` is called. */
async function nodeBehindGate() {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const wrapBroker: NonNullable<HarnessOptions["wrapBroker"]> = (broker) =>
    withMembers(broker, {
      subscribe: async (...args: Parameters<Broker["subscribe"]>) =>
        (args[0] === COMMANDS_CHANNEL ? Promise.resolve() : gate).then(() =>
          broker.subscribe(...args),
        ),
      presence: withMembers(broker.presence, {
        enter: async (...args: Parameters<Broker["presence"]["enter"]>) =>
          gate.then(() => broker.presence.enter(...args)),
      }),
    });
  return {
    ...(await createEngineHarness({ contract, settings: TEST_SETTINGS, tokens, wrapBroker })),
    gate: () => open(),
  };
}

function withMembers<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(_target, name) {
      const member: unknown = Reflect.get(Object.hasOwn(replaced, name) ? replaced : target, name);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

const narrow = (client: HandClient) => client.send({ t: "refresh", id: 90, token: "narrow" });

test("H5: a subscription that is under way while the claims narrow is refused", async () => {
  const { connect, engine, gate } = await nodeBehindGate();
  const client = await connect({ token: "wide" });
  await client.send({ t: "subscribe", id: 2, ch: "mine:a" });
  await narrow(client);
  gate();
  expect(await client.take()).toMatchObject([
    { t: "ok", id: 90 },
    { t: "err", id: 2, name: "permission_denied" },
  ]);
  await engine.publish("mine:a", { payload: { kind: "json", text: "1" } });
  expect(await client.take()).toEqual([]);
  expect(engine.info().subscriptions).toBe(0);
});

test("H5: a session that is entering while the claims narrow becomes no member, also when the broker has the entry last", async () => {
  const { connect, engine, gate, advance } = await nodeBehindGate();
  const client = await connect({ token: "wide" });
  await client.send({ t: "enter", id: 2, ch: "mine:a" });
  await narrow(client);
  gate();
  expect(await client.take()).toContainEqual(
    expect.objectContaining({ t: "err", id: 2, name: "permission_denied" }),
  );
  await advance(TEST_SETTINGS.timeouts.presenceGraceMs + 100);
  expect(await engine.presence("mine:a")).toEqual({ ok: true, value: [] });
});

test("H5: a watch that is under way while the claims narrow tells nobody's name", async () => {
  const { connect, gate } = await nodeBehindGate();
  const client = await connect({ token: "wide" });
  await client.send({ t: "watch", id: 2, ch: "mine:a" });
  await narrow(client);
  gate();
  expect(kinds(await client.take())).toEqual(["ok", "err"]);
});

test("H5: a rule that does not answer when the claims change ends its own subscription only, and keeps no other from ending", async () => {
  slowRule = () => true;
  const { connect, advance } = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    tokens,
  });
  const client = await connect({ token: "wide" });
  await client.send(
    { t: "subscribe", id: 2, ch: "slow:a" },
    { t: "subscribe", id: 3, ch: "mine:a" },
  );
  await client.take();
  slowRule = () => new Promise(() => {});
  await narrow(client);
  expect(await client.take()).toMatchObject([
    { t: "ok" },
    { t: "unsubscribed", ch: "mine:a", name: "subscription_ended" },
  ]);
  await advance(TEST_SETTINGS.timeouts.rpcMs + 100);
  // No answer is no refusal: the client may ask again.
  expect(await client.take()).toMatchObject([
    { t: "unsubscribed", ch: "slow:a", name: "request_failed" },
  ]);
});
