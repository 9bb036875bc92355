import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

const MIB = 1024 * 1024;
const contract = { channels: { "log:{x}": {} } };
const start = () => createEngineHarness({ contract, settings: TEST_SETTINGS });
const tapOf = (bufferBytesMax: number, handle = async () => {}) => ({
  batchBytesMax: 1000,
  batchWaitMs: 10,
  bufferBytesMax,
  handleMsMax: 1000,
  consumer: { handle },
});

test("a tap whose buffer exceeds what the taps of a node may hold together is refused", async () => {
  const { engine, observed } = await start();
  const { chunkBytes } = TEST_SETTINGS.flow;
  const first = engine.tap("log:a", tapOf(40 * MIB));
  const second = engine.tap("log:a", tapOf(24 * MIB - chunkBytes));
  expect([first.ok, second.ok]).toEqual([true, false]);
  expect(second).toMatchObject({
    code: "request_failed",
    message: `Cannot tap "log:a": it may hold ${24 * MIB} bytes, expected at most ${24 * MIB - chunkBytes}`,
  });
  expect(engine.tap("log:a", tapOf(Number.NaN)).ok).toBe(false);
  if (first.ok) first.value.close();
  if (first.ok) first.value.close();
  expect(engine.tap("log:a", tapOf(64 * MIB - chunkBytes)).ok).toBe(true);
  expect(observed.filter((line) => line.startsWith("tap"))).toEqual([
    "taps 1",
    "tapFailed refused",
    "tapFailed refused",
    "taps -1",
    "taps 1",
  ]);
  engine.stop();
  expect(observed.at(-1)).toBe("taps -1");
});

test("a batch that its consumer rejects is counted", async () => {
  const { engine, observed, advance } = await start();
  engine.tap(
    "log:a",
    tapOf(MIB, async () => Promise.reject(new Error("no"))),
  );
  await advance(100);
  await engine.publish("log:a", { payload: { kind: "json", text: "1" } });
  await advance(50);
  expect(observed).toContain("tapFailed rejected");
});
