import { expect, test } from "bun:test";
import fc from "fast-check";
import { EventQueue } from "./event-queue.ts";

test("events come in the order of their times, each once, also when more are pushed in between", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { maxLength: 3000 }), fc.nat(3000), (times, early) => {
      const queue = new EventQueue();
      const seen: number[] = [];
      const take = () => {
        if (queue.next()) seen.push(queue.event);
      };
      times.forEach((timeMs, event) => {
        queue.push(timeMs, event);
        if (event === early) take();
      });
      const first = seen.length;
      let lastMs = -1;
      while (queue.next()) {
        expect(queue.nowMs).toBeGreaterThanOrEqual(lastMs);
        expect(queue.nowMs).toBe(times[queue.event] ?? -1);
        lastMs = queue.nowMs;
        seen.push(queue.event);
      }
      expect(first).toBeLessThanOrEqual(1);
      expect(seen.sort((a, b) => a - b)).toEqual(times.map((_, event) => event));
    }),
    { numRuns: 50 },
  );
});
