import { expect, test } from "bun:test";
import fc from "fast-check";
import { FairShare } from "./fair-share.ts";

/** What each party took in the last of `seconds`, asking for `wants` units in each. */
function taken(perSecond: number, wants: Readonly<Record<string, number>>, seconds = 5) {
  const share = new FairShare(perSecond, 0);
  let got: Record<string, number> = {};
  for (let second = 0; second < seconds; second++) {
    got = {};
    for (let tick = 0; tick < 100; tick++)
      for (const [party, want] of Object.entries(wants)) {
        const before = Math.floor((want * tick) / 100);
        for (let i = before; i < Math.floor((want * (tick + 1)) / 100); i++)
          if (share.take(party, 1, second * 1000 + tick * 10) === 0)
            got[party] = (got[party] ?? 0) + 1;
      }
  }
  return got;
}

test("while all ask for no more than there is, everybody gets what they ask for", () => {
  expect(taken(1000, { a: 700, b: 200, c: 50 })).toEqual({ a: 700, b: 200, c: 50 });
});

test("who asks for little gets it all beside one who asks for everything", () => {
  const got = taken(300, { hostile: 5000, b: 20, c: 20 });
  expect(got).toMatchObject({ b: 20, c: 20 });
  expect(got.hostile).toBeLessThanOrEqual(262);
  expect(got.hostile).toBeGreaterThan(200);
});

test("those who ask for more than their share get the same each", () => {
  const got = taken(300, { a: 1000, b: 1000, c: 1000 });
  for (const amount of Object.values(got)) expect(Math.abs(amount - 100)).toBeLessThan(15);
});

test("who asked for much before and asks for little now leaves the rest to the others", () => {
  const share = new FairShare(100, 0);
  let got = 0;
  for (let ms = 0; ms < 6_000; ms += 10) {
    if (ms % 1_000 === 0) got = 0;
    for (let i = 0; i < (ms < 2_000 ? 10 : ms % 100 === 0 ? 1 : 0); i++) share.take("a", 1, ms);
    for (let i = 0; i < 10; i++) if (share.take("b", 1, ms) === 0) got += 1;
  }
  expect(Math.abs(got - 90)).toBeLessThan(15);
});

test("who is over the share waits for as many windows as that takes, and no longer", () => {
  const share = new FairShare(10, 0);
  share.charge("a", 25, 0);
  expect([share.usedBy("a", 0), share.usedBy("nobody", 0)]).toEqual([25, 0]);
  expect(share.waitMs("a", 0)).toBe(2_000);
  expect(share.waitMs("a", 1_999)).toBe(1);
  expect(share.waitMs("a", 2_000)).toBe(0);
});

test("a share that was small in a crowd is all of it for who is left", () => {
  const share = new FairShare(100, 0);
  let got = 0;
  for (let ms = 0; ms < 4_000; ms += 10) {
    // Two seconds of a crowd, one that is calm, and one in which `a` wants 90.
    const calls = ms < 2_000 ? 10 : ms < 3_000 ? Number(ms % 100 === 0) : Number(ms % 100 < 90);
    for (let i = 0; i < calls; i++) {
      if (ms < 2_000) share.take("b", 1, ms);
      if (share.take("a", 1, ms) === 0 && ms >= 3_000) got += 1;
    }
  }
  expect(got).toBe(90);
});

test("those who were refused are forgotten as well, and are not told later times for ever", () => {
  const share = new FairShare(10, 0);
  share.charge("b", 1, 0);
  for (let i = 0; i < 100; i++) share.take("a", 1, 10);
  expect(share.take("a", 1, 60_000)).toBe(0);
  share.charge("c", 1, 120_000);
  expect(share.size).toBe(1);
});

test("refusals of the window before bring nobody's time forward", () => {
  const share = new FairShare(10, 0);
  share.charge("b", 1, 0);
  for (let i = 0; i < 15; i++) share.take("a", 1, 10);
  let waitMs = 0;
  for (let i = 0; i < 20 && waitMs === 0; i++) waitMs = share.take("a", 1, 1_000);
  expect(waitMs).toBeGreaterThan(share.waitMs("a", 1_000));
});

test("beside one that took too much, a newcomer gets its whole share at once", () => {
  const share = new FairShare(10, 0);
  share.charge("b", 30, 0);
  const waits = Array.from({ length: 12 }, () => share.take("a", 1, 10));
  expect(waits.filter((ms) => ms === 0)).toHaveLength(10);
});

test("whoever asks alone gets what there is", () => {
  expect(Math.abs((taken(100, { a: 1000 }).a ?? 0) - 100)).toBeLessThan(15);
});

test("what was taken beyond the share is made up for, and nobody is remembered for ever", () => {
  const share = new FairShare(100, 0);
  share.charge("b", 10, 0);
  share.charge("a", 500, 10);
  expect(share.waitMs("a", 20)).toBeGreaterThan(3000);
  expect(share.waitMs("b", 20)).toBe(0);
  share.charge("b", 10, 1000);
  share.charge("b", 10, 2000);
  expect(share.waitMs("a", 2500)).toBeGreaterThan(0);
  share.charge("c", 1, 60_000);
  expect(share.waitMs("a", 60_000)).toBe(0);
  expect(share.size).toBe(1);
});

test("refused ones are told times at the pace of their share", () => {
  const share = new FairShare(10, 0);
  share.charge("b", 1, 0);
  const waits = Array.from({ length: 30 }, () => share.take("a", 1, 10)).filter((ms) => ms > 0);
  expect(waits.length).toBeGreaterThan(15);
  for (const [i, ms] of waits.slice(1).entries()) expect(ms).toBeGreaterThan(waits[i] ?? 0);
});

test("nobody who asks for less than an equal part is ever refused for long, whatever others do", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10, max: 500 }),
      fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 8 }),
      (perSecond, others) => {
        const fair = Math.floor(perSecond / (others.length + 1) / 2);
        const wants = Object.fromEntries(others.map((want, i) => [`o${i}`, want]));
        expect(taken(perSecond, { ...wants, good: fair }).good ?? 0).toBe(fair);
      },
    ),
    { numRuns: 50 },
  );
});
