import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";

const MAX = 8;
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, history: { size: 10, ttlMs: 60_000 } },
    "none:{room}": {},
  },
};
const limits = { ...TEST_SETTINGS.limits, presencePerConnectionMax: MAX };
const harness = (more: Partial<typeof limits> = {}) =>
  createEngineHarness({
    contract,
    settings: { ...TEST_SETTINGS, limits: { ...limits, ...more } },
  });
const requests = <T extends "enter" | "watch" | "update">(t: T, count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({ t, id: 10 + from + i, ch: `chat:${from + i}` }));
const answers = (frames: readonly ServerFrame<unknown>[]) => ({
  ok: frames.filter(({ t }) => t === "ok").length,
  refused: frames.flatMap((frame) => (frame.t === "err" ? [frame.name] : [])),
});
const resumeOf = async (client: HandClient): Promise<string> => {
  const connected = (await client.take()).find((frame) => frame.t === "connected");
  return connected?.t === "connected" ? connected.resume : "";
};

test("as many enters as the limit allows are taken from one message, and not one more", async () => {
  const { connect } = await harness();
  const client = await connect();
  await client.send(...requests("enter", MAX + 1));
  expect(answers(await client.take())).toEqual({ ok: MAX, refused: ["presence_limit"] });
});

test.each(["enter", "update", "watch"] as const)(
  "%s is refused in a channel without presence",
  async (t) => {
    const { connect } = await harness();
    const client = await connect();
    await client.send({ t, id: 2, ch: "none:a" });
    expect(answers(await client.take())).toEqual({ ok: 0, refused: ["presence_disabled"] });
  },
);

test("enters and watches of one message share the limit", async () => {
  const { connect } = await harness();
  const client = await connect();
  await client.send(...requests("enter", MAX / 2), ...requests("watch", MAX / 2, 100));
  expect(answers(await client.take())).toEqual({ ok: MAX, refused: [] });
  await client.send(...requests("watch", 1, 200));
  expect(answers(await client.take())).toEqual({ ok: 0, refused: ["presence_limit"] });
});

test("what is entered and watched already takes no place while it is asked for again", async () => {
  const { connect, advance } = await harness();
  const client = await connect();
  await client.send(...requests("enter", MAX / 2), ...requests("watch", MAX / 2 - 1, 100));
  await client.take();
  await advance(100);
  await client.send(
    ...requests("update", MAX / 2),
    ...requests("watch", MAX / 2 - 1, 100),
    ...requests("enter", 1, 300),
  );
  expect(answers(await client.take())).toEqual({ ok: MAX, refused: [] });
});

test("a place that was refused is free again", async () => {
  const { connect } = await harness({ membersMax: 1 });
  const [first, second] = [await connect(), await connect()];
  await first.send(...requests("enter", MAX));
  await second.send(...requests("enter", MAX));
  expect(answers(await second.take()).refused).toHaveLength(MAX);
  await second.send(...requests("enter", MAX, 100));
  expect(answers(await second.take())).toEqual({ ok: MAX, refused: [] });
});

test("H7: a session with all the entries and watches that it may have comes back with all", async () => {
  const { open, connect, broker, advance } = await harness();
  const client = open();
  await client.send({ t: "connect", id: 1 });
  const resume = await resumeOf(client);
  const wanted = [...requests("enter", MAX / 2), ...requests("watch", MAX / 2, 50)];
  await client.send(...wanted);
  await client.lose();
  const again = await connect({ resume });
  await again.send(...wanted);
  expect(answers(await again.take())).toEqual({ ok: MAX, refused: [] });
  await advance(TEST_SETTINGS.timeouts.presenceGraceMs + 1000);
  expect(broker.figures().members).toBe(MAX / 2);
});

test("H7: a session that comes back enters again whatever the rate of publishes", async () => {
  const { open, connect } = await harness({ publishesPerSecondMax: 1 });
  const client = open();
  await client.send({ t: "connect", id: 1 });
  const resume = await resumeOf(client);
  await client.lose();
  const again = await connect({ resume });
  await again.send(...requests("enter", MAX));
  expect(answers(await again.take())).toEqual({ ok: MAX, refused: [] });
  // Once: what comes then counts.
  await again.send(...requests("update", MAX));
  expect(answers(await again.take()).refused).toContain("rate_limited");
});
