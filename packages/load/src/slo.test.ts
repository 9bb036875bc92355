// Owns: checks of objectives.
import { describe, expect, test } from "bun:test";
import { Times } from "./histogram.ts";
import { LoadError } from "./load-error.ts";
import { noCounts } from "./recorder.ts";
import type { LoadResult } from "./result.ts";
import { judge, readSlos } from "./slo.ts";

function resultWith(
  deliveriesUs: readonly number[],
): Pick<LoadResult, "total" | "lost" | "unanswered" | "phases"> {
  const times = new Times();
  for (const us of deliveriesUs) times.record(us);
  const counts = { ...noCounts(), delivered: deliveriesUs.length };
  const total = {
    ms: 2000,
    counts,
    errors: { rate_limited: 3, close_1006: 1 },
    times: { delivery: times.summary() },
  };
  const phase = {
    ...total,
    name: "steady",
    do: "hold",
    isMeasured: true,
    startMs: 0,
    connected: 1,
    absent: 0,
    servers: [],
  } as const;
  return {
    total,
    lost: 2,
    unanswered: 0,
    phases: [{ ...phase, generator: { userUs: 0, systemUs: 0, lagUs: 0, busiest: 0 } }],
  };
}

describe("objectives are judged by what was found", () => {
  const cases: [string, string, boolean][] = [
    ["p99<100ms", "50.0 ms", true],
    ["p99<50ms", "50.0 ms", false],
    ["delivery.max<=51ms", "50.0 ms", true],
    ["p50>1s", "50.0 ms", false],
    ["lost=0", "2", false],
    ["lost<=2", "2", true],
    ["errors=4", "4", true],
    ["errors.rate_limited=0", "3", false],
    ["errors.flooded=0", "0", true],
    ["delivered>=100", "100", true],
    ["delivered/s>=51", "50", false],
    ["recovery.p99<1s", "nothing measured", false],
  ];
  const result = resultWith(Array.from({ length: 100 }, () => 50_000));
  for (const [text, found, isMet] of cases)
    test(text, () => expect(judge(readSlos(text), result)).toEqual([{ text, found, isMet }]));
});

test("several are separated by commas, each judged alone", () => {
  expect(
    judge(readSlos("p99<100ms, lost=0"), resultWith([1_000])).map(({ isMet }) => isMet),
  ).toEqual([true, false]);
});

describe("what cannot be read says what was found and what was expected", () => {
  const cases: [string, RegExp][] = [
    ["", /found nothing/],
    ["p99", /a comparison/],
    ["p98<1ms", /found p98, expected p50/],
    ["p99<100", /without a unit, expected us, ms/],
    ["lost=0ms", /found 0ms, expected a number/],
    ["lost==0", /a comparison/],
    ["p99<100ms,,", /found nothing/],
  ];
  for (const [text, message] of cases) {
    test(JSON.stringify(text), () => {
      expect(() => readSlos(text)).toThrow(LoadError);
      expect(() => readSlos(text)).toThrow(message);
    });
  }
});
