// Owns: checks of scenario files.
import { describe, expect, test } from "bun:test";
import { LoadError } from "./load-error.ts";
import { checkPlan } from "./plan.ts";
import { readScenario } from "./scenario-file.ts";
import { DEFAULT_TARGET } from "./scenarios.ts";

const TARGET = { ...DEFAULT_TARGET, driver: "holdfast", urls: ["ws://localhost:8000"] } as const;
const GROUPS = "groups: [{name: a, connections: 10, rooms: {name: 'r{n}', size: 5}}]";
const PHASES = "phases: [{do: connect, rate: 100}]";

test("a whole scenario becomes a plan that can be run", () => {
  const { plan, slos } = readScenario(
    `
name: evening
workers: 2
payload: { bytes: 200 }
groups:
  - { name: viewers, connections: 900, rooms: { name: "match:{n}", size: 300 } }
  - { name: hosts, connections: 3, writes: { to: viewers, every: 500ms, think: steady } }
  - { name: checkers, connections: 50, pings: { every: 5s } }
phases:
  - { do: connect, rate: 200 }
  - { do: hold, name: warm-up, for: 2s, measured: false }
  - { do: hold, name: peak, for: 1m, load: { hosts: 4, checkers: 1 }, churn: 5 }
  - { do: drop, share: 0.5, of: [viewers], away: 2s, within: 30s }
slo: ["p99<200ms, lost=0", "recovery.p99<5s"]
`,
    TARGET,
  );
  expect(() => checkPlan(plan)).not.toThrow();
  expect(plan).toMatchObject({
    scenario: "evening",
    workers: 2,
    target: TARGET,
    settleMsMax: 10_000,
  });
  expect(plan.groups[1]?.writes).toEqual({ to: "viewers", everyMs: 500, think: "steady" });
  expect(plan.phases).toEqual([
    { do: "connect", name: "connect", perSecond: 200, share: 1, msMax: 64_765 },
    { do: "hold", name: "warm-up", ms: 2_000, load: 1, churnPerSecond: 0, isMeasured: false },
    {
      do: "hold",
      name: "peak",
      ms: 60_000,
      load: { hosts: 4, checkers: 1 },
      churnPerSecond: 5,
      isMeasured: true,
    },
    {
      do: "drop",
      name: "drop",
      share: 0.5,
      of: ["viewers"],
      awayMs: 2_000,
      ms: 2_000,
      msMax: 30_000,
      load: 1,
    },
  ]);
  expect(slos.map(({ text }) => text)).toEqual(["p99<200ms", "lost=0", "recovery.p99<5s"]);
});

describe("what is wrong is named by its path", () => {
  const cases: [string, string, RegExp][] = [
    ["nothing", "", /\(file\): /],
    ["no YAML", "groups: [", /Cannot read the scenario: /],
    ["an unknown member", `${GROUPS}\n${PHASES}\nspeed: 3`, /\(file\): .*speed/],
    ["no phases", GROUPS, /phases: /],
    [
      "a phase of a kind that there is not",
      `${GROUPS}\nphases: [{do: dance}]`,
      /phases\[0\]\.do: /,
    ],
    [
      "a time without a unit",
      `${GROUPS}\nphases: [{do: hold, for: 5}]`,
      /phases\[0\]\.for: expected a time like 500ms/,
    ],
    [
      "a share over 1",
      `${GROUPS}\nphases: [{do: connect, rate: 1}, {do: drop, share: 2}]`,
      /phases\[1\]\.share: /,
    ],
    [
      "half a connection",
      `groups: [{name: a, connections: 0.5}]\n${PHASES}`,
      /groups\[0\]\.connections: /,
    ],
    [
      "a typo in a rhythm",
      `groups: [{name: a, connections: 1, pings: {evry: 1s}}]\n${PHASES}`,
      /groups\[0\]\.pings/,
    ],
    [
      "a user in the URL",
      `target: {urls: ['ws://me:secret@host']}\n${GROUPS}\n${PHASES}`,
      /target\.urls\[0\]: expected a ws: or wss: URL without a user/,
    ],
    ["an SLO that cannot be read", `${GROUPS}\n${PHASES}\nslo: [p42<1ms]`, /found p42/],
  ];
  for (const [what, text, message] of cases) {
    test(what, () => {
      expect(() => readScenario(text, TARGET)).toThrow(LoadError);
      expect(() => readScenario(text, TARGET)).toThrow(message);
    });
  }
});

describe("what only makes no sense together is refused before it runs", () => {
  const cases: [string, RegExp][] = [
    [
      `groups: [{name: a, connections: 1, writes: {every: 1s, to: nobody}}]\n${PHASES}`,
      /writes\.to nobody, expected a group with rooms/,
    ],
    [
      `groups: [{name: a, connections: 1, writes: {every: 1s}}]\n${PHASES}`,
      /writes\.to a, expected a group with rooms/,
    ],
    [
      `groups: [{name: a, connections: 1}, {name: a, connections: 1}]\n${PHASES}`,
      /two groups of one name/,
    ],
    [
      `groups: [{name: a, connections: 2, rooms: {name: r, size: 3}}]\n${PHASES}`,
      /groups\.a\.rooms\.size 3, expected 1 to 2/,
    ],
    [
      `${GROUPS}\nphases: [{do: hold, for: 1s, load: {b: 1}}]`,
      /load\.b, expected one of the groups a/,
    ],
  ];
  for (const [text, message] of cases)
    test(String(message), () =>
      expect(() => checkPlan(readScenario(text, TARGET).plan)).toThrow(message),
    );
});
