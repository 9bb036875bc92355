import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { patience } from "../../../test/patience.ts";
import { CALIBRATION, calibrationFrom, deliveryUs } from "./calibration.ts";
import { loadOfNode, loadOfRedis, nodeHasRoom } from "./load.ts";
import { makePlan } from "./plan.ts";
import { planSvg } from "./report-svg.ts";
import { planText } from "./report-text.ts";
import { simulateScaleUp } from "./scale-up.ts";
import { keeps, sizeOf } from "./sizing.ts";
import { planWith, scenarioWith } from "./testing.ts";

setDefaultTimeout(patience(60_000));

const demands = fc.record({
  clients: fc.integer({ min: 1, max: 5_000_000 }),
  publishesPerSecond: fc.integer({ min: 0, max: 20_000 }),
  roomSize: fc.integer({ min: 1, max: 2000 }),
});

describe("the number of nodes", () => {
  test("never falls when there are more clients, more messages or more zones to lose", () => {
    fc.assert(
      fc.property(
        demands,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 2, max: 5 }),
        (demand, zones, factor) => {
          const size = (change: object, fleet: object = { zones }) =>
            sizeOf(scenarioWith({ demand: { ...demand, ...change }, fleet }), CALIBRATION).nodes;
          const least = size({});
          expect(size({ clients: demand.clients * factor })).toBeGreaterThanOrEqual(least);
          expect(
            size({ publishesPerSecond: demand.publishesPerSecond * factor }),
          ).toBeGreaterThanOrEqual(least);
          expect(size({}, { zones, headroom: 0.6 })).toBeGreaterThanOrEqual(least);
        },
      ),
      { numRuns: 100 },
    );
  });
  test("is the least one: it keeps to every limit, and one node less does not", () => {
    fc.assert(
      fc.property(demands, fc.integer({ min: 1, max: 4 }), (demand, zones) => {
        const scenario = scenarioWith({ demand, fleet: { zones } });
        const { limits, nodes } = sizeOf(scenario, CALIBRATION);
        for (const { name } of limits)
          expect(keeps(name, { scenario, calibration: CALIBRATION, nodes })).toBe(true);
        const [binding] = limits;
        if (nodes > 1 && binding !== undefined)
          expect(
            keeps(binding.name, { scenario, calibration: CALIBRATION, nodes: nodes - 1 }),
          ).toBe(false);
      }),
      { numRuns: 100 },
    );
  });
  test("is bound by what is scarce", () => {
    const binding = (changes: Parameters<typeof scenarioWith>[0]) =>
      sizeOf(scenarioWith(changes), CALIBRATION).limits[0]?.name;
    expect(binding({ demand: { clients: 1000, publishesPerSecond: 20_000 } })).toBe("cpu");
    expect(binding({ node: { memoryBytes: 150e6 } })).toBe("memory");
    expect(binding({})).toBe("connections");
    expect(binding({ node: { descriptorsMax: 1280 } })).toBe("descriptors");
    expect(binding({ node: { handshakesPerSecond: 5 } })).toBe("handshakes");
  });
  test("no number is enough where a node cannot even start", () => {
    const plan = makePlan(scenarioWith({ node: { memoryBytes: 50e6 } }), CALIBRATION);
    expect("nodes" in plan).toBe(false);
    expect(plan.sizing.limits[0]).toEqual({ name: "memory", nodes: Number.POSITIVE_INFINITY });
  });
});

describe("the load", () => {
  test("of all nodes together has every client and every delivery once", () => {
    const { demand, node } = scenarioWith({
      demand: { clients: 12_000, publishesPerSecond: 300, roomSize: 40 },
    });
    for (const nodes of [1, 3, 30]) {
      const load = loadOfNode({ demand, node, calibration: CALIBRATION }, nodes);
      expect(load.connections * nodes).toBeCloseTo(12_000);
      expect(load.deliveriesPerSecond * nodes).toBeCloseTo(12_000);
      expect(load.publicationsPerSecond * nodes).toBeCloseTo(
        loadOfRedis(demand, CALIBRATION, nodes).messagesPerSecond,
      );
    }
  });
  test("a room is on every node of one, and on at most as many nodes as it has subscribers", () => {
    expect(nodeHasRoom(1, 5)).toBe(1);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 1000 }),
        (nodes, roomSize) => {
          expect(nodes * nodeHasRoom(nodes, roomSize)).toBeLessThanOrEqual(
            Math.min(nodes, roomSize) + 1e-6,
          );
        },
      ),
    );
  });
  test("a delivery costs what was measured at 1,000 and at 10,000 connections", () => {
    const { deliveryUs1k, deliveryUs10k } = CALIBRATION;
    expect([10, 1000, 10_000].map((connections) => deliveryUs(CALIBRATION, connections))).toEqual([
      deliveryUs1k,
      deliveryUs1k,
      deliveryUs10k,
    ]);
    expect(deliveryUs(CALIBRATION, 1e9)).toBeLessThan(2 * deliveryUs10k);
  });
});

describe("a plan", () => {
  test("for ten million clients on small nodes takes a bounded number of events", () => {
    const plan = planWith({
      demand: { clients: 10_000_000, publishesPerSecond: 20_000 },
      fleet: { zones: 3 },
    });
    expect(plan.nodes * plan.load.connections).toBeCloseTo(10_000_000);
    expect(plan.events).toBeLessThan(8_000_000);
    expect(plan.problems.map(({ code }) => code)).toContain("too_many_nodes");
  });
  test("for ten million clients on large nodes too", () => {
    const node = { connectionsMax: 100_000, memoryBytes: 4e9, descriptorsMax: 200_000 };
    const plan = planWith({
      demand: { clients: 10_000_000, publishesPerSecond: 20_000 },
      node,
      fleet: { recoveryMsMax: 300_000 },
    });
    expect(plan.nodes).toBeLessThan(1000);
    expect(plan.events).toBeLessThan(15_000_000);
  });
  test("for a fleet that is far too small takes a bounded number of events and of clients too", () => {
    const plan = planWith({
      demand: { clients: 100_000_000 },
      node: { handshakesPerSecond: 100_000 },
      fleet: { nodes: 1 },
    });
    expect(plan.events).toBeLessThan(25_000_000);
    expect(plan.problems.map(({ code }) => code)).toContain("too_few_nodes");
  });
  test("has what a deploy and each loss do; a node's and a zone's clients come back", () => {
    const plan = planWith({ fleet: { zones: 3 } });
    expect(plan.losses.map(({ name }) => name)).toEqual(["node", "zone", "everyone"]);
    for (const { massReconnect } of plan.losses) expect(massReconnect.backShare).toBe(1);
    expect(plan.deploy.roll).toMatchObject({ finished: true, cut: 0 });
    expect(plan.problems).toEqual([]);
    expect(plan.storms.fullWindow.attemptsPerClient).toBeLessThan(
      plan.storms.withoutWindow.attemptsPerClient,
    );
  });
  test("says what does not hold", () => {
    const codes = (changes: Parameters<typeof scenarioWith>[0]) =>
      planWith(changes).problems.map(({ code }) => code);
    expect(codes({ fleet: { nodes: 2 } })).toContain("too_few_nodes");
    expect(codes({ demand: { clients: 100, publishesPerSecond: 1 } })).toContain("one_node");
    expect(codes({ demand: { publishesPerSecond: 50_000, roomSize: 2 } })).toContain("redis_full");
    expect(codes({ node: { handshakesPerSecond: 10_000 } })).toContain("handshakes_not_backed");
    expect(codes({ fleet: { drainWindowMs: 5000 }, node: { handshakesPerSecond: 100 } })).toContain(
      "sessions_cut",
    );
    expect(codes({ demand: { deploysPerDay: 1000 } })).toContain("deploys_overlap");
    expect(codes({ fleet: { nodes: 2, recoveryMsMax: 5000 } })).toContain("not_back");
  });
  test("of the same seed is the same", () => {
    expect(planWith({})).toEqual(planWith({}));
  });
  test("grows", () => {
    const { growth } = planWith({ demand: { growthPerMonth: 0.1 } });
    expect(growth.map(({ months }) => months)).toEqual([0, 3, 6, 12, 24]);
    expect(growth.at(-1)?.nodes).toBeGreaterThan(5 * (growth[0]?.nodes ?? 0));
  });
});

describe("one node more", () => {
  test("gets up to the tolerance of the others' rule, paced", () => {
    const { moved, filledShare, perSecond, tookMs } = simulateScaleUp(3, 1000);
    expect(moved).toBeGreaterThan(300);
    expect(filledShare).toBeLessThanOrEqual(1.01);
    expect(perSecond).toBeLessThanOrEqual(150);
    expect(tookMs).toBeGreaterThan(3000);
  });
  test("gets nothing where the others are within the tolerance", () => {
    expect(simulateScaleUp(20, 1000).moved).toBe(0);
  });
});

describe("a calibration", () => {
  test("replaces the figures that are given", () => {
    expect(calibrationFrom({ connectUs: 2000 })).toEqual({
      ok: true,
      calibration: { ...CALIBRATION, connectUs: 2000 },
    });
  });
  for (const bad of [
    undefined,
    null,
    [],
    3,
    { connectUS: 1 },
    { connectUs: "1" },
    { connectUs: -1 },
    { connectUs: Number.NaN },
  ])
    test(`${JSON.stringify(bad)} is refused, with what was expected`, () => {
      const read = calibrationFrom(bad);
      expect(read.ok).toBe(false);
      if (!read.ok) expect(read.message).toMatch(/^Cannot use the calibration: found .* expected /);
    });
});

describe("reports", () => {
  const plan = planWith({ demand: { growthPerMonth: 0.05 }, fleet: { zones: 3 } });
  test("the text has every section and stays narrow", () => {
    const text = planText(plan);
    for (const part of [
      "bound by",
      "One node on an ordinary day",
      "Redis",
      "A deploy",
      "Losses",
      "A storm",
      "Growth",
      "Everything",
    ])
      expect(text).toContain(part);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(160);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });
  test("the picture is one file that asks for nothing else", () => {
    const svg = planSvg(plan);
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(
      /https?:|NaN|undefined|Infinity/,
    );
  });
});
