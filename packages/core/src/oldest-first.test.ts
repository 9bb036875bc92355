import { expect, test } from "bun:test";
import fc from "fast-check";
import { OldestFirst } from "./oldest-first.ts";

test("it has what a Map has whose keys are removed before they are set again", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 9 }).map(String),
    isPut: fc.boolean(),
    value: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [model, chain] = [new Map<string, number>(), new OldestFirst<number>()];
      for (const { key, isPut, value } of steps) {
        const was = model.delete(key);
        if (isPut) {
          model.set(key, value);
          chain.put(key, value);
        } else expect(chain.delete(key)).toBe(was);
        expect([...chain.entries()].map(([name, one]) => [name, one])).toEqual([...model]);
        expect(chain.size).toBe(model.size);
        expect(chain.get(key)).toBe(model.get(key));
        const [oldest] = model.keys();
        expect(chain.oldest?.key).toBe(oldest as string);
      }
    }),
  );
});
