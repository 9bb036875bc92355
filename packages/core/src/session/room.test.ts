import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

test("requests that wait behind one that makes a large answer do not take its room", async () => {
  const { connect, advance } = await createEngineHarness({
    contract: { channels: { "chat:{room}": { presence: true } } },
    settings: { ...TEST_SETTINGS, flow: { ...TEST_SETTINGS.flow, lagBytes: 4096 } },
  });
  const client = await connect();
  const publishes = Array.from(
    { length: 64 },
    (_, i) => ({ t: "publish", id: i + 4, ch: "chat:a", data: i }) as const,
  );
  await client.send(
    { t: "enter", id: 2, ch: "chat:a", data: "here" },
    { t: "watch", id: 3, ch: "chat:a" },
    ...publishes,
  );
  await advance(5000);
  const frames = await client.take();
  expect(frames.some((frame) => frame.t === "ok" && frame.id === 3)).toBe(true);
  expect(frames.filter((frame) => frame.t === "published")).toHaveLength(64);
});
