// Checks that the judgement objects to each kind of wrong, and to nothing that is right.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StreamOracle, sumVerdicts, type Verdict, VIOLATIONS, type Violation } from "./oracle.ts";
import type { Published } from "./publication.ts";

const EPOCH = "e1";
const STRICT = { mayLoseData: false };
const at = (offset: number, epoch = EPOCH) => ({ epoch, offset });

/** Publication `n` of publisher 1, acknowledged at the offset of the same number. */
const acked = (n: number, offset = n, epoch = EPOCH): Published => ({
  channel: 0,
  p: 1,
  n,
  atMs: 0,
  outcome: { kind: "acknowledged", position: at(offset, epoch) },
});
const doubtful = (n: number): Published => ({
  channel: 0,
  p: 1,
  n,
  atMs: 0,
  outcome: { kind: "unknown", code: "timeout" },
});
const refused = (n: number): Published => ({
  channel: 0,
  p: 1,
  n,
  atMs: 0,
  outcome: { kind: "refused", code: "channel_unknown" },
});
const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

function stream(cls: ConstructorParameters<typeof StreamOracle>[0] = "ordered"): StreamOracle {
  const oracle = new StreamOracle(cls, "c");
  oracle.begin(at(0));
  return oracle;
}

const come = (oracle: StreamOracle, ...numbers: readonly number[]): void => {
  for (const n of numbers) oracle.message({ p: 1, n, position: at(n) });
};

/** Violations that are not 0. */
const found = (verdict: Verdict): Partial<Record<Violation, number>> =>
  Object.fromEntries(
    VIOLATIONS.filter((name) => verdict.violations[name] > 0).map((name) => [
      name,
      verdict.violations[name],
    ]),
  );

const all = range(1, 5).map((n) => acked(n));

describe("an ordered channel", () => {
  test("that delivers everything once, in order, stands", () => {
    const oracle = stream();
    come(oracle, 1, 2, 3, 4, 5);
    expect(oracle.missing(all)).toBe(0);
    const verdict = oracle.judge(all, STRICT);
    expect(found(verdict)).toEqual({});
    expect(verdict).toMatchObject({ delivered: 5, gaps: 0, declared: 0, samples: [] });
  });
  test("loses what was acknowledged and never came, at the end", () => {
    const oracle = stream();
    come(oracle, 1, 2, 3);
    expect(oracle.missing(all)).toBe(2);
    const verdict = oracle.judge(all, STRICT);
    expect(found(verdict)).toEqual({ lost: 2 });
    expect(verdict.samples[0]).toContain("1/4 never came");
  });
  test("has a hole that nobody declared, which is a loss as well when it was acknowledged", () => {
    const oracle = stream();
    come(oracle, 1, 2, 4, 5);
    expect(found(oracle.judge(all, STRICT))).toEqual({ lost: 1, undeclared: 1 });
  });
  test("has a hole that nobody declared even when nobody knows what was in it", () => {
    const oracle = stream();
    come(oracle, 1, 2, 4, 5);
    expect(
      found(
        oracle.judge(
          all.filter(({ n }) => n !== 3),
          STRICT,
        ),
      ),
    ).toEqual({ undeclared: 1 });
  });
  test("delivers twice, at the same offset or at another one", () => {
    const same = stream();
    come(same, 1, 2, 2, 3, 4, 5);
    expect(found(same.judge(all, STRICT))).toMatchObject({ duplicated: 1 });
    const other = stream();
    come(other, 1, 2, 3, 4, 5);
    other.message({ p: 1, n: 3, position: at(6) });
    expect(found(other.judge(all, STRICT))).toEqual({ duplicated: 1 });
  });
  test("delivers twice, the second time after the first was judged", () => {
    const oracle = stream();
    come(oracle, 1, 2, 3, 4, 5);
    oracle.judge(all, STRICT);
    oracle.message({ p: 1, n: 2, position: at(6) });
    expect(found(oracle.judge([], STRICT))).toEqual({ duplicated: 1 });
  });
  test("delivers out of order", () => {
    const oracle = stream();
    come(oracle, 1, 3, 2, 4, 5);
    expect(found(oracle.judge(all, STRICT))).toMatchObject({ outOfOrder: 2 });
  });
  test("delivers in another order than the publisher was told", () => {
    const oracle = stream();
    for (const [place, n] of [1, 3, 2, 4, 5].entries())
      oracle.message({ p: 1, n, position: at(place + 1) });
    expect(found(oracle.judge(all, STRICT))).toMatchObject({ outOfOrder: 3 });
  });
  test("delivers what nobody published, and what was refused", () => {
    const oracle = stream();
    come(oracle, 1, 2);
    expect(found(oracle.judge([refused(1)], STRICT))).toEqual({ unexpected: 2 });
  });
  test("loses what is kept, also when it says so by a gap; not where a step destroyed it", () => {
    const told = (options: { mayLoseData: boolean }): Verdict => {
      const oracle = stream();
      come(oracle, 1);
      oracle.gap({ from: 2, to: 4, position: at(4) });
      come(oracle, 5);
      expect(oracle.missing(all)).toBe(0);
      return oracle.judge(all, options);
    };
    expect(found(told(STRICT))).toEqual({ lost: 3 });
    expect(told(STRICT)).toMatchObject({ gaps: 1, declared: 3 });
    expect(found(told({ mayLoseData: true }))).toEqual({});
  });
  test("begins a new epoch without a word", () => {
    const oracle = stream();
    come(oracle, 1);
    oracle.message({ p: 1, n: 2, position: at(1, "e2") });
    expect(found(oracle.judge([acked(1), acked(2, 1, "e2")], STRICT))).toEqual({ undeclared: 1 });
  });
  test("begins a new epoch and says so: what is gone is declared, what is new must come", () => {
    const oracle = stream();
    come(oracle, 1);
    oracle.gap({ from: 2, to: null, position: at(0, "e3") });
    oracle.message({ p: 1, n: 4, position: at(1, "e3") });
    // 2 was of the old epoch, 3 of one that came and went unseen, 5 is of the new one.
    const published = [acked(1), acked(2), acked(3, 1, "e2"), acked(4, 1, "e3"), acked(5, 2, "e3")];
    expect(oracle.missing(published)).toBe(1);
    const verdict = oracle.judge(published, { mayLoseData: true });
    expect(found(verdict)).toEqual({ lost: 1 });
    expect(verdict.declared).toBe(2);
  });
  test("may deliver a publish without an outcome once, early or late, not twice", () => {
    const once = stream();
    come(once, 1, 2, 3);
    expect(found(once.judge([acked(1), doubtful(2), acked(3)], STRICT))).toEqual({});
    const late = stream();
    come(late, 1);
    late.judge([acked(1), doubtful(2)], STRICT);
    come(late, 2);
    expect(found(late.judge([], STRICT, (_p, n) => n === 2))).toEqual({});
    const twice = stream();
    come(twice, 1, 2);
    twice.message({ p: 1, n: 2, position: at(3) });
    expect(found(twice.judge([acked(1), doubtful(2)], STRICT))).toEqual({ duplicated: 1 });
  });
  test("owes nothing of what was published before the subscription stood", () => {
    const oracle = new StreamOracle("ordered", "c");
    oracle.begin(at(3));
    come(oracle, 4, 5);
    expect(found(oracle.judge(all, STRICT))).toEqual({});
  });
});

test("a volatile channel may leave out what it declares, and nothing else", () => {
  const declared = stream("volatile");
  come(declared, 1);
  declared.gap({ from: 2, to: 3, position: at(3) });
  come(declared, 4, 5);
  expect(found(declared.judge(all, STRICT))).toEqual({});
  const silent = stream("volatile");
  come(silent, 1, 2, 3);
  expect(found(silent.judge(all, STRICT))).toEqual({ undeclared: 2 });
});

describe("a latest channel", () => {
  const keyed = (n: number, key: string): Published => ({ ...acked(n), key });
  const arrive = (oracle: StreamOracle, n: number, key: string): boolean =>
    oracle.message({ p: 1, n, key, position: at(n) });
  test("may leave out a value that a newer one of its key replaced", () => {
    const oracle = stream("latest");
    arrive(oracle, 2, "a");
    arrive(oracle, 4, "b");
    arrive(oracle, 5, "a");
    expect(
      found(
        oracle.judge(
          [keyed(1, "b"), keyed(2, "a"), keyed(3, "a"), keyed(4, "b"), keyed(5, "a")],
          STRICT,
        ),
      ),
    ).toEqual({});
  });
  test("loses the newest value of a key", () => {
    const oracle = stream("latest");
    arrive(oracle, 1, "a");
    arrive(oracle, 3, "b");
    expect(found(oracle.judge([keyed(1, "a"), keyed(2, "a"), keyed(3, "b")], STRICT))).toEqual({
      lost: 1,
    });
  });
  test("begins with the values that it has", () => {
    const oracle = new StreamOracle("latest", "c");
    oracle.begin(at(0));
    arrive(oracle, 4, "a");
    arrive(oracle, 7, "b");
    arrive(oracle, 8, "a");
    expect(found(oracle.judge([keyed(8, "a")], STRICT))).toEqual({});
    arrive(oracle, 9, "a");
    expect(found(oracle.judge([], STRICT))).toEqual({ unexpected: 1 });
  });
  test("tells what comes for the first time from what a new life begins with", () => {
    const oracle = stream("latest");
    expect(arrive(oracle, 1, "a")).toBe(true);
    expect(arrive(oracle, 1, "a")).toBe(false);
  });
  test("goes back", () => {
    const oracle = stream("latest");
    arrive(oracle, 2, "a");
    arrive(oracle, 1, "a");
    expect(found(oracle.judge([keyed(1, "a"), keyed(2, "a")], STRICT))).toEqual({ outOfOrder: 2 });
  });
});

test("a server without positions is judged by publishers and numbers", () => {
  const oracle = new StreamOracle("ordered", "c");
  oracle.begin(undefined);
  const published = range(1, 5).map(
    (n): Published => ({ channel: 0, p: 1, n, atMs: 0, outcome: { kind: "acknowledged" } }),
  );
  for (const n of [1, 3, 2, 2]) oracle.message({ p: 1, n });
  expect(found(oracle.judge(published, STRICT))).toEqual({ lost: 2, duplicated: 1, outOfOrder: 1 });
});

test("whatever is left out, doubled or exchanged in a stream is found; an untouched one never is", () => {
  const change = fc.constantFrom("none", "leave out", "double", "exchange");
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 60 }), fc.nat(), change, (length, seed, kind) => {
      const published = range(1, length).map((n) => acked(n));
      const place = seed % (length - 1);
      const order = range(1, length);
      if (kind === "leave out") order.splice(place, 1);
      if (kind === "double") order.splice(place, 0, order[place] ?? 0);
      if (kind === "exchange") order.splice(place, 2, order[place + 1] ?? 0, order[place] ?? 0);
      const oracle = stream();
      come(oracle, ...order);
      const violations = found(oracle.judge(published, STRICT));
      if (kind === "none") expect(violations).toEqual({});
      if (kind === "leave out") expect(violations.lost).toBe(1);
      if (kind === "double") expect(violations.duplicated).toBe(1);
      if (kind === "exchange") expect(violations.outOfOrder).toBeGreaterThan(0);
    }),
  );
});

test("verdicts add up", () => {
  const oracle = stream();
  come(oracle, 1, 2, 2);
  const one = oracle.judge(all, STRICT);
  const sum = sumVerdicts([one, one]);
  expect(sum).toMatchObject({ delivered: 6, violations: { lost: 6, duplicated: 2 } });
});
