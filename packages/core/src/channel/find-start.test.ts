// Owns: tests of where a subscription begins if the stream changes while the broker is asked.
import { expect, test } from "bun:test";
import type { Position } from "@holdfast/protocol";
import { findStart, startWithoutHistory } from "./catch-up.ts";
import { type OutgoingPage, Ring } from "./ring.ts";
import type { SubscribedHub } from "./subscription.ts";

const OLD = "e1";
const NEW = "e2";
/** The hub has passed 20 on and keeps what came after 15. */
const PASSED = 20;
const FLOOR = 15;

type AsRead = Partial<Pick<OutgoingPage, "epoch" | "head" | "oldest">>;

/** A hub in its old epoch; `begins`: it has passed 3 of a new one when its read is answered. */
function stage({ begins = false, cls = "ordered", page = {} as AsRead } = {}) {
  const asked: number[] = [];
  let rechecks = 0;
  const state = { epoch: OLD, passed: PASSED };
  const hub = {
    channel: "chat:a",
    ring: new Ring(FLOOR),
    rules: { stream: { cls, sizeMax: 100 } },
    get epoch() {
      return state.epoch;
    },
    get passed() {
      return state.passed;
    },
    async read(offset: number): Promise<OutgoingPage> {
      asked.push(offset);
      await Promise.resolve();
      if (begins) {
        Object.assign(state, { epoch: NEW, passed: 3 });
        hub.ring.reset(3);
      }
      const { epoch, passed } = state;
      return { epoch, head: passed, oldest: 1, more: false, entries: [], complete: true, ...page };
    },
    recheck: () => {
      rechecks += 1;
    },
    gapFrame: (from: number, to: number | null, reason: string, offset: number) => ({
      t: "gap",
      from,
      to,
      reason,
      pos: { epoch: state.epoch, offset },
    }),
  };
  return {
    find: async (wanted: { pos?: Position; last?: number }) =>
      findStart(hub as unknown as SubscribedHub, wanted),
    without: async (pos: Position) => startWithoutHistory(hub as unknown as SubscribedHub, pos),
    asked,
    rechecks: () => rechecks,
  };
}
const epochGap = (from: number, offset: number) => ({
  cursor: offset,
  recovered: false,
  gap: { reason: "epoch", from, to: null, pos: { epoch: NEW, offset } },
});

test.each([
  ["behind the ring", { epoch: OLD, offset: 2 }, epochGap(3, 0)],
  ["ahead of the node", { epoch: OLD, offset: 30 }, epochGap(31, 0)],
  ["in a third epoch", { epoch: "e0", offset: 9 }, epochGap(10, 0)],
  ["at the new head", { epoch: NEW, offset: 3 }, { cursor: 3, recovered: true }],
])("a new epoch that begins during the read is seen from a position %s", async (_, pos, start) => {
  expect(await stage({ begins: true }).find({ pos })).toMatchObject(start);
});

test("the head of an epoch that begins during the read says nothing of an older position", async () => {
  const ahead = { epoch: OLD, offset: 30 };
  const further = { begins: true, page: { head: 40 } };
  expect(await stage(further).find({ pos: ahead })).toMatchObject(epochGap(31, 0));
  expect(await stage(further).without(ahead)).toMatchObject(epochGap(31, 3));
});

test("who may not read history hears of an epoch that begins during the read", async () => {
  const { without, asked } = stage({ begins: true });
  expect(await without({ epoch: OLD, offset: 30 })).toMatchObject(epochGap(31, 3));
  expect(asked).toEqual([30]);
  const same = stage({ page: { head: 30 } });
  expect(await same.without({ epoch: OLD, offset: 30 })).toEqual({ cursor: 30, recovered: true });
  expect(await same.without({ epoch: OLD, offset: 31 })).toMatchObject({
    cursor: PASSED,
    gap: { reason: "epoch", from: 32 },
  });
});

test("a page of an epoch that the node has not heard of is refused, and the node looks", async () => {
  const { find, rechecks } = stage({ page: { epoch: "e9" } });
  await expect(find({ pos: { epoch: OLD, offset: 2 } })).rejects.toThrow("began anew");
  expect(rechecks()).toBe(1);
});

test("`last` is read from where it begins, or from the beginning, as far as it is kept", async () => {
  const { find, asked } = stage({ page: { oldest: 4 } });
  expect(await find({ last: 5 })).toEqual({ cursor: 15, recovered: false });
  expect(await find({ last: 6 })).toEqual({ cursor: 14, recovered: false });
  expect(await find({ last: 100 })).toEqual({ cursor: 3, recovered: false });
  expect(asked).toEqual([14, 0]);
  const none = stage({ page: { oldest: 40 } });
  expect(await none.find({ last: 100 })).toEqual({ cursor: PASSED, recovered: false });
});

test("what history has lost is declared up to what was passed on, no further", async () => {
  const pos = { epoch: OLD, offset: 2 };
  const lost = (oldest: number) => stage({ page: { oldest } }).find({ pos });
  expect(await lost(3)).toMatchObject({ cursor: 2, recovered: true });
  expect(await lost(4)).toMatchObject({ cursor: 3, gap: { from: 3, to: 3, reason: "history" } });
  expect(await lost(90)).toMatchObject({ cursor: PASSED, gap: { from: 3, to: PASSED } });
  const latest = stage({ cls: "latest", page: { oldest: 90 } });
  expect(await latest.find({ pos })).toMatchObject({ cursor: 2, recovered: true });
});
