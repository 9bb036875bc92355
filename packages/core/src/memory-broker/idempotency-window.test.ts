import { expect, test } from "bun:test";
import fc from "fast-check";
import { IdempotencyWindow } from "./idempotency-window.ts";

test("it knows the newest keys within the time and the count, and counts their bytes", () => {
  const step = fc.record({ afterMs: fc.nat(30), key: fc.nat(40).map(String) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const bounds = { windowMs: 100, keysMax: 8 };
      const window = new IdempotencyWindow();
      const empty = window.bytes;
      let model: { readonly key: string; readonly offset: number; readonly atMs: number }[] = [];
      let nowMs = 0;
      for (const [offset, { afterMs, key }] of steps.entries()) {
        nowMs += afterMs;
        window.trim(nowMs, bounds);
        model = model.filter(({ atMs }) => nowMs - atMs < bounds.windowMs);
        const known = model.find((one) => one.key === key)?.offset;
        expect(window.offsetOf(key)).toBe(known as number);
        if (known !== undefined) continue;
        window.add(key, offset, nowMs);
        window.trim(nowMs, bounds);
        model = [...model, { key, offset, atMs: nowMs }].slice(-bounds.keysMax);
        expect(window.count).toBe(model.length);
      }
      window.trim(nowMs + bounds.windowMs, bounds);
      expect([window.count, window.bytes]).toEqual([0, empty]);
    }),
  );
});
