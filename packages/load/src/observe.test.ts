// Owns: checks of looking at servers, and of what makes figures doubtful.
import { describe, expect, test } from "bun:test";
import { lookAtProcess, vitalOf, watchedOf } from "./observe.ts";
import { noCounts } from "./recorder.ts";
import { warningsOf } from "./warnings.ts";

test("a node's metrics are read, with and without labels", () => {
  const text = [
    "# HELP process_cpu_user_seconds_total x",
    'process_cpu_user_seconds_total{node="a"} 1.5',
    "process_cpu_system_seconds_total 0.25",
    "process_resident_memory_bytes 1.048576e+06",
    "holdfast_event_loop_lag_max_seconds 0.003",
    "holdfast_connections 12",
  ].join("\n");
  expect(vitalOf(text)).toEqual({
    userUs: 1_500_000,
    systemUs: 250_000,
    rssBytes: 1_048_576,
    lagUs: 3_000,
    connections: 12,
  });
  expect(vitalOf("something else")).toBeUndefined();
});

test("a process of this machine is read from /proc, and one that is not there is not", () => {
  const own = lookAtProcess(process.pid);
  expect(own?.rssBytes).toBeGreaterThan(1 << 20);
  expect(lookAtProcess(4_194_304)).toBeUndefined();
});

test("a server that does not answer is unknown, not an error", async () => {
  const [silent] = watchedOf({ metricsUrls: ["http://127.0.0.1:1/metrics"], pids: [] });
  expect(await silent?.look()).toBeUndefined();
});

describe("doubts are said", () => {
  const times = {
    count: 1,
    minUs: 0,
    meanUs: 0,
    p50Us: 0,
    p90Us: 0,
    p99Us: 10_000,
    p999Us: 0,
    maxUs: 0,
    curve: [],
  };
  const calm = {
    generator: { userUs: 0, systemUs: 0, lagUs: 1_000, busiest: 0.5 },
    total: {
      ms: 1,
      counts: { ...noCounts(), sent: 1_000 },
      errors: {},
      times: { delivery: times, lateness: { ...times, p99Us: 100 } },
    },
    unseen: [],
    absent: 0,
  };
  const cases: [string, Parameters<typeof warningsOf>[0], RegExp][] = [
    [
      "a worker that fills its core",
      { ...calm, generator: { ...calm.generator, busiest: 0.97 } },
      /97 % of a core.*bottleneck/,
    ],
    [
      "a late loop",
      { ...calm, generator: { ...calm.generator, lagUs: 80_000 } },
      /late by 80\.0 ms/,
    ],
    [
      "late sending",
      {
        ...calm,
        total: { ...calm.total, times: { delivery: times, lateness: { ...times, p99Us: 9_000 } } },
      },
      /sent late/,
    ],
    [
      "what was not sent",
      { ...calm, total: { ...calm.total, counts: { ...calm.total.counts, unsent: 50 } } },
      /50 publications or pings .* not sent/,
    ],
    ["who never came", { ...calm, absent: 3 }, /3 connections were not there/],
    [
      "others' messages",
      { ...calm, total: { ...calm.total, counts: { ...calm.total.counts, foreign: 2 } } },
      /2 messages carried no mark/,
    ],
    ["a server that nobody saw", { ...calm, unseen: ["node:1"] }, /node:1 did not answer/],
  ];
  test("none where there are none", () => expect(warningsOf(calm)).toEqual([]));
  for (const [what, input, message] of cases) {
    test(what, () => {
      const warnings = warningsOf(input);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(message);
    });
  }
});
