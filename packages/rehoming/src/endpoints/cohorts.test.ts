import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { EndpointTable } from "./endpoint-table.ts";
import { unitHash } from "./rendezvous.ts";

const LATE_MS = 1_000_000;
const endpoint = (address: string, revision?: string) => ({
  ...{ address, takes: true },
  ...(revision === undefined ? {} : { revision }),
});

function table(percent: number): EndpointTable {
  const one = new EndpointTable({ cohorts: new Map([["v2", percent]]) });
  one.discovered([endpoint("a", "v1"), endpoint("b"), endpoint("c", "v2"), endpoint("d", "v2")], 0);
  return one;
}
const places = Array.from({ length: 2000 }, (_, index) => unitHash(`user${index}`));
const revisionOf = (one: EndpointTable, cohort: number, more: object = {}): string =>
  one.revisionOf(one.choose({ cohort, chance: 0.5, ...more }, LATE_MS) ?? "") ?? "none";

test("a revision gets its percent of the clients, and who belongs to it stays as it grows", () => {
  const before = new Set(places.filter((place) => revisionOf(table(5), place) === "v2"));
  expect(before.size / places.length).toBeCloseTo(0.05, 1);
  const after = new Set(places.filter((place) => revisionOf(table(30), place) === "v2"));
  expect(after.size / places.length).toBeCloseTo(0.3, 1);
  expect([...before].filter((place) => !after.has(place))).toEqual([]);
  // All others get revisions that have no part, and endpoints without one.
  const one = table(5);
  for (const place of places.filter((each) => !before.has(each)))
    expect(revisionOf(one, place)).not.toBe("v2");
  expect([table(0), table(100)].map((each) => revisionOf(each, 0.3))).not.toEqual(["v2", "v2"]);
  expect(revisionOf(table(100), 0.999)).toBe("v2");
});

test("keys choose within the cohort, and their home is there", () => {
  const one = table(50);
  for (const cohort of [0.1, 0.9])
    for (let room = 0; room < 50; room++) {
      const key = `room${room}`;
      const home = one.homeOf(key, cohort, LATE_MS);
      expect(one.choose({ key, cohort, chance: 0 }, LATE_MS)).toBe(home);
      expect(one.revisionOf(home ?? "") === "v2").toBe(cohort < 0.5);
    }
});

test("a cohort without an endpoint that takes clients gets any other", () => {
  const one = table(50);
  one.drain("c", 1, { nowMs: 0 });
  expect(one.choose({ cohort: 0.1, chance: 0 }, LATE_MS)).toBe("d");
  for (let i = 0; i < 3; i++) one.failed("d", LATE_MS);
  // Ill, and not the only one: its clients are better off with another revision.
  expect(["a", "b"]).toContain(one.choose({ cohort: 0.1, chance: 0 }, LATE_MS) ?? "");
  one.discovered([endpoint("a", "v1")], LATE_MS);
  expect(one.choose({ cohort: 0.1, chance: 0 }, LATE_MS)).toBe("a");
  one.discovered([endpoint("c", "v2")], LATE_MS);
  one.undrain("c", 2);
  expect(one.choose({ cohort: 0.9, chance: 0 }, LATE_MS)).toBe("c");
});

test("without cohorts a place means nothing", () => {
  const one = new EndpointTable();
  one.discovered([endpoint("a", "v1"), endpoint("b", "v2")], 0);
  const random = createSeededRandom(3);
  const seen = places
    .slice(0, 100)
    .map((cohort) => revisionOf(one, cohort, { chance: random.next() }));
  expect(new Set(seen)).toEqual(new Set(["v1", "v2"]));
  expect(one.hasCohorts).toBe(false);
});
