// Owns: tests of a node's runner beside others: when it takes, keeps and renews.
import { expect, test } from "bun:test";
import { type BusMessage, createMemoryBroker, createSeededRandom } from "@holdfast/core";
import { createManualClock } from "@holdfast/testkit";
import { channel, count, from, PipelineRunner, pipeline, tumbling } from "../index.ts";
import type { RunnerPorts } from "./ports.ts";

const { definition } = pipeline(from("in"))
  .window(tumbling(1000, {}))
  .aggregate({ n: count() })
  .to(channel("out"));

function world() {
  const clock = createManualClock();
  const random = createSeededRandom("runner");
  const broker = createMemoryBroker({ clock, random });
  const bus = new Set<PipelineRunner>();
  const log: string[] = [];
  const runner = (node: string): PipelineRunner => {
    const ports: RunnerPorts = {
      ...{ node, clock, random, states: broker.connect(node).states },
      bus: {
        send: async (message: BusMessage) => {
          for (const one of bus) one.heard(message);
        },
      },
      codec: {
        encode: (text) => new TextEncoder().encode(text),
        decode: (bytes) => new TextDecoder().decode(bytes),
      },
      ...{ values: { toValue: () => null }, adapters: [], secret: () => undefined },
      observer: {
        taken: () => void log.push(`${node} takes`),
        released: (_pipeline, _partition, why) => void log.push(`${node} gives up: ${why}`),
        ...{ refused() {}, sinkFailed() {}, commitFailed() {}, gap() {}, bug() {} },
      },
      isServing: () => true,
      tap: () => ({ lag: 0, bufferedBytes: 0, close() {} }),
      resolve: (name) => ({ pattern: name, params: {} }),
      channels: async () => [],
      history: async () => ({ epoch: "e", head: 0, oldest: 1, publications: [] }) as never,
    };
    const made = new PipelineRunner(ports, new Map([["p", definition]]));
    bus.add(made);
    return made;
  };
  /** So many seconds, with everything that they lead to. */
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds * 10; i++) {
      clock.advance(100);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
  };
  return { runner, pass, log };
}

test("a node that hears of others before it starts keeps what it takes", async () => {
  const { runner, pass, log } = world();
  const [first, second] = [runner("a"), runner("b")];
  // Which of them the partition belongs to, hashing decides: each hears the other one first.
  first.start();
  await pass(2);
  second.start();
  await pass(30);
  const owners = log.filter((line) => line.endsWith("takes"));
  expect(owners.length).toBeLessThanOrEqual(2);
  expect(log.filter((line) => line.endsWith("fenced"))).toEqual([]);
  expect([first, second].map((one) => one.figures()[0]?.held).sort()).toEqual([0, 1]);
});

test("a node that hears nothing any more gives up nothing that it renews", async () => {
  const { runner, pass, log } = world();
  const alone = runner("a");
  alone.heard({ kind: "pipelines", from: "b", isReady: true, runs: { p: 1 } });
  await pass(1);
  expect(log).toEqual([]);
  alone.start();
  // The other one was a word only: after its silence the partition is taken, and renewed.
  await pass(30);
  expect(log).toEqual(["a takes"]);
});
