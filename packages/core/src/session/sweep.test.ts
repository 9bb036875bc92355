import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

test("a quiet connection is asked at half of the idle timeout, and stays if its network answers", async () => {
  const { engine, connect, advance } = await createEngineHarness({
    contract: { channels: {} },
    settings: TEST_SETTINGS,
  });
  const [answering, silent] = [await connect(), await connect()];
  const pings = { answering: 0, silent: 0 };
  Object.assign(answering.link, {
    ping: () => {
      pings.answering++;
      engine.alive(answering.connection);
    },
  });
  Object.assign(silent.link, { ping: () => pings.silent++ });
  for (let second = 0; second < 180; second++) await advance(1000);
  expect(silent.link.closedWith?.reason).toBe("idle_timeout");
  expect(answering.link.closedWith).toBeUndefined();
  expect(pings).toEqual({ answering: 5, silent: 1 });
});
