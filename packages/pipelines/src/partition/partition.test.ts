import { describe, expect, test } from "bun:test";
import {
  BrokerError,
  createMemoryBroker,
  createSeededRandom,
  type StateStore,
} from "@holdfast/core";
import { createManualClock, type ManualClock } from "@holdfast/testkit";
import {
  type AnyStream,
  channel,
  count,
  from,
  KeptState,
  type KeptStateOptions,
  lookup,
  Partition,
  type PartitionOptions,
  type PipelineError,
  pipeline,
  type SinkRecord,
  tumbling,
} from "../index.ts";

const CODEC = {
  encode: (text: string) => new TextEncoder().encode(text),
  decode: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

function world() {
  const clock = createManualClock();
  const store = createMemoryBroker({ clock, random: createSeededRandom(1) }).connect("n").states;
  return { clock, store };
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

const stream = (size: number, options = {}) =>
  pipeline(from("in"), options)
    .filter((v) => (v as { v: number }).v >= 0)
    .window(tumbling(size, { time: (v) => (v as { t: number }).t }))
    .aggregate({ n: count() })
    .to(channel("out"));

interface Taken {
  readonly partition: Partition;
  readonly handed: SinkRecord[];
  readonly lost: PipelineError[];
  readonly confirm: (sequence: number) => void;
}

async function take(
  { clock, store }: { readonly clock: ManualClock; readonly store: StateStore },
  { definition }: AnyStream,
  more: Partial<PartitionOptions> & {
    readonly owner?: string;
    readonly isFull?: () => boolean;
  } = {},
): Promise<Taken | undefined> {
  const handed: SinkRecord[] = [];
  const lost: PipelineError[] = [];
  let confirm = (_sequence: number): void => {};
  const partition = await Partition.take({
    name: "p",
    partition: 0,
    definition,
    kept: {
      store,
      codec: CODEC,
      owner: more.owner ?? "a",
      leaseMs: 5000,
      keepMs: 1e9,
      valueBytesMax: 1024 * 1024,
    },
    clock,
    random: { next: () => 0.5 },
    latest: { find: () => undefined },
    deliver: (_output, _index, tell) => {
      ({ confirm } = tell);
      return {
        get isFull() {
          return more.isFull?.() ?? false;
        },
        push: (record) => void handed.push(record),
        flush: async () => true,
        close: async () => true,
      };
    },
    lost: (why) => void lost.push(why),
    failed: () => {},
    ...more,
  });
  if (partition === undefined) return undefined;
  partition.open("in", {});
  partition.start();
  return { partition, handed, lost, confirm: (sequence) => confirm(sequence) };
}

const event = (offset: number, t: number, v = 1) => ({
  kind: "event" as const,
  position: { epoch: "e", offset },
  event: { offset, timeMs: 1e12, value: { t, v } },
});

describe("a partition", () => {
  test("hands records over only when they are committed, and again after a take-over", async () => {
    const w = world();
    const a = await take(w, stream(10));
    await a?.partition.accept("in", [event(1, 1), event(2, 25)]);
    // The commit is on its way.
    expect(a?.handed).toEqual([]);
    await settle();
    expect(a?.handed.map(({ value }) => value)).toMatchObject([{ fromMs: 0, n: 1 }]);
    w.clock.advance(6000);
    const b = await take(w, stream(10), { owner: "b" });
    expect(b?.handed).toEqual(a?.handed ?? []);
    expect(b?.partition.position("in")).toEqual({ epoch: "e", offset: 2 });
    // What was dealt with is left out.
    await b?.partition.accept("in", [event(1, 1), event(2, 25), event(3, 26), event(4, 60)]);
    await settle();
    expect(b?.handed.map(({ sequence, value }) => [sequence, value])).toMatchObject([
      [1, { fromMs: 0 }],
      [2, { fromMs: 20, n: 2 }],
    ]);
    // The first owner comes back: it cannot commit, and knows.
    await a?.partition.accept("in", [event(3, 26), event(4, 999)]);
    w.clock.advance(2000);
    await settle();
    expect(a?.lost.map(({ code }) => code)).toEqual(["fenced"]);
    expect(a?.handed).toHaveLength(1);
    await expect(a?.partition.accept("in", [event(5, 1)])).rejects.toMatchObject({
      code: "closed",
    });
  });

  test("has begun from its first moment: whoever takes it after a death does not begin anew", async () => {
    const w = world();
    const one = await take(w, stream(10));
    await settle();
    // It died at once: nothing was taken, no time has passed.
    await one?.partition.end();
    w.clock.advance(5_000);
    const two = await take(w, stream(10), { owner: "n2" });
    expect(two?.partition.isNew).toBe(false);
  });

  test("is not taken while a lease runs, and goes on at once after a release", async () => {
    const w = world();
    const a = await take(w, stream(10));
    await a?.partition.accept("in", [event(1, 1), event(2, 2)]);
    expect(await take(w, stream(10), { owner: "b" })).toBeUndefined();
    await a?.partition.release();
    const b = await take(w, stream(10), { owner: "b" });
    await b?.partition.accept("in", [event(3, 50)]);
    await settle();
    expect(b?.handed.map(({ value }) => value)).toMatchObject([{ n: 2 }]);
  });

  test("waits while a sink is full, and goes on when there is room", async () => {
    let isFull = true;
    const a = await take(world(), stream(10), { isFull: () => isFull });
    let taken = false;
    const accepting = a?.partition.accept("in", [event(1, 1)]).then(() => {
      taken = true;
    });
    await settle();
    expect([taken, a?.partition.figures().isHeldBack]).toEqual([false, true]);
    isFull = false;
    a?.confirm(0);
    await accepting;
    expect(taken).toBe(true);
  });

  test("refuses, rebuilds or discards state that does not fit, as it is told", async () => {
    const w = world();
    const a = await take(w, stream(10));
    await a?.partition.accept("in", [event(1, 1), event(2, 25)]);
    await a?.partition.release();
    await expect(take(w, stream(20))).rejects.toMatchObject({ code: "state" });
    await expect(take(w, stream(10, { partitions: 2 }))).rejects.toMatchObject({ code: "state" });
    const discard = { onChange: "discard", version: 2 } as const;
    await expect(take(w, stream(10, { ...discard, partitions: 2 }))).rejects.toThrow(/the source/);
    const b = await take(w, stream(20, discard));
    expect(b?.partition.position("in")?.offset).toBe(2);
    // What was not confirmed is still handed over.
    expect(b?.handed).toHaveLength(1);
    await b?.partition.accept("in", [event(3, 90)]);
    await b?.partition.release();
    // An older version does not take what a newer one wrote.
    await expect(take(w, stream(20))).rejects.toThrow(/version 2/);
    const c = await take(w, stream(30, { onChange: "rebuild", version: 3 }));
    expect(c?.partition.position("in")).toBeUndefined();
    expect(c?.handed).toEqual([]);
    const ids = new Set([...(b?.handed ?? [])].map(({ id }) => id));
    await c?.partition.accept("in", [event(1, 1), event(2, 35)]);
    await settle();
    expect(c?.handed.some(({ id }) => ids.has(id))).toBe(false);
  });

  test("asks an application's function once for each key, and not for what is known", async () => {
    const asked: string[] = [];
    const find = async (key: string): Promise<string> => {
      asked.push(key);
      if (key === "bad") throw new RangeError("no");
      return `${key}!`;
    };
    const enriched = pipeline(from("in"))
      .join(
        lookup(find, { keep: "1m" }),
        (v) => String(v),
        (v, found) => `${v} ${found}`,
      )
      .to(channel("out"))
      .on("dead", channel("dead"));
    const w = world();
    const a = await take(w, enriched);
    const values = ["x", "x", "bad", "y"];
    const inputs = values.map((value, i) => ({
      kind: "event" as const,
      position: { epoch: "e", offset: i + 1 },
      event: { offset: i + 1, timeMs: 1, value },
    }));
    await a?.partition.accept("in", inputs);
    await settle();
    const first = a?.partition.figures().account.deadBy;
    expect(first).toEqual({ lookup: 1 });
    expect(asked).toEqual(["x", "bad", "y", "bad", "bad"]);
  });
});

describe("kept state", () => {
  const options = (store: StateStore, owner = "a"): KeptStateOptions => ({
    store,
    codec: CODEC,
    key: "k",
    owner,
    leaseMs: 5000,
    keepMs: 1e9,
    valueBytesMax: 100,
  });
  const text = (length: number, letter: string) => `é${letter.repeat(length)}`;

  test("lies in one value or in parts, and an owner before cannot change it", async () => {
    const { clock, store } = world();
    const a = await KeptState.take(options(store));
    for (const length of [10, 500, 1000, 20, 700]) {
      await a?.kept.write(text(length, "a"));
      clock.advance(6000);
      const reader = await KeptState.take(options(store, `r${length}`));
      expect(reader?.text).toBe(text(length, "a"));
      await reader?.kept.write(text(length, "b"));
      await expect(a?.kept.write(text(300, "x"))).rejects.toThrow();
      clock.advance(6000);
      expect((await KeptState.take(options(store, "c")))?.text).toBe(text(length, "b"));
      clock.advance(6000);
      const again = await KeptState.take(options(store));
      Object.assign(a as object, again);
    }
    await expect(a?.kept.write(text(5000, "a"))).rejects.toMatchObject({ code: "limit" });
  });

  test("takes changes behind a whole state, in the head and in values beside it", async () => {
    const { clock, store } = world();
    const a = await KeptState.take(options(store));
    expect(a?.kept.wantsWhole).toBe(true);
    await a?.kept.write(text(350, "a"));
    const added: string[] = [];
    while (a?.kept.wantsWhole === false) {
      // Some of them are longer than a value.
      added.push(text(added.length % 5 === 4 ? 130 : 12, String(added.length % 10)));
      await a.kept.add(added.at(-1) ?? "");
      clock.advance(6000);
      const reader = await KeptState.take(options(store, "r"), true);
      expect([reader?.text, reader?.changes]).toEqual([text(350, "a"), added]);
      expect(a.kept.bytes).toBeGreaterThan(350);
      // The reader was a new owner: what it found is in the way of the first no more.
      await reader?.kept.release();
      Object.assign(a, await KeptState.take(options(store)));
      if (added.length > 20) break;
      await a.kept.write(text(350, "a"));
      for (const one of added) if (!a.kept.wantsWhole) await a.kept.add(one);
    }
    expect(added.length).toBeGreaterThan(5);
  });

  test("is whole after a write that was given up at any of its steps", async () => {
    for (let failing = 0; failing < 30; failing++) {
      const { clock, store } = world();
      let calls = 0;
      const flaky: StateStore = {
        ...store,
        write: async (...args) => {
          calls += 1;
          if (calls === failing) throw new BrokerError("timeout", "not done");
          await store.write(...args);
          if (calls === failing + 1) throw new BrokerError("timeout", "done");
        },
      };
      const a = await KeptState.take(options(flaky));
      let last = 0;
      let [whole, added]: [string, string[]] = ["", []];
      const possible = new Set<string>([JSON.stringify([undefined, []])]);
      for (let i = 1; i <= 12; i++) {
        const isWhole = i % 6 === 1 || a?.kept.wantsWhole !== false;
        if (isWhole) [whole, added] = [text(250, String(i)), []];
        else added = [...added, text(20, String(i))];
        const writing = isWhole ? a?.kept.write(whole) : a?.kept.add(added.at(-1) ?? "");
        const done = await writing?.then(
          () => true,
          () => false,
        );
        if (done === true) {
          last = i;
          possible.clear();
        }
        possible.add(JSON.stringify([whole, added]));
      }
      expect(last).toBeGreaterThan(0);
      clock.advance(6000);
      const found = await KeptState.take(options(store, "b"));
      expect(possible).toContain(JSON.stringify([found?.text, found?.changes]));
    }
  });
});
