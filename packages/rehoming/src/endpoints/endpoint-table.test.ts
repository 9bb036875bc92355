import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Endpoint } from "./endpoint.ts";
import { EndpointTable } from "./endpoint-table.ts";
import type { EndpointTableOptions } from "./table-ports.ts";

const LATE_MS = 1_000_000;
const named = (names: string, more: Partial<Endpoint> = {}): readonly Endpoint[] =>
  [...names].map((address) => ({ address, takes: true, ...more }));

/** Endpoints that have been there for long. */
function table(names: string, options: EndpointTableOptions = {}): EndpointTable {
  const one = new EndpointTable(options);
  one.discovered(named(names), 0);
  return one;
}
const choose = (
  one: EndpointTable,
  more: Partial<Parameters<typeof one.choose>[0]> = {},
  nowMs = LATE_MS,
) => one.choose({ chance: 0, ...more }, nowMs);

function chosen(
  one: EndpointTable,
  count: number,
  nowMs = LATE_MS,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  const random = createSeededRandom(1);
  for (let i = 0; i < count; i++) {
    const address = choose(one, { chance: random.next() }, nowMs) ?? "none";
    counts[address] = (counts[address] ?? 0) + 1;
  }
  return counts;
}

const leaving = (table: EndpointTable): readonly string[] =>
  table.emptied(0).map(({ address }) => address);

test("the endpoint with the fewest clients for its weight gets the next", () => {
  expect(chosen(table("abc"), 300)).toEqual({ a: 100, b: 100, c: 100 });
  const weighted = new EndpointTable();
  weighted.discovered([...named("a", { weight: 3 }), ...named("b")], 0);
  expect(chosen(weighted, 400)).toEqual({ a: 300, b: 100 });
});

test("an endpoint that is new gets a part of its share at first", () => {
  const one = table("ab");
  chosen(one, 200);
  one.discovered(named("abc"), LATE_MS);
  const early = chosen(one, 20)["c"] ?? 0;
  expect(early).toBeLessThanOrEqual(11);
  expect(chosen(one, 200, LATE_MS + 10_000)["c"]).toBeGreaterThan(80);
});

test("full endpoints get nobody, and if all are full there is none", () => {
  const one = table("ab", { connectionsMax: 2 });
  expect(chosen(one, 5)).toEqual({ a: 2, b: 2, none: 1 });
  one.closed("a", false, LATE_MS);
  expect(choose(one)).toBe("a");
});

test("what is to be avoided is taken only if there is nothing else", () => {
  const one = table("ab");
  expect(choose(one, { not: new Set(["a"]) })).toBe("b");
  expect(choose(one, { not: new Set(["a", "b"]) })).toBe("a");
});

test("a drained endpoint takes nobody and its clients leave, until the drain is undone", () => {
  const one = table("ab");
  expect(one.drain("a", 5, { nowMs: 0 })).toBe("obeyed");
  expect(chosen(one, 10)).toEqual({ b: 10 });
  expect([leaving(one), one.taking()]).toEqual([["a"], ["b"]]);
  expect(one.undrain("a", 4)).toBe("outdated");
  expect(one.drain("z", 9, { nowMs: 0 })).toBe("unknown");
  expect(one.undrain("a", 5)).toBe("obeyed");
  expect(leaving(one)).toEqual([]);
});

test("an order outlives what discovery says next", () => {
  const one = table("ab");
  one.drain("a", 1, { nowMs: 0 });
  one.discovered(named("ab"), LATE_MS);
  expect(leaving(one)).toEqual(["a"]);
});

test("an endpoint that discovery forgets is kept until its last client left", () => {
  const one = table("ab");
  expect(choose(one)).toBe("a");
  one.opened("a", LATE_MS);
  one.discovered(named("b"), LATE_MS);
  expect([leaving(one), one.taking(), one.size]).toEqual([["a"], ["b"], 2]);
  one.closed("a", false, LATE_MS);
  expect([leaving(one), one.size]).toEqual([[], 1]);
});

test("three failures in a row take an endpoint out; then one client tries it", () => {
  const one = table("abcd");
  for (let i = 0; i < 3; i++) {
    expect(choose(one, { not: new Set(["b", "c", "d"]) })).toBe("a");
    one.failed("a", LATE_MS);
  }
  expect(Object.keys(chosen(one, 12)).sort()).toEqual(["b", "c", "d"]);
  const later = LATE_MS + 1001;
  expect(choose(one, {}, later)).toBe("a");
  expect(choose(one, {}, later)).not.toBe("a");
  one.failed("a", later);
  expect(choose(one, { chance: 0 }, later + 1001)).not.toBe("a");
  expect(choose(one, {}, later + 2001)).toBe("a");
  one.opened("a", later + 2001);
  // Well again, it starts slowly.
  expect(chosen(one, 30, later + 2002)["a"] ?? 0).toBeLessThan(3);
});

test("a success in between begins the count anew", () => {
  const one = table("abcd");
  for (let i = 0; i < 10; i++) {
    choose(one, { not: new Set(["b", "c", "d"]) });
    if (i % 3 === 2) one.opened("a", LATE_MS);
    else one.failed("a", LATE_MS);
  }
  expect(choose(one, { not: new Set(["b", "c", "d"]) }, LATE_MS + 20_000)).toBe("a");
});

test("half of the endpoints stay, however ill they seem; if all fail, all are asked", () => {
  const one = table("abcd");
  for (const address of "abcd") for (let i = 0; i < 5; i++) one.closed(address, true, LATE_MS);
  const counts = chosen(one, 40);
  expect(Object.keys(counts).sort()).toEqual(["c", "d"]);
  const alone = table("a");
  for (let i = 0; i < 5; i++) alone.failed("a", LATE_MS);
  expect(choose(alone)).toBe("a");
});

test("the own zone is preferred until it has twice the clients", () => {
  const one = new EndpointTable();
  one.discovered([...named("ab", { zone: "x" }), ...named("c", { zone: "y" })], 0);
  const counts: Record<string, number> = {};
  for (let i = 0; i < 50; i++) {
    const address = choose(one, { zone: "x" }) ?? "";
    counts[address] = (counts[address] ?? 0) + 1;
  }
  expect(counts).toEqual({ a: 20, b: 20, c: 10 });
});

test("a key keeps its endpoint; if one goes, only its keys move, and weights count", () => {
  const one = new EndpointTable();
  const all = [...named("abc"), ...named("d", { weight: 3 })];
  one.discovered(all, 0);
  const keys = Array.from({ length: 3000 }, (_, i) => `room-${i}`);
  const homes = () => keys.map((key) => choose(one, { key }));
  const before = homes();
  expect(homes()).toEqual(before);
  const ofD = before.filter((address) => address === "d").length;
  expect(Math.abs(ofD - 1500)).toBeLessThan(150);
  one.discovered(all.slice(1), LATE_MS);
  const after = homes();
  expect(after.every((address, i) => before[i] === "a" || address === before[i])).toBe(true);
});

test("a key is not sent to an endpoint that is tried, unless that is its own", () => {
  const one = table("abcd");
  const own = choose(one, { key: "k" }) ?? "";
  const other = [..."abcd"].find((address) => address !== own) ?? "";
  for (let i = 0; i < 3; i++) one.closed(other, true, LATE_MS);
  const later = LATE_MS + 1001;
  expect(choose(one, { key: "k" }, later)).toBe(own);
  expect(choose(one, {}, later)).toBe(other);
});

test("orders about one endpoint share a token, of whatever kind they are", () => {
  const one = table("ab");
  expect(one.weigh("a", 3, 5)).toBe("obeyed");
  expect(one.drain("a", 4, { nowMs: 0 })).toBe("outdated");
  expect(one.drain("a", 6, { nowMs: 0 })).toBe("obeyed");
  expect(one.weigh("a", 1, 5)).toBe("outdated");
  expect(one.weigh("x", 1, 5)).toBe("unknown");
  // Taken back by the next: the weight that was ordered stays.
  expect(one.undrain("a", 7)).toBe("obeyed");
  expect(chosen(one, 400)).toEqual({ a: 300, b: 100 });
});

test("a weight that was ordered stays when discovery says another", () => {
  const one = table("ab");
  one.weigh("a", 3, 1);
  one.discovered(named("ab", { weight: 1 }), 1);
  expect(chosen(one, 400)).toEqual({ a: 300, b: 100 });
});

test("an endpoint that fails checks gets nobody until one succeeds, then it starts slowly", () => {
  const one = table("abc");
  const fail = (address: string) => one.checked(address, false, { failuresMax: 2, nowMs: LATE_MS });
  fail("a");
  expect(chosen(one, 30)["a"]).toBe(10);
  fail("a");
  expect(chosen(one, 30)["a"]).toBeUndefined();
  expect(one.list(LATE_MS).map(({ state }) => state)).toEqual(["ill", "taking", "taking"]);
  one.checked("a", true, { failuresMax: 2, nowMs: LATE_MS });
  expect(chosen(one, 30)["a"] ?? 0).toBeLessThan(5);
});

test("checks take out half of the endpoints at most, and what they found can be forgotten", () => {
  const one = table("abcd");
  for (const address of "abcd") one.checked(address, false, { failuresMax: 1, nowMs: LATE_MS });
  expect(Object.keys(chosen(one, 40)).sort()).toEqual(["c", "d"]);
  one.unchecked();
  expect(Object.keys(chosen(one, 400)).sort()).toEqual(["a", "b", "c", "d"]);
});

test("a list says what each endpoint does, and by which order", () => {
  const one = table("ab", { health: { failuresMax: 1 } });
  one.discovered([...named("ab"), { address: "c", takes: false }], 0);
  one.drain("b", 9, { nowMs: 0 });
  choose(one);
  expect(one.list(LATE_MS)).toMatchObject([
    { address: "a", state: "taking", connections: 1, weight: 1, isDrained: false },
    { address: "b", state: "leaving", connections: 0, weight: 1, isDrained: true, token: 9 },
    { address: "c", state: "waiting", connections: 0, weight: 1, isDrained: false },
  ]);
});

test("other limits apply to endpoints that are there", () => {
  const one = table("a");
  one.configure({ connectionsMax: 1 });
  expect([choose(one), choose(one)]).toEqual(["a", undefined]);
  one.configure({});
  expect(choose(one)).toBe("a");
});

const three = (): EndpointTable => {
  const one = new EndpointTable({ slowStartMs: 0 });
  one.discovered(
    ["a", "b", "c"].map((address) => ({ address, takes: true })),
    0,
  );
  return one;
};
const next = (table: EndpointTable, from: string, nowMs: number): string | undefined =>
  table.choose({ from, not: new Set([from]), chance: 0 }, nowMs);

test("clients of a drain go where it says, until its window is over", () => {
  const one = three();
  one.drain("a", 1, { nowMs: 0, windowMs: 1000, to: ["c"] });
  expect([next(one, "a", 500), next(one, "a", 500)]).toEqual(["c", "c"]);
  expect(one.choose({ chance: 0 }, 500)).toBe("b");
  one.discovered(
    [
      { address: "a", takes: true },
      { address: "b", takes: true },
    ],
    600,
  );
  expect([one.hasTakersFor("a", 999), next(one, "a", 999)]).toEqual([false, undefined]);
  expect([one.hasTakersFor("a", 1000), next(one, "a", 1000)]).toEqual([true, "b"]);
});

test("a preference is not waited for", () => {
  const one = three();
  one.drain("a", 1, { nowMs: 0, windowMs: 1000, to: ["z"], isPreferred: true });
  expect(next(one, "a", 0)).toBe("b");
});

test("the same order again begins no window anew; a newer one does", () => {
  const one = three();
  const leftMs = (nowMs: number) => one.list(nowMs)[0]?.drainLeftMs;
  one.drain("a", 1, { nowMs: 0, windowMs: 1000 });
  one.drain("a", 1, { nowMs: 400, windowMs: 1000 });
  expect(leftMs(400)).toBe(600);
  one.drain("a", 2, { nowMs: 400, windowMs: 1000 });
  expect([leftMs(400), leftMs(1500)]).toEqual([1000, -100]);
  expect(one.undrain("a", 2)).toBe("obeyed");
  expect([leftMs(1500), one.emptied(1500)]).toEqual([undefined, []]);
});

test("an endpoint that keeps some gives the others away, and takes new ones", () => {
  const one = three();
  const given = { nowMs: 0, windowMs: 1000, to: ["b"] };
  expect(one.shed("z", 5, given)).toBe("unknown");
  expect(one.shed("a", 5, given)).toBe("obeyed");
  expect(one.emptied(999)).toEqual([{ address: "a", keep: 5, windowMs: 1000 }]);
  expect(next(one, "a", 0)).toBe("b");
  expect(one.taking()).toContain("a");
  one.shed("a", 5, { ...given, nowMs: 900 });
  expect(one.emptied(1000)).toEqual([]);
  one.drain("a", 1, { nowMs: 0 });
  expect(one.shed("a", 5, given)).toBe("drained");
});

test("an order to keep some has a token, too: the one who was replaced loses", () => {
  const one = three();
  const shed = (keep: number, token?: number) =>
    one.shed("a", keep, { nowMs: 0, windowMs: 1000, token });
  const keeps = () => one.emptied(0).map(({ keep }) => keep);
  expect(shed(5, 10)).toBe("obeyed");
  expect([shed(0, 9), keeps()]).toEqual(["outdated", [5]]);
  expect([shed(3, 10), keeps()]).toEqual(["obeyed", [3]]);
  // Without a token it neither asks for the last one nor changes it.
  expect([shed(2), one.drain("a", 9, { nowMs: 0 })]).toEqual(["obeyed", "outdated"]);
  expect([one.weigh("a", 7, 10), shed(1, 12)]).toEqual(["obeyed", "obeyed"]);
  expect(one.list(0)[0]).toMatchObject({ token: 12, weight: 7, isDrained: false });
  one.drain("a", 13, { nowMs: 0 });
  expect([shed(0, 12), shed(0, 13)]).toEqual(["outdated", "drained"]);
  expect(one.list(0)[0]).toMatchObject({ token: 13, isDrained: true });
});

test("what clients felt is counted for each endpoint, and never falls", () => {
  const one = three();
  const felt = (nowMs: number) => one.list(nowMs)[0]?.felt;
  expect(one.choose({ key: undefined, chance: 0 }, 0)).toBe("a");
  one.opened("a", 0);
  one.moved("a");
  one.moveFailed("a");
  one.missed("a", 3);
  one.missed("z", 3);
  expect(felt(500)).toEqual({
    ...{ connectionMs: 500, resumes: 1, resumesFailed: 1, closedAbnormally: 0, lost: 3 },
  });
  one.closed("a", true, 600);
  expect(felt(9000)).toMatchObject({ connectionMs: 600, closedAbnormally: 1 });
});

test("a key belongs to the endpoint that it would get, and nothing is chosen by asking", () => {
  const one = table("abc");
  for (let i = 0; i < 50; i++) {
    const key = `room${i}`;
    const home = one.homeOf(key, undefined, LATE_MS);
    expect(choose(one, { key })).toBe(home);
  }
  const before = one.connections("a");
  one.homeOf("x", undefined, LATE_MS);
  expect(one.connections("a")).toBe(before);
});

test("nobody has too many while an endpoint starts slowly, and an order is seen", () => {
  const one = table("a");
  const clients = new Map([["a", 100]]);
  one.discovered(named("ab"), LATE_MS);
  expect([...one.tooMany(clients, undefined, LATE_MS + 9000)]).toEqual([]);
  const later = LATE_MS + 11_000;
  expect([...one.tooMany(clients, undefined, later)]).toEqual([["a", 48]]);
  // Of its own zone, an endpoint may have twice as many.
  one.discovered([...named("a", { zone: "z" }), ...named("b")], later);
  expect([...one.tooMany(clients, "z", later)]).toEqual([["a", 30]]);
  expect(one.isOrdered(later)).toBe(false);
  one.weigh("a", 2, 1);
  expect(one.isOrdered(later)).toBe(true);
});
