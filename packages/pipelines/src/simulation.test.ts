import { drainMicrotasks } from "bun:jsc";
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../test/patience.ts";
import {
  type AnyStream,
  channel,
  count,
  from,
  hopping,
  type LookupTable,
  lookup,
  pipeline,
  type SourceDefinition,
  session,
  sliding,
  topK,
  tumbling,
  unaccounted,
  type WindowDefinition,
} from "./index.ts";
import { feed } from "./testing/feed.ts";
import {
  type LogEntry,
  refuses,
  type SimEvent,
  type SimResult,
  Simulation,
} from "./testing/sim.ts";

setDefaultTimeout(patience(120_000));

const SEEDS = 60;
const SIZE_MS = 1000;
const rules = { time: (e: SimEvent) => e.t, key: (e: SimEvent) => e.k, lateness: "1s" } as const;
const table: LookupTable<number> = lookup((key) => key.length);

interface WindowValue {
  readonly key: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly n: number;
  readonly ids: readonly { readonly value: string }[];
  readonly refuse: boolean;
}

const windowed = (window: WindowDefinition<SimEvent, {}, string>): AnyStream =>
  pipeline(from("c0") as SourceDefinition<{}, SimEvent>)
    .join(
      table,
      (e) => e.k,
      (e) => e,
    )
    .filter((e) => {
      if (e.v === 7) throw new RangeError("seven");
      return e.v >= 10;
    })
    .dedupe({ by: (e) => `${e.k} ${e.v} ${Math.floor(e.t / 400)}`, within: "5s" })
    .window(window)
    .aggregate({ n: count(), ids: topK(100, (e) => e.id) })
    .map((result) => ({ ...result, refuse: result.fromMs % 17 === 0 }))
    .to(channel("out"))
    .on("late", channel("late"))
    .on("dead", channel("dead"));

const STREAMS: readonly {
  readonly stream: AnyStream;
  readonly perEvent: (n: number) => boolean;
}[] = [
  { stream: windowed(tumbling(SIZE_MS, rules)), perEvent: (n) => n === 1 },
  { stream: windowed(hopping(SIZE_MS, SIZE_MS / 2, rules)), perEvent: (n) => n === 1 || n === 2 },
  { stream: windowed(session(120, { ...rules, longest: "300d" })), perEvent: (n) => n === 1 },
  { stream: windowed(sliding(SIZE_MS, rules)), perEvent: (n) => n >= 1 },
];

const run = (seed: number, idles: boolean): SimResult & { readonly stream: AnyStream } => {
  const { stream } = STREAMS[seed % STREAMS.length] as (typeof STREAMS)[number];
  const channels = idles ? 1 + (seed % 3) : 1;
  const valueBytesMax = seed % 2 === 0 ? 4000 : 1024 * 1024;
  const options = { seed, stream, channels, settle: drainMicrotasks, idles, valueBytesMax };
  return { ...new Simulation(options).run(), stream };
};

/** What every run must keep, whatever happened. */
function judge(seed: number, result: SimResult): string[] {
  const found = [...result.violations];
  const say = (text: string): void => void found.push(text);
  const events = [...result.log.values()].flat().map(({ value }) => value);
  const { account } = result;
  if (account === undefined) return found;
  if (unaccounted(account.events) !== 0) say(`unaccounted ${JSON.stringify(account.events)}`);
  if (account.events.received !== events.length)
    say(`received ${account.events.received} of ${events.length}`);
  const [results = new Map(), lates = new Map(), deads = new Map()] = result.targets;
  for (const target of result.targets) {
    const sequences = [...target.values()].map(({ sequence }) => sequence);
    if (target !== results && sequences.some((one, i) => one !== i + 1)) say("a hole or a swap");
  }
  const given = [...results.values(), ...result.refused].filter(
    ({ id }, i, all) => all.findIndex((other) => other.id === id) === i,
  );
  const windows = given.map(({ value }) => value as WindowValue);
  const inWindows = new Map<string, number>();
  for (const { ids, n, key, fromMs, toMs } of windows) {
    if (ids.length !== n) say(`a window of ${n} has ${ids.length}`);
    for (const { value: id } of ids) {
      inWindows.set(id, (inWindows.get(id) ?? 0) + 1);
      const event = events.find((one) => one.id === id);
      if (event?.k !== key || event.t < fromMs || event.t > toMs) say(`${id} is in a wrong window`);
    }
  }
  const names = windows.map(
    ({ key, fromMs, toMs, ids }) => `${key} ${fromMs} ${toMs} ${seed % 4 === 3 ? ids.length : ""}`,
  );
  if (seed % 4 !== 3 && new Set(names).size !== names.length) say("a window came twice");
  const lateIds = new Set([...lates.values()].map(({ value }) => (value as SimEvent).id));
  const letters = [...deads.values()].map(
    ({ value }) => value as { reason: string; value: SimEvent },
  );
  const deadIds = new Set(
    letters.filter(({ reason }) => reason !== "refused").map((l) => l.value.id),
  );
  const { perEvent } = STREAMS[seed % STREAMS.length] as (typeof STREAMS)[number];
  let duplicates = 0;
  for (const { id, v } of events) {
    const places = [inWindows.has(id), lateIds.has(id), deadIds.has(id)].filter(Boolean).length;
    if (v === 7 ? !deadIds.has(id) || places !== 1 : v < 10 && places !== 0)
      say(`${id} is misplaced`);
    if (v < 10) continue;
    if (places === 0) duplicates += 1;
    if (places > 1) say(`${id} is in ${places} places`);
    const n = inWindows.get(id) ?? 0;
    if (n > 0 && !perEvent(n)) say(`${id} is in ${n} windows`);
  }
  if (duplicates !== account.events.duplicate) say(`${duplicates} events are nowhere`);
  if (inWindows.size !== account.events.taken) say(`${inWindows.size} of ${account.events.taken}`);
  if (lateIds.size !== account.events.late) say("late ones are lost");
  const refusals = letters.filter(({ reason }) => reason === "refused").length;
  if (refusals !== windows.filter(refuses).length) say("refused ones are lost");
  return found;
}

describe("pipelines in a simulation of bad days", () => {
  test("every event is in exactly one place, every record has one id, nothing is lost", () => {
    const faults: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = run(seed, true);
      const found = judge(seed, result);
      if (found.length > 0) throw new Error(`seed ${seed}: ${found.slice(0, 5).join("; ")}`);
      for (const [fault, n] of Object.entries(result.faults))
        faults[fault] = (faults[fault] ?? 0) + n;
    }
    // The bad days were bad.
    for (const fault of [
      "kill",
      "freeze",
      "drain",
      "store",
      "sink",
      "jump",
      "lost",
      "commit failed",
    ])
      expect(faults[fault] ?? 0).toBeGreaterThan(5);
  });

  test("the results are those of the log alone, recomputed in one go", () => {
    for (let seed = 1; seed <= SEEDS / 2; seed++) {
      const { log, targets, stream, refused, violations } = run(seed, false);
      expect(violations).toEqual([]);
      const entries = log.get("c0") as readonly LogEntry[];
      const events = entries.map(({ value, timeMs }) => ({ value, timeMs, channel: "c0" }));
      const plain = { definition: { ...stream.definition, steps: withoutLookup(stream) } };
      const expected = feed(plain, events, { endsIdle: false }).emitted;
      for (const output of [0, 1]) {
        const target = targets[output] ?? new Map();
        const got = [...target.values(), ...(output === 0 ? refused : [])]
          .filter(({ id }, i, all) => all.findIndex((other) => other.id === id) === i)
          .sort((a, b) => a.sequence - b.sequence)
          .map(({ value }) => value);
        expect(got).toEqual(expected.filter((e) => e.output === output).map(({ value }) => value));
      }
    }
  });

  test("the same seed does the same", () => {
    for (const seed of [3, 4]) {
      const [one, two] = [run(seed, true), run(seed, true)];
      expect(JSON.stringify([...(two.targets[0] ?? [])])).toBe(
        JSON.stringify([...(one.targets[0] ?? [])]),
      );
      expect(two.faults).toEqual(one.faults);
    }
  });
});

const withoutLookup = ({ definition }: AnyStream) =>
  definition.steps.filter(({ kind }) => kind !== "lookup");
