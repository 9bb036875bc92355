import { expect, test } from "bun:test";
import { ReceivingNode, type ReceivingNodeSettings } from "./receiving-node.ts";
import { MASS_RECONNECT } from "./testing.ts";

const receiverWith = (settings: Partial<ReceivingNodeSettings>, connectMs = 0.2): ReceivingNode =>
  new ReceivingNode({
    settings: { ...MASS_RECONNECT.receiver, ...settings },
    costs: { upgradeMs: 0.1, connectMs, refuseMs: 0.05 },
    background: 0,
    chance: () => 0.5,
  });

/** So many connections at once: how many have a session, how many are told to come back. */
function crowd(
  receiver: ReceivingNode,
  count: number,
  atMs = 0,
): { readonly taken: number; readonly busy: number; readonly refused: number } {
  const upgrades = Array.from({ length: count }, () => receiver.upgrade(atMs));
  const answers = upgrades
    .filter(({ retryMs }) => retryMs === 0)
    .map(({ doneMs }) => receiver.hello(doneMs));
  const taken = answers.filter(({ retryMs }) => retryMs === 0).length;
  return { taken, busy: count - answers.length, refused: answers.length - taken };
}

test("lets in what admission's buckets hold, and gives the others slots", () => {
  const receiver = receiverWith({});
  const { taken, busy, refused } = crowd(receiver, 500);
  expect([busy, taken + refused]).toEqual([0, 500]);
  // 0.2 s of 0.85 A, and what comes back while they are dealt with.
  expect(taken).toBeGreaterThanOrEqual(85);
  expect(taken).toBeLessThanOrEqual(86 + 0.425 * receiver.busyUntilMs);
});

test("tells connections beyond those in flight to come back before they say anything", () => {
  const { busy } = crowd(receiverWith({ handshakesInFlightMax: 100 }), 500);
  expect(busy).toBe(399);
});

test("without admission everyone is let in, as late as it takes", () => {
  const receiver = receiverWith({ admits: false });
  expect(crowd(receiver, 2000)).toEqual({ taken: 2000, busy: 0, refused: 0 });
  expect(receiver.busyUntilMs).toBeCloseTo(2000 * 0.3);
});

test("takes fewer handshakes a second while its event loop is late under them, and all again afterwards", () => {
  // 4 ms for each of 425 that are admitted in a second: more than there is.
  const receiver = receiverWith({}, 4);
  for (let ms = 0; ms < 10_000; ms++) {
    receiver.upgrade(ms);
    receiver.hello(ms);
  }
  expect(receiver.lagMs).toBeGreaterThan(250);
  expect(receiver.handshakesPerSecond).toBeLessThan(500);
  receiver.upgrade(receiver.busyUntilMs + 60_000);
  expect(receiver.handshakesPerSecond).toBe(500);
});

test("a peak is counted in any second, wherever it begins", () => {
  const receiver = receiverWith({});
  for (const ms of [910, 960, 1010, 1890, 3000]) receiver.upgrade(ms);
  expect(receiver.peaks.attempts).toBe(4);
});
