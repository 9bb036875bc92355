// Checks `holdfast plan`: what it prints, its exit statuses, and that what it believes of nodes is
// what their options say.
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "@holdfast/config";
import { NODE_SETTINGS, SCENARIO_DEFAULTS } from "@holdfast/plan";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { PLAN_FLAGS, readFlag } from "./plan-flags.ts";
import { type Run, runCommand } from "./testing.ts";

const plan = (argv: readonly string[], cwd = import.meta.dir): Promise<Run> =>
  runCommand(["plan", ...argv], { cwd });
const SMALL = ["--clients", "20k", "--messages", "200"];

test("prints a plan that holds with status 0", async () => {
  const { code, out, err } = await plan(SMALL);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toContain("20,000 clients in rooms of 100");
  expect(out).toContain("Everything that was asked for holds.");
});

test("ends with status 1 when something does not hold, and says what", async () => {
  const { code, out } = await plan([...SMALL, "--nodes", "1"]);
  expect(code).toBe(1);
  expect(out).toContain("1 given as nodes; connections asks for");
});

test("prints JSON that a program can read, also of what no number of nodes can hold", async () => {
  const { code, out } = await plan([
    ...SMALL,
    "--json",
    "--zones",
    "3",
    "--growth",
    "5%",
    "--headroom",
    "20%",
    "--recovery",
    "2m",
  ]);
  const read = JSON.parse(out) as {
    nodes: number;
    scenario: typeof SCENARIO_DEFAULTS;
    growth: unknown[];
    losses: unknown[];
    problems: unknown[];
  };
  expect(code).toBe(0);
  expect(read.nodes).toBeGreaterThan(1);
  expect(read.scenario.fleet).toMatchObject({ zones: 3, headroom: 0.2, recoveryMsMax: 120_000 });
  expect([read.growth.length, read.losses.length, read.problems.length]).toEqual([5, 3, 0]);
});

test("takes measured figures from a file and writes a picture", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-plan-"));
  try {
    writeFileSync(join(folder, "measured.json"), JSON.stringify({ connectionBytes: 1e6 }));
    const { code, out } = await plan(
      [...SMALL, "--calibration", "measured.json", "--svg", "plan.svg"],
      folder,
    );
    expect(code).toBe(0);
    expect(out).toContain("bound by memory");
    expect(readFileSync(join(folder, "plan.svg"), "utf8")).toStartWith("<svg");
    writeFileSync(join(folder, "wrong.json"), `{"conectionBytes": 1}`);
    const wrong = await plan([...SMALL, "--calibration", "wrong.json"], folder);
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringContaining('found "conectionBytes", expected some of nodeBytes'),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("what is refused with status 2", () => {
  const table: readonly (readonly [string, readonly string[], string])[] = [
    ["no clients", ["--messages", "1"], "found no --clients, expected a whole number"],
    ["no messages", ["--clients", "1"], "found no --messages, expected a number"],
    [
      "a number that is none",
      ["--clients", "many", "--messages", "1"],
      "Cannot use --clients many: expected a whole number like 500, 20k or 10M, from 1 to 100,000,000",
    ],
    ["half a client", ["--clients", "1.5", "--messages", "1"], "expected a whole number"],
    ["more than there can be", ["--clients", "101M", "--messages", "1"], "from 1 to 100,000,000"],
    [
      "a time without a unit",
      [...SMALL, "--recovery", "60"],
      "expected a time like 500ms, 30s or 5m, from 1s to 3600s",
    ],
    [
      "a share above its limit",
      [...SMALL, "--headroom", "120%"],
      "expected a share like 0.3 or 30%",
    ],
    [
      "a balancer that does not exist",
      [...SMALL, "--balancer", "sticky"],
      "expected least-connections or random",
    ],
    [
      "nodes that cannot start",
      [...SMALL, "--node-memory", "64MiB"],
      "no number of nodes of this size is enough by memory",
    ],
    [
      "a calibration that is not there",
      [...SMALL, "--calibration", "nowhere.json"],
      "nowhere.json cannot be read",
    ],
    [
      "a picture that cannot be written",
      [...SMALL, "--svg", "cli.ts/plan.svg"],
      "cannot be written",
    ],
    ["an unknown flag, with the one that was meant", [...SMALL, "--node", "3"], "--nodes"],
  ];
  for (const [name, argv, expected] of table)
    test(name, async () => {
      const { code, err } = await plan(argv);
      expect(code).toBe(2);
      expect(err).toContain(expected);
    });
});

describe("values", () => {
  const read = (name: string, text: string) => {
    const flag = PLAN_FLAGS.find((one) => one.name === name);
    return flag === undefined ? undefined : readFlag(flag, text);
  };
  test("have units", () => {
    expect(read("clients", "10M")).toBe(10_000_000);
    expect(read("clients", "10_000")).toBe(10_000);
    expect(read("messages", "2.5k")).toBe(2500);
    expect(read("node-memory", "512MiB")).toBe(512 * 1024 ** 2);
    expect(read("headroom", "29%")).toBe(0.29);
    expect(read("drain-window", "1.5m")).toBe(90_000);
  });
  test("of another form are none", () => {
    for (const text of ["", "1e6", "-1", "1 000", "10m", "0x10", "Infinity", "NaN"])
      expect(read("clients", text)).toBeUndefined();
  });
});

test("what a plan believes of nodes is what their options are by default", () => {
  const loaded = loadConfig(NODE_OPTIONS, { defaults: { "auth.anonymous": true } });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { admission, fleet, limits, ring, drain } = loaded.config;
  const { connectTimeoutMs: _ofClients, ...believed } = NODE_SETTINGS;
  expect(believed).toEqual({
    resumeReserve: admission.resumeReserve,
    windowMinMs: admission.windowMinMs,
    handshakesInFlightMax: limits.handshakesInFlightMax,
    lagMsMax: fleet.lagMsMax,
    figuresMs: fleet.figuresMs,
    rebalanceTolerance: fleet.rebalanceTolerance,
    rebalanceSessionsMin: fleet.rebalanceSessionsMin,
    rebalancePerSecond: fleet.rebalancePerSecond,
    rebalanceCooldownMs: fleet.rebalanceCooldownMs,
    ringPublicationsMax: ring.publicationsMax,
    ringBytesMax: ring.bytesMax,
  } as never);
  expect(SCENARIO_DEFAULTS.node).toMatchObject({
    connectionsMax: limits.connectionsMax,
    handshakesPerSecond: admission.handshakesPerSecond,
  });
  expect(SCENARIO_DEFAULTS.fleet).toMatchObject({
    preDelayMs: drain.preDelayMs,
    drainPerSecondMax: drain.perSecondMax,
  });
});
