// Owns: tests of the telemetry proof's oracle: what it must find, and that it finds nothing else.
import { expect, test } from "bun:test";
import type { Ack } from "./ack-log.ts";
import { deviceName, kindOf, markOf, saidMs, saidValue } from "./events.ts";
import { type Got, judge, READERS } from "./oracle.ts";
import type { Arrival, WindowRow } from "./watchers.ts";

const RULES = { seed: 7, windowMs: 1000, latenessMs: 500 };
const START_MS = 1_000_000;
const SPANS = [{ name: "step", fromMs: START_MS, toMs: START_MS + 60_000 }];

/** Two devices, an event each every 100 ms. */
const ACKS: readonly Ack[] = Array.from({ length: 2000 }, (_, place) => ({
  ...{ device: place % 2, n: Math.floor(place / 2) + 1 },
  ...{ madeMs: START_MS + Math.floor(place / 2) * 50, isDirect: false },
}));
const marked = ACKS.map((ack) => ({ ...ack, mark: markOf(RULES.seed, ack.device, ack.n) }));

/** As a right pipeline would do: old events are late, broken ones dead. */
function right(): { -readonly [K in keyof Got]: Got[K][number][] } {
  const rows = new Map<string, { -readonly [K in keyof WindowRow]: WindowRow[K] }>();
  const beside = (kind: string) =>
    marked
      .filter(({ mark }) => kindOf(mark) === kind)
      .map(({ device, n }) => ({ device: deviceName(device), n }));
  for (const { device, madeMs, mark } of marked) {
    if (kindOf(mark) !== "usual") continue;
    const at = Math.floor(saidMs(mark, madeMs) / 1000) * 1000;
    const value = saidValue(mark);
    const key = `${device} ${at}`;
    const none = { events: 0, total: 0, least: value, most: value, marks: 0, version: 1 };
    const row = rows.get(key) ?? { device: deviceName(device), at, ...none };
    row.events += 1;
    row.total += value;
    row.marks += mark;
    row.least = Math.min(row.least, value);
    row.most = Math.max(row.most, value);
    rows.set(key, row);
  }
  const arrived = (): Arrival[] =>
    [...rows.values()].map((row) => ({ row: { ...row }, atMs: row.at + 1600 }));
  return {
    ...{ socket: arrived(), events: arrived(), kafka: arrived(), table: arrived() },
    ...{ late: beside("old"), dead: beside("broken"), gapsAtMs: [] },
  };
}

const accountOf = (got: Got) => judge(ACKS, got, { ...RULES, spans: SPANS }).get("step");

test("a right result has no failure, and every event is in one place", () => {
  const got = right();
  const account = accountOf(got);
  expect(account?.failures).toEqual([]);
  const { acknowledged = 0, inWindows = 0, late = 0, dead = 0, lateByFault } = account ?? {};
  expect([acknowledged, lateByFault]).toEqual([2000, 0]);
  expect(inWindows + late + dead).toBe(acknowledged);
  expect(late).toBeGreaterThan(0);
  expect(dead).toBeGreaterThan(0);
  expect(account?.windows).toBe(got.table.length);
  for (const reader of READERS) expect(account?.delaysMs[reader][0]).toBe(100);
});

test("a record that Kafka has again is counted, and is no failure", () => {
  const got = right();
  got.kafka.push(got.kafka[3] as Arrival);
  expect([accountOf(got)?.kafkaAgain, accountOf(got)?.failures]).toEqual([1, []]);
});

/** What is done to a right result, and what the oracle must say. */
const WRONGS: readonly (readonly [string, (got: ReturnType<typeof right>) => unknown, RegExp])[] = [
  ["a window that is missing", (got) => got.socket.pop(), /1 socket: windows missing/],
  ["a window that is twice", (got) => got.events.push(got.events[0] as Arrival), /windows twice/],
  [
    "an event counted twice",
    (got) => {
      const { row, atMs } = got.table[0] as Arrival;
      got.table[0] = { row: { ...row, events: row.events + 1 }, atMs };
    },
    /1 table: windows that differ/,
  ],
  [
    "another event in its place",
    (got) => {
      const { row, atMs } = got.kafka[0] as Arrival;
      got.kafka[0] = { row: { ...row, marks: row.marks - 1 }, atMs };
    },
    /1 kafka: windows that differ/,
  ],
  ["a late event that is told to nobody", (got) => got.late.pop(), /windows missing/],
  ["a dead letter that is missing", (got) => got.dead.pop(), /must be dead letters are none/],
  ["a late event told twice", (got) => got.late.push(got.late[0] as never), /late twice/],
  ["an event in two places", (got) => got.dead.push(got.late[0] as never), /late and dead/],
  ["a gap", (got) => got.gapsAtMs.push(START_MS + 1), /1 gaps told/],
];

for (const [what, change, said] of WRONGS)
  test(`it finds ${what}`, () => {
    const got = right();
    change(got);
    const accounts = judge(ACKS, got, { ...RULES, spans: SPANS });
    const failures = [...accounts.values()].flatMap((account) => account.failures);
    expect(failures.join("\n")).toMatch(said);
  });

test("what nobody acknowledged is found", () => {
  const got = right();
  got.late.push({ device: "d0", n: 123_456 });
  const accounts = judge(ACKS, got, { ...RULES, spans: SPANS });
  expect(accounts.get("")?.failures.join("\n")).toMatch(/late events that nobody acknowledged/);
});
