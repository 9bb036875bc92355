import { expect, test } from "bun:test";
import { createManualClock, TEST_SETTINGS } from "@holdfast/testkit";
import type { Connection } from "./connection.ts";
import { Rates } from "./rates.ts";
import { Shares } from "./shares.ts";

type Limits = typeof TEST_SETTINGS.limits;

function stage(more: Partial<Limits>) {
  const clock = createManualClock();
  const settings = { ...TEST_SETTINGS, limits: { ...TEST_SETTINGS.limits, ...more } };
  const over: string[] = [];
  const observer = { overShare: (what: string) => void over.push(what) };
  const rates = new Rates({ clock, observer }, new Shares(settings, clock.nowMs()), settings);
  const connection = (): Connection =>
    ({ party: "u:a", refusals: 0, answered: 0, overdrawn: false, lastChannel: "" }) as Connection;
  return { clock, settings, rates, connection, over };
}

test("refused frames hear when there is room again, at least 1 ms and at most a minute", () => {
  const { rates, connection, clock } = stage({ framesPerSecondMax: 10, burstFactor: 1 });
  const one = connection();
  expect(rates.frames(one, 10)).toBe(0);
  expect(rates.frames(one, 1)).toBe(100);
  clock.advance(100);
  expect(rates.frames(one, 1)).toBe(0);
  const slow = stage({ framesPerSecondMax: 0.001, burstFactor: 1 });
  const two = slow.connection();
  expect(slow.rates.frames(two, 1)).toBe(0);
  expect(slow.rates.frames(two, 1)).toBe(60_000);
});

test("a connection floods when more than 5 s of frames were refused, and taken ones make up for it", () => {
  const { rates, connection, clock } = stage({ framesPerSecondMax: 10, burstFactor: 1 });
  const one = connection();
  expect(rates.frames(one, 0)).toBe(0);
  rates.frames(one, 10);
  for (let i = 0; i < 50; i++) rates.frames(one, 1);
  expect(rates.floods(one)).toBe(false);
  rates.useless(one);
  expect(rates.floods(one)).toBe(true);
  clock.advance(1000);
  expect(rates.frames(one, 1)).toBe(0);
  expect(rates.floods(one)).toBe(false);
});

test("bytes that were read or answered make the connection wait until they are made up for", () => {
  const { rates, connection, clock } = stage({
    receivedBytesPerSecondMax: 1000,
    answeredBytesPerSecondMax: 500,
    burstFactor: 1,
  });
  const one = connection();
  rates.received(one, 999);
  expect(rates.overdrawnMs(one)).toBe(0);
  rates.received(one, 101);
  expect(one.overdrawn).toBe(true);
  expect(rates.overdrawnMs(one)).toBe(101);
  one.answered = 600;
  rates.answered(one);
  expect(one.answered).toBe(0);
  expect(rates.overdrawnMs(one)).toBe(202);
  clock.advance(201);
  expect(rates.overdrawnMs(one)).toBe(1);
  expect(one.overdrawn).toBe(true);
  clock.advance(1);
  expect(rates.overdrawnMs(one)).toBe(0);
  expect(one.overdrawn).toBe(false);
});

test("a publish waits for the bytes before it, and counts with 256 bytes more than its data", () => {
  const { rates, connection, clock } = stage({
    publishedBytesPerSecondMax: 1000,
    publishesPerSecondMax: 5,
    burstFactor: 1,
  });
  const one = connection();
  expect(rates.publish(one, 844)).toBe(0);
  expect(rates.publish(one, 0)).toBe(101);
  clock.advance(101);
  expect(rates.publish(one, 0)).toBe(0);
});

test("what is refused for its party's share does not use up the connection's own bytes", () => {
  const { rates, connection, clock, over } = stage({
    nodePublishedBytesPerSecondMax: 1000,
    publishedBytesPerSecondMax: 2000,
    burstFactor: 1,
  });
  const [one, other] = [connection(), connection()];
  while (over.length === 0) rates.publish(other, 1000);
  expect(rates.publish(one, 1000)).toBeGreaterThan(0);
  expect(one.publishedBucket?.waitMs(clock.nowMs())).toBe(0);
  expect(rates.publish(one, 1000)).toBeGreaterThan(0);
  expect(one.publishedBucket?.waitMs(clock.nowMs())).toBe(0);
  expect(over.every((what) => what === "published")).toBe(true);
});

test("publishes have a rate of their own, whatever their size", () => {
  const { rates, connection } = stage({ publishesPerSecondMax: 2, burstFactor: 1 });
  const one = connection();
  expect([1, 2, 3].map(() => rates.publish(one, 1))).toEqual([0, 0, 500]);
});

test("a party over its share of new channels is refused and counted; the same channel again is free", () => {
  const { rates, connection, over } = stage({ nodeChannelsPerSecondMax: 1 });
  const one = connection();
  let retryMs = 0;
  for (let i = 0; i < 100 && retryMs === 0; i++) {
    retryMs = rates.channel(one, `c${i}`);
    // Refused or free, it is so again.
    expect(rates.channel(one, `c${i}`) > 0).toBe(retryMs > 0);
  }
  expect(retryMs).toBeGreaterThan(0);
  expect(retryMs).toBeLessThanOrEqual(60_000);
  rates.channel(one, "another");
  expect(over).toEqual(["channels", "channels", "channels"]);
  const { rates: fresh } = stage({ nodeChannelsPerSecondMax: 1 });
  for (let i = 0; i < 10; i++) expect(fresh.channel(one, "c")).toBe(0);
});

test("answers count towards the party's share, and make those wait who had them", () => {
  const { rates, connection } = stage({ nodeAnsweredBytesPerSecondMax: 1000 });
  const [one, other] = [connection(), connection()];
  one.answered = 100_000;
  rates.answered(one);
  expect(rates.overdrawnMs(one)).toBeGreaterThan(0);
  expect(rates.overdrawnMs(other)).toBe(0);
  rates.arrived(other, 4096);
  expect(rates.overdrawnMs(other)).toBeGreaterThan(0);
});

test("large messages count towards the party's share, short ones do not", () => {
  for (const [length, counts] of [
    [2047, false],
    [2048, true],
  ] as const) {
    const { rates, connection } = stage({ nodeReceivedBytesPerSecondMax: 1000 });
    const [one, other] = [connection(), connection()];
    for (let i = 0; i < 50; i++) rates.received(one, length);
    rates.arrived(other, 2047);
    expect(rates.overdrawnMs(other)).toBe(0);
    rates.arrived(other, 2048);
    expect(rates.overdrawnMs(other) > 0).toBe(counts);
  }
});

test("a large message of a party within its shares is read at once", () => {
  const { rates, connection } = stage({});
  const one = connection();
  rates.arrived(one, 4096);
  expect(rates.overdrawnMs(one)).toBe(0);
});

test("time that a party's messages took makes its connections wait", () => {
  const { rates, connection } = stage({ nodeProcessingMsPerSecondMax: 10 });
  const [one, other] = [connection(), { ...connection(), party: "u:b" } as Connection];
  rates.processed(other, 0.001);
  rates.processed(one, 1000);
  expect(rates.overdrawnMs(one)).toBeGreaterThan(0);
  expect(rates.overdrawnMs(other)).toBe(0);
});

test("new settings hold for the connections that come after them", () => {
  const { rates, connection, settings } = stage({ rpcsPerSecondMax: 1, burstFactor: 1 });
  const [one, two] = [connection(), connection()];
  expect([rates.rpc(one), rates.rpc(one)]).toEqual([0, 1000]);
  rates.configure({
    ...settings,
    limits: { ...settings.limits, rpcsPerSecondMax: 2, framesPerSecondMax: 1 },
  });
  expect(rates.rpc(one)).toBe(1000);
  expect([rates.rpc(two), rates.rpc(two), rates.rpc(two)]).toEqual([0, 0, 500]);
  two.refusals = 6;
  expect(rates.floods(two)).toBe(true);
});
