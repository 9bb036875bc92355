import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { type MqttCase, runMqtt } from "../testing/mqtt-world.ts";

setDefaultTimeout(patience(60_000));

function runAll(from: number, count: number, of: Omit<MqttCase, "seed" | "version">) {
  const sum = { moves: 0, published: 0, heard: 0 };
  for (let seed = from; seed < from + count; seed++) {
    const { wrongs, moves, published, heard } = runMqtt({
      ...{ seed, version: seed % 2 === 0 ? 4 : 5 },
      ...of,
    });
    expect({ seed, wrongs }).toEqual({ seed, wrongs: [] });
    sum.moves += moves;
    sum.published += published;
    sum.heard += heard;
  }
  return sum;
}

test("1,000 seeds with drains between brokers that share sessions: each QoS is kept, both ways", () => {
  const { moves, published, heard } = runAll(1, 1000, { isCalm: true, areShared: true });
  expect([moves > 2000, published > 20_000, heard > 20_000]).toEqual([true, true, true]);
});

test("1,500 seeds with deaths, silence and refusals: the same", () => {
  const { moves } = runAll(10_001, 1500, { isCalm: false, areShared: true });
  expect(moves).toBeGreaterThan(4000);
});

test("seed 509672: a client that was released is not released again by the gateway", () => {
  const of = { version: 5, isCalm: false, areShared: false } as const;
  expect(runMqtt({ seed: 509_672, ...of }).wrongs).toEqual([]);
});

test("1,000 seeds without shared sessions: all that the client sent is taken, and it listens again", () => {
  const { moves } = runAll(20_001, 1000, { isCalm: false, areShared: false });
  expect(moves).toBeGreaterThan(3000);
});
