import { expect, test } from "bun:test";
import type { LiveFigures, LivePipeline, LiveRecord } from "../live.ts";
import { LiveBoard, RECORDS_MAX } from "./live-board.ts";
import { bytes, count, duration, keyWords, valueWords } from "./live-words.ts";

const pipeline = (more: Partial<LivePipeline> = {}): LivePipeline => ({
  ...{
    name: "heat",
    version: 1,
    source: "in:{site}",
    steps: ["filter"],
    partitions: 3,
    holds: [0],
  },
  ...{ events: { received: 10, late: 1 }, results: 5, deadBy: {}, lost: 0, lag: 2, lagMs: 100 },
  ...{ channels: 1, keys: 4, stateBytes: 100, heldBack: 0, outputs: [] },
  ...more,
});
const figures = (node: string, timeMs: number, more: Partial<LivePipeline> = {}): LiveFigures => ({
  ...{ node, timeMs, sources: [], pipelines: [pipeline(more)] },
});
const record = (n: number, more: Partial<LiveRecord> = {}): LiveRecord => ({
  ...{
    id: `r${n}`,
    pipeline: "heat",
    of: "results",
    partition: 0,
    key: "k",
    timeMs: n,
    text: "{}",
  },
  ...more,
});

test("nodes are added up, partitions have their owners, and rates are those of the last seconds", () => {
  const board = new LiveBoard();
  board.hearFigures(figures("a", 1_000), 0);
  board.hearFigures(figures("b", 1_000, { holds: [2], lag: 3, lagMs: 900 }), 0);
  board.hearFigures(figures("a", 2_000, { events: { received: 30, late: 1 } }), 1_000);
  const [sight] = board.pipelines(1_000);
  expect(sight).toMatchObject({
    ...{ owners: ["a", undefined, "b"], events: { received: 40, late: 2 }, results: 10 },
    ...{ lag: 5, lagMs: 900, keys: 8, inPerSecond: 20 },
  });
  expect(board.nodes(1_000)).toEqual(["a", "b"]);
});

test("a node that is silent is gone, also if its last words come late; the newest version counts", () => {
  const board = new LiveBoard();
  board.hearFigures(figures("new", 100_000, { version: 2, partitions: 1 }), 0);
  board.hearFigures(figures("old", 1_000), 0);
  expect(board.nodes(0)).toEqual(["new"]);
  board.hearFigures(figures("older", 100_000), 0);
  expect(board.pipelines(0)).toMatchObject([{ version: 2, partitions: 1 }]);
  expect(board.pipelines(10_000)).toEqual([]);
});

test("of an output on several nodes the worst breaker is shown, and counts are added up", () => {
  const board = new LiveBoard();
  const output = (breaker: "closed" | "open", delivered: number) => ({
    ...{ index: 0, of: "results" as const, sink: "kafka", target: "t" },
    now: {
      ...{ breaker, delivered, refused: 0, failures: 1 },
      ...{ queued: 2, oldestMs: delivered },
    },
  });
  board.hearFigures(figures("a", 1_000, { outputs: [output("closed", 5)] }), 0);
  board.hearFigures(figures("b", 1_000, { outputs: [output("open", 7)] }), 0);
  const [sight] = board.pipelines(0);
  expect(sight?.outputs[0]?.now).toEqual({
    ...{ breaker: "open", delivered: 12, refused: 0, failures: 2, queued: 4, oldestMs: 7 },
  });
});

test("lists are short and have no record twice, whatever comes", () => {
  const board = new LiveBoard();
  board.hearFigures(figures("a", 1_000), 0);
  const [first, second] = [record(0), record(0, { id: "d", of: "dead", reason: "threw" })];
  board.hearRecords({ node: "a", records: [first, first, second], skipped: { heat: 4 } });
  board.hearRecords({ node: "a", records: [first], skipped: { heat: 1 } });
  expect(board.pipelines(0)).toMatchObject([
    { skipped: 5, newest: { results: [first], dead: [second] } },
  ]);
  for (let n = 0; n < 10_000; n++)
    board.hearRecords({ node: "a", records: [record(n)], skipped: {} });
  const [sight] = board.pipelines(0);
  expect(sight?.newest.results).toHaveLength(RECORDS_MAX);
  expect(sight?.newest.results[0]?.id).toBe("r9999");
  for (let n = 0; n < 1_000; n++)
    board.hearRecords({
      ...{ node: "a", records: [record(n, { pipeline: `p${n}` })], skipped: { [`p${n}`]: 1 } },
    });
  for (let n = 0; n < 1_000; n++) board.hearFigures(figures(`n${n}`, 1_000), 0);
  expect(board.nodes(0).length).toBeLessThanOrEqual(32);
});

test("numbers, keys and values are as people read them", () => {
  expect([0, 0.25, 12, 1_234, 123_456, 5e6, 2e9].map(count)).toEqual([
    ...["0", "0.3", "12", "1,234", "123 k", "5.0 M", "2.0 G"],
  ]);
  expect([5, 1_500, 90_000, 9e6].map(duration)).toEqual(["5 ms", "1.5 s", "2 min", "2.5 h"]);
  expect([5, 2_048, 3e6].map(bytes)).toEqual(["5 B", "2.0 KiB", "2.9 MiB"]);
  expect([keyWords('{"a":"x","b":2}'), keyWords("plain"), keyWords("{cut")]).toEqual([
    ...["x · 2", "plain", "{cut"],
  ]);
  expect(valueWords('{"key":"k","fromMs":1,"mean":1.23456,"n":2,"o":{"a":1}}')).toEqual([
    ...[
      ["mean", "1.235"],
      ["n", "2"],
      ["o", '{"a":1}'],
    ],
  ] as never);
  expect(valueWords('{"cut')).toEqual([["", '{"cut']]);
  expect(valueWords("[1]")).toEqual([["", "[1]"]]);
});
