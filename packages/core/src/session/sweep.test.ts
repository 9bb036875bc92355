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

test("a node that stood still for longer than the idle timeout asks before it ends anybody", async () => {
  const { engine, connect, advance } = await createEngineHarness({
    contract: { channels: {} },
    settings: TEST_SETTINGS,
  });
  const [alive, dead] = [await connect(), await connect()];
  Object.assign(alive.link, { ping: () => engine.alive(alive.connection) });
  Object.assign(dead.link, { ping: () => {} });
  // The sweep comes late; what the peers sent meanwhile is not read yet.
  for (const { connection } of [alive, dead]) {
    connection.lastReceivedMs -= 2 * TEST_SETTINGS.timeouts.idleMs;
    connection.pingedMs = connection.lastReceivedMs;
  }
  await advance(1000);
  expect([alive.link.closedWith, dead.link.closedWith]).toEqual([undefined, undefined]);
  await advance(TEST_SETTINGS.timeouts.idleMs / 4 + 1000);
  expect(alive.link.closedWith).toBeUndefined();
  expect(dead.link.closedWith?.reason).toBe("idle_timeout");
});
