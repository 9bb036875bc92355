import { expect, test } from "bun:test";
import fc from "fast-check";
import { DeadlineQueue } from "./deadline-queue.ts";

test("values come out by deadline, equal ones in the order in which they went in, also after some were forgotten", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60, size: "max" }),
      fc.integer({ min: 2, max: 5 }),
      (deadlines, every) => {
        const queue = new DeadlineQueue<number>();
        for (const [index, dueMs] of deadlines.entries()) queue.add(dueMs, index);
        queue.retain((index) => index % every !== 0);
        queue.add(10, deadlines.length);
        const expected = [
          ...deadlines
            .map((dueMs, index) => ({ dueMs, index }))
            .filter(({ index }) => index % every !== 0),
          { dueMs: 10, index: deadlines.length },
        ]
          .sort((one, other) => one.dueMs - other.dueMs || one.index - other.index)
          .map(({ index }) => index);
        const out: number[] = [];
        for (let nowMs = -1; nowMs <= 20; nowMs++) {
          for (let due = queue.takeDue(nowMs); due !== undefined; due = queue.takeDue(nowMs)) {
            expect(due.dueMs).toBe(nowMs);
            out.push(due.value);
          }
        }
        expect(out).toEqual(expected);
        expect([queue.size, queue.nextMs]).toEqual([0, undefined]);
      },
    ),
  );
});
