// Owns: tests of what engines say of changes: a state and the changes behind it are the state.
import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/core";
import {
  avg,
  count,
  counting,
  from,
  hopping,
  PipelineEngine,
  pipeline,
  quantile,
  tumbling,
} from "../index.ts";

interface Event {
  readonly id: number;
  readonly k: string;
  readonly t: number;
  readonly v: number;
}

const source = () => pipeline(from("in")).map((value) => value as Event);
const time = ({ t }: Event): number => t;
const key = ({ k }: Event): string => k;

const STREAMS = {
  "dedupe and a window": source()
    .dedupe({ by: ({ id }) => id, within: 3000 })
    .window(tumbling(1000, { time, key, lateness: 500 }))
    .aggregate({ n: count(), mean: avg(({ v }) => v), p: quantile(0.9, ({ v }) => v) }),
  "a dedupe that forgets, a throttle and hops": source()
    .dedupe({ by: ({ id }) => id, keysMax: 20 })
    .throttle({ by: key, events: 3, per: 200, keysMax: 4 })
    .window(hopping(1000, 250, { time, key }))
    .aggregate({ n: count() }),
  "windows that are saved whole, behind others": source()
    .window(tumbling(500, { time, key }))
    .aggregate({ n: count() })
    .window(counting(5, { key: (result) => result.key }))
    .aggregate({ sum: count() }),
};

describe.each(Object.entries(STREAMS))("%s", (_name, { definition }) => {
  test("go on from a state and its changes as if nothing had been", () => {
    for (let seed = 0; seed < 30; seed++) {
      const random = createSeededRandom(`changes ${seed}`);
      const [engine, twin] = [new PipelineEngine(definition), new PipelineEngine(definition)];
      for (const one of [engine, twin]) one.source("in", {}, 0);
      let current = engine;
      let whole = JSON.stringify(current.save());
      let changes: string[] = [];
      for (let n = 1; n <= 400; n++) {
        const value = {
          ...{ id: n - (random.chance(0.2) ? random.int(30) : 0), k: `k${random.int(7)}` },
          ...{ t: n * 20 - random.int(900), v: random.int(100) },
        };
        for (const one of [current, twin])
          one.push(0, { offset: n, timeMs: 1e12 + n * 20, value }, n);
        if (random.chance(0.1)) for (const one of [current, twin]) one.tick(n);
        if (random.chance(0.2)) changes.push(JSON.stringify(current.changes()));
        if (random.chance(0.02)) [whole, changes] = [JSON.stringify(current.save()), []];
        if (!random.chance(0.03)) continue;
        changes.push(JSON.stringify(current.changes()));
        // What was given out before is not told again.
        expect(current.take()).toEqual(twin.take());
        current = new PipelineEngine(definition);
        current.load(
          JSON.parse(whole),
          changes.map((one) => JSON.parse(one)),
        );
        current.source("in", {}, n);
        expect(current.account()).toEqual(twin.account());
      }
      expect(current.take()).toEqual(twin.take());
    }
  });
});

test("changes cost what changed", () => {
  const { definition } = STREAMS["dedupe and a window"];
  const engine = new PipelineEngine(definition);
  engine.source("in", {}, 0);
  const push = (n: number): void =>
    engine.push(0, { offset: n, timeMs: 1e12, value: { id: n, k: `k${n}`, t: 1, v: 1 } }, 0);
  for (let n = 0; n < 5000; n++) push(n);
  const whole = JSON.stringify(engine.save()).length;
  push(5001);
  expect(JSON.stringify(engine.changes()).length).toBeLessThan(whole / 100);
  expect(JSON.stringify(engine.changes()).length).toBeLessThan(500);
});
