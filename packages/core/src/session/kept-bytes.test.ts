import { expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Payload } from "@holdfast/protocol";
import { createManualClock, TEST_SETTINGS } from "@holdfast/testkit";
import type { BrokerUsage, PublishResult } from "../ports.ts";
import { KeptBytes, type PresentConnection } from "./kept-bytes.ts";

const MIB = 1024 * 1024;
const RING: StreamOptions = { cls: "ordered", sizeMax: 10, ttlMs: 60_000 };
const json = (length: number): Payload => ({ kind: "json", text: "x".repeat(length) });
const result = (more: Partial<PublishResult> = {}): PublishResult => ({
  position: { epoch: "e", offset: 7 },
  duplicate: false,
  ...more,
});

function start(usage?: BrokerUsage, sharesRoom = false) {
  const clock = createManualClock();
  const limits = { ...TEST_SETTINGS.limits, keptBytesPerUserMax: 10 * MIB };
  const broker = { sharesRoom, usage: () => usage };
  const kept = new KeptBytes({ clock, broker, settings: () => ({ limits }) });
  const publish = (party: string, more: Partial<PublishResult> = {}, stream = RING): boolean => {
    const payload = json(MIB);
    if (!kept.mayPublish(party, stream, payload)) return false;
    kept.published(party, stream, { payload, result: result({ bytes: MIB, ...more }) });
    return true;
  };
  const fill = (party: string): number => {
    let count = 0;
    while (count < 100 && publish(party)) count += 1;
    return count;
  };
  return { clock, kept, publish, fill };
}

test("a party has what it may have, others theirs, and what has expired is given back", () => {
  const { clock, fill } = start();
  expect([fill("u:a"), fill("u:b")]).toEqual([9, 9]);
  clock.advance(RING.ttlMs);
  expect(fill("u:a")).toBeGreaterThan(4);
});

test("a broker with less room gives a party as much as is still free", () => {
  const { fill } = start({ bytes: 95 * MIB, bytesMax: 100 * MIB });
  expect(fill("u:a")).toBe(4);
});

test("who publishes the same again and again stays charged for what is kept, and not for more", () => {
  const { clock, kept, publish } = start();
  for (let i = 0; i < 4; i++) publish("u:a");
  expect(kept.isMeasured("u:a")).toBe(true);
  // For twenty times the retention: what goes had been kept for half of it.
  for (let i = 0; i < 160; i++) {
    clock.advance(RING.ttlMs / 8);
    expect(publish("u:a", { displaced: { bytes: MIB, ageMs: RING.ttlMs / 2 } })).toBe(true);
  }
  expect(kept.fits("u:a", 5 * MIB)).toBe(true);
  expect(kept.fits("u:a", 9 * MIB)).toBe(false);
});

test("what nobody keeps, what is known, and a broker that shares its own room cost nothing", () => {
  const volatile: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 0 };
  const { kept, publish } = start();
  for (let i = 0; i < 20; i++) {
    expect(publish("u:a", {}, volatile)).toBe(true);
    expect(publish("u:a", { duplicate: true })).toBe(true);
  }
  expect(kept.fits("u:a", 10 * MIB)).toBe(true);
  expect(start(undefined, true).fill("u:a")).toBe(100);
});

test("a new channel costs something, also if it keeps nothing", () => {
  const volatile: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 0 };
  const { kept, publish } = start();
  for (let i = 0; i < 1000; i++) publish("u:a", { position: { epoch: "e", offset: 1 } }, volatile);
  expect(kept.fits("u:a", 10 * MIB - 400_000)).toBe(false);
});

test("presence counts as long as the connection has it", () => {
  const { kept, fill } = start();
  const entries = new Map<string, Payload | undefined>();
  const connection: PresentConnection = { party: "u:a", entries, present: undefined };
  for (let i = 0; i < 9; i++) {
    expect(kept.mayGrow(connection, `c${i}`, json(MIB))).toBe(true);
    entries.set(`c${i}`, json(MIB));
    kept.entered(connection);
  }
  expect(kept.mayGrow(connection, "c9", json(MIB))).toBe(false);
  expect(kept.mayGrow(connection, "c1", json(MIB))).toBe(true);
  expect(fill("u:a")).toBe(0);
  entries.clear();
  kept.entered(connection);
  expect(fill("u:a")).toBe(9);
});
