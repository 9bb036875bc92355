// Owns: checks of the bounded map.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Recent } from "./recent.ts";

test("it never holds more than two generations and never answers wrongly", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.boolean())), (steps) => {
      const recent = new Recent<string>(4);
      const truth = new Map<string, string>();
      for (const [n, write] of steps) {
        const key = `k${n}`;
        if (write) {
          recent.set(key, `v${truth.size}`);
          truth.set(key, recent.get(key) as string);
        } else expect([undefined, truth.get(key)]).toContain(recent.get(key));
        expect(recent.size).toBeLessThanOrEqual(8);
      }
    }),
  );
});

test("what is used again and again stays", () => {
  const recent = new Recent<number>(10);
  recent.set("hot", 1);
  for (let n = 0; n < 1000; n++) {
    recent.set(`cold${n}`, n);
    expect(recent.get("hot")).toBe(1);
  }
  expect(recent.get("cold0")).toBeUndefined();
});
