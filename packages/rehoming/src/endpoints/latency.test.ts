import { expect, test } from "bun:test";
import { EndpointTable } from "./endpoint-table.ts";
import type { HealthLimits } from "./health.ts";

const LIMITS: Partial<HealthLimits> = { slowFactor: 3, slowMsMin: 50, illMs: 1000, illMsMax: 8000 };

function table(names: string, limits: Partial<HealthLimits> = {}): EndpointTable {
  const one = new EndpointTable({ slowStartMs: 0, health: { ...LIMITS, ...limits } });
  one.discovered(
    [...names].map((address) => ({ address, takes: true })),
    0,
  );
  return one;
}
/** Handshakes of each endpoint, by what they take. */
function run(one: EndpointTable, takes: Readonly<Record<string, number>>, count = 12, nowMs = 100) {
  for (let i = 0; i < count; i++)
    for (const [address, ms] of Object.entries(takes)) one.opened(address, nowMs, ms);
}
const ill = (one: EndpointTable, nowMs: number): readonly string[] =>
  one.list(nowMs).flatMap(({ address, state }) => (state === "ill" ? [address] : []));

test("an endpoint that is much slower than the others is taken out, for longer each time", () => {
  const one = table("abcd");
  run(one, { a: 20, b: 25, c: 30, d: 400 });
  expect([ill(one, 100), ill(one, 1099), ill(one, 1100)]).toEqual([["d"], ["d"], []]);
  expect(["a", "b", "c"]).toContain(one.choose({ chance: 0 }, 500) ?? "");
  run(one, { d: 400 }, 9, 1200);
  expect(ill(one, 1200)).toEqual([]);
  run(one, { d: 400 }, 9, 1300);
  expect([ill(one, 1300), ill(one, 3299), ill(one, 3300)]).toEqual([["d"], ["d"], []]);
  // Once it was fast again, it is judged as if it had never been slow.
  run(one, { d: 20 }, 12, 3400);
  run(one, { d: 400 }, 40, 3500);
  expect([ill(one, 4499), ill(one, 4500)]).toEqual([["d"], []]);
});

test("handshakes that were under way when it was taken out do not bring it back", () => {
  const one = table("abcd");
  run(one, { a: 20, b: 25, c: 30, d: 400 }, 50);
  expect([ill(one, 1099), ill(one, 1100)]).toEqual([["d"], []]);
});

const fine: readonly (readonly [string, string, Readonly<Record<string, number>>, object])[] = [
  ["it is off", "abcd", { a: 20, b: 20, c: 20, d: 4000 }, { slowFactor: 0 }],
  ["all of them are slow", "abcd", { a: 900, b: 950, c: 980, d: 1100 }, {}],
  ["it is fast enough for anybody", "abcd", { a: 2, b: 2, c: 2, d: 49 }, {}],
  ["there are too few others", "ab", { a: 20, b: 4000 }, {}],
  ["the others were not asked often enough", "abcd", { d: 4000 }, {}],
  ["the rest could not carry everybody", "abc", { a: 20, b: 20, c: 4000 }, { wellShareMin: 1 }],
];
test.each(fine)("nobody is taken out for being slow if %s", (_, names, takes, limits) => {
  const one = table(names, limits);
  run(one, takes, 30);
  expect(ill(one, 100)).toEqual([]);
});

test("half of them stay, however slow they are, and a single slow handshake says nothing", () => {
  const one = table("abcdef");
  run(one, { a: 20, b: 20, c: 20, d: 20, e: 20, f: 20 });
  one.opened("f", 100, 60_000);
  expect(ill(one, 100)).toEqual([]);
  run(one, { d: 3000, e: 3000, f: 3000 }, 40);
  expect(ill(one, 100).length).toBeLessThanOrEqual(3);
  expect(one.taking().length).toBe(6);
});

test("what handshakes took is shown", () => {
  const one = table("a");
  expect(one.list(0)[0]?.handshakeMs).toBeUndefined();
  run(one, { a: 20.04 }, 1);
  expect(one.list(0)[0]?.handshakeMs).toBe(20);
});
