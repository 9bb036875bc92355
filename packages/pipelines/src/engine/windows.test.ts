import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyStream,
  channel,
  count,
  counting,
  first,
  from,
  hopping,
  last,
  max,
  pipeline,
  session,
  sliding,
  sum,
  tumbling,
  type WindowDefinition,
} from "../index.ts";
import { feed } from "../testing/feed.ts";

interface Event {
  readonly t: number;
  readonly k: string;
  readonly v: number;
}
interface Result {
  readonly key: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly n: number;
  readonly sum: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
}

const LATENESS_MS = 40;
const rules = {
  time: (e: Event) => e.t,
  key: (e: Event) => e.k,
  lateness: LATENESS_MS,
  longest: "300d",
} as const;
const over = (window: WindowDefinition<Event, {}, string>): AnyStream =>
  pipeline(from("c") as ReturnType<typeof from<"c">> & { gives?: { params: {}; value: Event } })
    .map((e) => e as Event)
    .window(window)
    .aggregate({
      n: count(),
      sum: sum((e) => e.v),
      max: max((e) => e.v),
      first: first((e) => e.v),
      last: last((e) => e.v),
    })
    .to(channel("out"))
    .on("late", channel("late"));

// Times that mostly rise, with stragglers and jumps; whole values, so that sums are exact.
const events = fc
  .array(
    fc.record({
      step: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: -120, max: 200 })),
      k: fc.constantFrom("a", "b", "c"),
      v: fc.integer({ min: -1000, max: 1000 }),
    }),
    { maxLength: 120 },
  )
  .map((list) => {
    let t = 10_000;
    return list.map(({ step, k, v }) => {
      t = Math.max(0, t + step);
      return { t, k, v };
    });
  });

/** Watermark before each event, as the words of the guide say. */
function watermarks(list: readonly Event[]): number[] {
  let newest = Number.NEGATIVE_INFINITY;
  return list.map(({ t }) => {
    const before = newest - LATENESS_MS;
    newest = Math.max(newest, t);
    return before;
  });
}

function compute(key: string, fromMs: number, toMs: number, list: readonly Event[]): Result {
  const sorted = list.map((e, i) => ({ ...e, i })).sort((a, b) => a.t - b.t || a.i - b.i);
  return {
    key,
    fromMs,
    toMs,
    n: list.length,
    sum: list.reduce((total, { v }) => total + v, 0),
    max: Math.max(...list.map(({ v }) => v)),
    first: sorted[0]?.v ?? 0,
    last: sorted.at(-1)?.v ?? 0,
  };
}

const byPlace = (a: Result, b: Result): number =>
  a.toMs - b.toMs || a.fromMs - b.fromMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

function check(
  window: WindowDefinition<Event, {}, string>,
  naive: (list: readonly Event[]) => { readonly results: Result[]; readonly late: number },
): void {
  fc.assert(
    fc.property(events, fc.array(fc.nat(120), { maxLength: 3 }), (list, restartAt) => {
      const fed = list.map((value) => ({ value }));
      const { values, account, emitted } = feed(over(window), fed);
      const results = emitted.flatMap(({ output, value }) =>
        output === 0 ? [value as Result] : [],
      );
      const expected = naive(list);
      expect([...results].sort(byPlace)).toEqual([...expected.results].sort(byPlace));
      expect(account.events.late).toBe(expected.late);
      expect(account.events.taken + account.events.late).toBe(list.length);
      expect(emitted.filter(({ output }) => output === 1)).toHaveLength(expected.late);
      // P5, and state that is saved and loaded anywhere changes nothing.
      expect(feed(over(window), fed, { restartAt }).values).toEqual(values);
    }),
    { numRuns: 300 },
  );
}

function aligned(sizeMs: number, everyMs: number) {
  return (list: readonly Event[]) => {
    const marks = watermarks(list);
    const windows = new Map<string, Event[]>();
    let late = 0;
    list.forEach((event, i) => {
      const starts: number[] = [];
      const newest = Math.floor(event.t / everyMs) * everyMs;
      for (let start = newest; start > event.t - sizeMs; start -= everyMs)
        if (start + sizeMs > (marks[i] ?? 0)) starts.push(start);
      if (starts.length === 0) late += 1;
      for (const start of starts) {
        const id = `${start} ${event.k}`;
        windows.set(id, [...(windows.get(id) ?? []), event]);
      }
    });
    const results = [...windows].map(([id, inside]) => {
      const [start = "", key = ""] = id.split(" ");
      return compute(key, Number(start), Number(start) + sizeMs, inside);
    });
    return { results, late };
  };
}

describe("each window says what a naive recomputation from the log says", () => {
  test("tumbling", () => check(tumbling(100, rules), aligned(100, 100)));
  test("hopping, with hops that divide the size and others", () => {
    check(hopping(100, 25, rules), aligned(100, 25));
    check(hopping(100, 30, rules), aligned(100, 30));
  });

  test("sliding", () =>
    check(sliding(100, rules), (list) => {
      const marks = watermarks(list);
      const inTime = list.filter(({ t }, i) => t > (marks[i] ?? 0));
      const results = inTime.map((event, i) => {
        const inside = inTime.filter(
          (other, j) =>
            other.k === event.k &&
            other.t > event.t - 100 &&
            (other.t < event.t || (other.t === event.t && j <= i)),
        );
        return compute(event.k, event.t - 100, event.t, inside);
      });
      return { results, late: list.length - inTime.length };
    }));

  test("session", () =>
    check(session(50, rules), (list) => {
      const marks = watermarks(list);
      let open: { key: string; from: number; to: number; inside: Event[] }[] = [];
      const done: typeof open = [];
      let late = 0;
      list.forEach((event, i) => {
        const mark = marks[i] ?? 0;
        done.push(...open.filter(({ to }) => to + 50 <= mark));
        open = open.filter(({ to }) => to + 50 > mark);
        const near = open.filter(
          ({ key, from, to }) => key === event.k && event.t > from - 50 && event.t < to + 50,
        );
        if (near.length === 0 && event.t + 50 <= mark) {
          late += 1;
          return;
        }
        const all = near.sort((a, b) => a.from - b.from);
        open = open.filter((one) => !near.includes(one));
        open.push({
          key: event.k,
          from: Math.min(event.t, ...all.map(({ from }) => from)),
          to: Math.max(event.t, ...all.map(({ to }) => to)),
          inside: [...all.flatMap(({ inside }) => inside), event],
        });
      });
      const results = [...done, ...open].map(({ key, from, to, inside }) => {
        // Of equal times the order of arrival decides, also among sessions that became one.
        const arrived = list.filter((event) => inside.includes(event));
        return compute(key, from, to + 50, arrived);
      });
      return { results, late };
    }));

  test("counting", () =>
    check(counting(4, rules), (list) => {
      const results: Result[] = [];
      for (const key of ["a", "b", "c"]) {
        const mine = list.filter(({ k }) => k === key);
        for (let i = 0; i + 4 <= mine.length; i += 4) {
          const inside = mine.slice(i, i + 4);
          const times = inside.map(({ t }) => t);
          results.push(compute(key, Math.min(...times), Math.max(...times), inside));
        }
      }
      return { results, late: 0 };
    }));
});
