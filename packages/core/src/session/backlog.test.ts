import { expect, test } from "bun:test";
import { TEST_SETTINGS } from "@holdfast/testkit";
import type { Item } from "../door.ts";
import { Backlog } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import { HELD_FRAME_BYTES, HeldBytes } from "./held-bytes.ts";

/** Length that a message counts with besides its text: its own, and that of its one frame. */
const OVERHEAD = 2 * HELD_FRAME_BYTES;
const items = (id: number): Item[] => [{ t: "ping", id }];

/** A connection without room until `free` is called, and what was carried out of it. */
function stage(bytesMax?: number) {
  const events: string[] = [];
  const state = { room: false };
  let waiters: (() => void)[] = [];
  const connection = {
    phase: "open",
    held: undefined,
    heldBytes: 0,
    party: "u:one",
    link: { pause: () => events.push("pause"), resume: () => events.push("resume") },
    hasRoom: () => state.room,
    whenReadable: (then: () => void) => waiters.push(then),
  } as unknown as Connection;
  const heldBytes = new HeldBytes(bytesMax);
  const backlog = new Backlog(
    {
      heldBytes,
      observer: { overShare: (what) => void events.push(`over ${what}`) },
      sessions: { end: (_connection, code) => void events.push(`end ${code}`) },
      settings: () => TEST_SETTINGS,
    },
    {
      message: (_connection, read) => void events.push(`message ${nameOf(read.items)}`),
      rest: (_connection, begun) => void events.push(`rest ${nameOf(begun.items)}`),
    },
  );
  const free = (): void => {
    state.room = true;
    const before = waiters;
    waiters = [];
    for (const then of before) then();
  };
  return { backlog, connection, events, free, heldBytes, state, waiting: () => waiters.length };
}
const nameOf = ([item]: readonly Item[]): string =>
  String((item as { id?: number } | undefined)?.id);

test("what waited is carried out in its order, a message that was begun first", () => {
  const { backlog, connection, events, free, heldBytes, waiting } = stage();
  expect(backlog.blocked(connection)).toBe(true);
  backlog.hold(connection, { items: items(2), length: 10 });
  backlog.hold(connection, { items: items(3), length: 10 });
  backlog.holdRest(connection, { items: items(1), next: 0, length: 0, retryMs: 0 });
  expect(waiting()).toBe(1);
  expect(events).toEqual([]);
  expect(heldBytes.total).toBe(3 * OVERHEAD + 20);
  free();
  expect(events).toEqual(["rest 1", "message 2", "message 3"]);
  expect(connection.held).toBeUndefined();
  expect(backlog.blocked(connection)).toBe(false);
  expect(heldBytes.total).toBe(0);
});

test("from 16 KiB on the transport reads no further, until all is carried out", () => {
  const { backlog, connection, events, free } = stage();
  backlog.hold(connection, { items: items(1), length: 16_384 - 2 * OVERHEAD - 1 });
  backlog.hold(connection, { items: items(2), length: 0 });
  expect(events).toEqual([]);
  expect(connection.held?.length).toBe(16_383);
  backlog.hold(connection, { items: [], length: 0 });
  expect(events).toEqual(["pause"]);
  backlog.hold(connection, { items: items(4), length: 0 });
  free();
  expect(events).toEqual([
    "pause",
    "message 1",
    "message 2",
    "message undefined",
    "message 4",
    "resume",
  ]);
});

test("exactly 16 KiB is enough for the transport to stop", () => {
  const { backlog, connection, events } = stage();
  backlog.hold(connection, { items: items(1), length: 16_384 - OVERHEAD });
  expect(events).toEqual(["pause"]);
});

test("a client that goes on sending far beyond what a transport has read is ended", () => {
  const { backlog, connection, events } = stage();
  const max = 4 * (2 * TEST_SETTINGS.limits.messageBytesMax + 1024 * 1024);
  backlog.hold(connection, { items: items(1), length: max - OVERHEAD });
  expect(events).toEqual(["pause"]);
  backlog.hold(connection, { items: items(2), length: 0 });
  expect(events).toEqual(["pause", "end flooded"]);
});

test("without room again in between the rest waits again, and nothing is carried out twice", () => {
  const { backlog, connection, events, free, state, waiting } = stage();
  for (const id of [1, 2, 3]) backlog.hold(connection, { items: items(id), length: 10 });
  const { push } = events;
  events.push = (...more) => {
    state.room = false;
    return push.apply(events, more);
  };
  for (let round = 1; round <= 3; round++) {
    free();
    expect(events).toHaveLength(round);
    expect(waiting()).toBe(1);
  }
  free();
  expect(events).toEqual(["message 1", "message 2", "message 3"]);
  expect(connection.held).toBeUndefined();
});

test("nothing of an ended connection is carried out", () => {
  const { backlog, connection, events, free } = stage();
  backlog.hold(connection, { items: items(1), length: 10 });
  connection.phase = "ended";
  free();
  expect(events).toEqual([]);
  expect(backlog.blocked(connection)).toBe(false);
});

test("a message, or the rest of one, that exceeds the node's room for its party ends the connection", () => {
  for (const hold of ["hold", "holdRest"] as const) {
    const { backlog, connection, events, heldBytes } = stage(4 * OVERHEAD);
    backlog.hold(connection, { items: items(1), length: OVERHEAD });
    backlog[hold](connection, { items: items(2), next: 0, length: 1, retryMs: 0 });
    expect(events).toEqual(["over held", "end flooded"]);
    expect(heldBytes.total).toBe(2 * OVERHEAD);
    expect([connection.held?.messages.length, connection.held?.begun]).toEqual([1, undefined]);
  }
});
