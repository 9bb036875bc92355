// Owns: checks of the schedule.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Schedule } from "./schedule.ts";

test("entries come out in the order of their moments, and none before it is due", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, min: 0, max: 1e9 }), { maxLength: 300 }),
      fc.double({ noNaN: true, min: 0, max: 1e9 }),
      (moments, until) => {
        const schedule = new Schedule();
        for (const [place, moment] of moments.entries()) schedule.add(moment, place);
        const taken: number[] = [];
        for (let what = schedule.take(until); what !== undefined; what = schedule.take(until))
          taken.push(moments[what] ?? -1);
        expect(taken).toEqual(moments.filter((moment) => moment <= until).sort((a, b) => a - b));
        expect(schedule.size).toBe(moments.length - taken.length);
        expect(schedule.next()).toBe(
          moments.filter((moment) => moment > until).sort((a, b) => a - b)[0],
        );
      },
    ),
  );
});
