import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { SmallMap } from "./small-map.ts";

const step = fc.record({
  does: fc.constantFrom("set", "delete"),
  key: fc.constantFrom("a", "b", "c"),
});

test("it holds what a Map holds, in the same order, whatever is set and deleted", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const [small, model] = [
        new SmallMap<string, { n: number }>(),
        new Map<string, { n: number }>(),
      ];
      for (const [n, { does, key }] of steps.entries()) {
        if (does === "set") {
          const value = { n };
          small.set(key, value);
          model.set(key, value);
        } else expect(small.delete(key)).toBe(model.delete(key));
        expect(small.size).toBe(model.size);
        expect([...small.keys()]).toEqual([...model.keys()]);
        expect([...small.values()]).toEqual([...model.values()]);
        for (const one of ["a", "b", "c"]) {
          expect(small.get(one)).toBe(model.get(one));
          expect(small.has(one)).toBe(model.has(one));
        }
      }
    }),
  );
});
