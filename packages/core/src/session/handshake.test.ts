import { expect, test } from "bun:test";
import {
  createEngineHarness,
  type HandClient,
  type HarnessOptions,
  TEST_SETTINGS,
} from "@holdfast/testkit";

const byToken = { subscribe: "token", presence: "token" } as const;
const contract = { channels: { "chat:{room}": { presence: true, permissions: byToken } } } as const;
const allow = (...channels: readonly string[]) =>
  channels.map((channel) => ({ channel, actions: ["subscribe", "presence"] as const }));
const tokens = {
  wide: { user: "u", caps: allow("chat:a", "chat:b") },
  narrow: { user: "u", caps: allow("chat:a") },
  other: { user: "v", caps: allow("chat:a") },
};
const harness = (options: Partial<HarnessOptions> = {}) =>
  createEngineHarness({ contract, tokens, settings: TEST_SETTINGS, ...options });
type Node = Awaited<ReturnType<typeof harness>>;

async function connecting(node: Node, frame: Parameters<Node["connect"]>[0]) {
  const client = node.open();
  await client.send({ t: "connect", id: 1, ...frame });
  return { client, answer: (await client.take())[0] };
}
const resumeOf = async (node: Node, token: string) => {
  const { client, answer } = await connecting(node, { token });
  if (answer?.t !== "connected") throw new Error(`no connected but ${answer?.t}`);
  return { client, resume: answer.resume, session: answer.session };
};
const nameOf = (frame: { readonly t: string; readonly name?: string } | undefined) =>
  frame?.name ?? frame?.t;

test("whoever brings nothing, a bad resume token or one that is over hears which it was", async () => {
  const node = await harness({ anonymous: false });
  const refusal = async (frame: Parameters<Node["connect"]>[0]) =>
    nameOf((await connecting(node, frame)).answer as never);
  expect(await refusal({})).toBe("unauthorized");
  expect(await refusal({ resume: "garbage" })).toBe("resume_rejected");
  const expired = JSON.stringify({
    session: "s",
    identity: { user: "u", expiresAtMs: 1 },
    issuedAtMs: 0,
  });
  await node.advance(5);
  expect(await refusal({ resume: expired })).toBe("token_expired");
  expect(await refusal({ token: "unknown" })).toBe("token_invalid");
  for (const code of ["unauthorized", "resume_rejected", "token_expired", "token_invalid"])
    expect(node.observed).toContain(`authFailed ${code}`);
});

test("a token of the same user keeps the session that its resume token names, another user's gets its own", async () => {
  const node = await harness();
  const { resume, session, client } = await resumeOf(node, "wide");
  const same = await connecting(node, { token: "narrow", resume: expired(resume) });
  expect(same.answer).toMatchObject({ t: "connected", session, resumed: true });
  expect(nameOf((await client.take())[0] as never)).toBe("session_replaced");
  const other = await connecting(node, { token: "other", resume: expired(resume) });
  expect(other.answer).toMatchObject({ t: "connected", resumed: false });
  expect((other.answer as { session?: string }).session).not.toBe(session);
});
const expired = (resume: string): string => {
  const opened = JSON.parse(resume);
  return JSON.stringify({ ...opened, identity: { ...opened.identity, expiresAtMs: 0 } });
};

test("of too many handshakes the oldest that said nothing gives way, or else the oldest", async () => {
  const limits = { ...TEST_SETTINGS.limits, handshakesInFlightMax: 2 };
  const { open, settle } = await createEngineHarness({
    contract: {
      channels: { "chat:{room}": {} },
      hooks: { onConnect: () => new Promise<undefined>(() => {}) },
    },
    settings: { ...TEST_SETTINGS, limits },
  });
  const [asked, silent] = [open(), open()];
  await asked.send({ t: "connect", id: 1 });
  const next = open();
  await settle();
  const closed = () => [asked, silent, next].map(({ link }) => link.closedWith !== undefined);
  expect(closed()).toEqual([false, true, false]);
  await next.send({ t: "connect", id: 1 });
  open({ address: "10.0.0.2" });
  await settle();
  expect(closed()).toEqual([true, true, false]);
});

test("when the newer connection of a move is lost, the older one speaks for the session again", async () => {
  const node = await harness();
  const { resume, session, client: older } = await resumeOf(node, "wide");
  const newer = await connecting(node, { resume, moving: true });
  expect(newer.answer).toMatchObject({ session, resumed: true });
  expect(older.link.closedWith).toBeUndefined();
  await newer.client.lose();
  expect(node.engine.info()).toMatchObject({ sessions: 1, connections: 1 });
  const third = await connecting(node, { resume });
  expect(third.answer).toMatchObject({ session, resumed: true });
  expect(older.link.closedWith?.reason).toBe("session_replaced");
  expect(node.engine.info()).toMatchObject({ sessions: 1, connections: 1 });
});

test("a session that moves has two connections at most: a third one replaces the oldest", async () => {
  const node = await harness();
  const { resume, client: first } = await resumeOf(node, "wide");
  const second = await connecting(node, { resume, moving: true });
  const third = await connecting(node, { resume, moving: true });
  expect(first.link.closedWith?.reason).toBe("session_replaced");
  expect(second.client.link.closedWith).toBeUndefined();
  expect(third.answer).toMatchObject({ t: "connected", resumed: true });
});

const subscribed = async (client: HandClient): Promise<void> => {
  for (const [i, ch] of ["chat:a", "chat:b"].entries())
    await client.send(
      { t: "subscribe", id: 10 + i, ch },
      { t: "watch", id: 20 + i, ch },
      { t: "enter", id: 30 + i, ch },
    );
  await client.take();
};

test("a refresh ends what the new claims no longer allow and nothing else", async () => {
  const node = await harness();
  const { client } = await resumeOf(node, "wide");
  await subscribed(client);
  await client.send({ t: "refresh", id: 40, token: "narrow" });
  const frames = await client.take();
  const ended = frames.flatMap((frame) =>
    frame.t === "unsubscribed" ? [`${frame.ch} ${frame.of ?? "all"}`] : [],
  );
  expect(ended.sort()).toEqual(["chat:b all", "chat:b presence"]);
  expect([...(client.connection.subscriptions?.keys() ?? [])]).toEqual(["chat:a"]);
  expect([...(client.connection.watches ?? [])]).toEqual(["chat:a"]);
  expect([...(client.connection.entries?.keys() ?? [])]).toEqual(["chat:a"]);
});

test("a hook that throws ends its connection as internal and is reported; one that refuses is heard", async () => {
  for (const [onConnect, name] of [
    [() => Promise.reject(new Error("no")), "internal"],
    [() => ({ reject: "not today" }), "rejected_connect"],
    [() => undefined, "connected"],
  ] as const) {
    const node = await harness({ contract: { ...contract, hooks: { onConnect } } });
    const { answer } = await connecting(node, { token: "wide" });
    expect(nameOf(answer as never)).toBe(name);
    expect(node.bugs).toHaveLength(name === "internal" ? 1 : 0);
    if (name === "rejected_connect") expect(answer).toMatchObject({ msg: "not today" });
  }
});

test("a full node refuses in words, gives each its own slot, and has a place as soon as one is free", async () => {
  const limits = { ...TEST_SETTINGS.limits, connectionsMax: 2, connectionsPerAddressMax: 2 };
  const admission = { ...TEST_SETTINGS.admission, handshakesPerSecond: 40 };
  const timeouts = { ...TEST_SETTINGS.timeouts, idleMs: 3_600_000 };
  const node = await harness({ settings: { ...TEST_SETTINGS, limits, admission, timeouts } });
  const first = await resumeOf(node, "wide");
  await resumeOf(node, "other");
  const waits: number[] = [];
  const refused = async (address = "203.0.113.9"): Promise<number> => {
    const client = node.open({ address });
    const [frame] = await client.take();
    expect(frame).toMatchObject({ t: "goodbye", name: "try_later", windowMs: 0 });
    expect(client.link.closedWith).toEqual({ code: 4001, reason: "try_later" });
    return frame?.t === "goodbye" ? (frame.retryMs ?? 0) : 0;
  };
  for (let i = 0; i < 50; i++) waits.push(await refused());
  // A quarter of 40 a second, from a second on.
  expect(waits.every((ms, i) => ms >= 1000 + 100 * i && ms <= 1000 + 100 * (i + 1))).toBe(true);
  for (let i = 0; i < 5000; i++) waits.push(await refused());
  expect(Math.max(...waits)).toBeLessThanOrEqual(120_000);
  // An address that asks thousands of times waits for itself.
  expect(await refused("198.51.100.7")).toBeLessThanOrEqual(1200);
  await first.client.send({ t: "bye" });
  expect((await connecting(node, { token: "narrow" })).answer).toMatchObject({ t: "connected" });
  // Those slots are over: the line is empty again.
  await node.advance(150_000);
  expect(await refused()).toBeLessThanOrEqual(1100);
  // While somebody waits, all wait longer, up to 15 s.
  const later: number[] = [];
  for (let i = 0; i < 20; i++) {
    await node.advance(5000);
    later.push(await refused());
  }
  expect(later.slice(-1)[0]).toBeGreaterThan(14_000);
  expect(Math.max(...later)).toBeLessThanOrEqual(15_100);
});
