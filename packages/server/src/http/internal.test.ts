import { describe, expect, test } from "bun:test";
import { BrokerError, type NodeState } from "@holdfast/core";
import { createMetrics } from "../metrics/index.ts";
import { createInternalHandler, type InternalOptions } from "./internal.ts";
import { createReadiness, type ReadinessOptions, type ReadinessReport } from "./readiness.ts";

function setUp(options: Partial<ReadinessOptions> = {}) {
  const world = {
    state: "ready" as NodeState,
    nowMs: 0,
    probes: 0,
    overload: undefined as string | undefined,
    probe: async () => {},
  };
  const changes: ReadinessReport[] = [];
  const readiness = createReadiness({
    state: () => world.state,
    probe: () => {
      world.probes += 1;
      return world.probe();
    },
    overload: () => world.overload,
    onChange: (report) => changes.push(report),
    nowMs: () => world.nowMs,
    ...options,
  });
  return { world, readiness, changes };
}

const reasonsOf = (report: ReadinessReport) => report.reasons.map(({ reason }) => reason);

describe("readiness", () => {
  test("is a publish that arrived, while the node is ready", async () => {
    const { readiness } = setUp();
    expect(readiness.wasReady()).toBe(false);
    expect(await readiness.check()).toEqual({ ready: true, state: "ready", reasons: [] });
    expect(readiness.wasReady()).toBe(true);
  });

  test.each(["starting", "draining", "stopped"] as const)(
    "a node that is %s is not ready, and says so",
    async (state) => {
      const { world, readiness } = setUp();
      world.state = state;
      const report = await readiness.check();
      expect({ ready: report.ready, reasons: reasonsOf(report) }).toEqual({
        ready: false,
        reasons: [state],
      });
    },
  );

  test("every reason is told", async () => {
    const { world, readiness } = setUp();
    Object.assign(world, {
      state: "draining",
      overload: "the event loop is 900 ms late",
      probe: () => Promise.reject(new Error("x")),
    });
    expect(reasonsOf(await readiness.check())).toEqual(["draining", "overloaded", "broker"]);
  });

  test("a failed probe tells the code and nothing of the text", async () => {
    const { world, readiness } = setUp();
    world.probe = () => Promise.reject(new BrokerError("full", "redis://user:pw@host"));
    const { reasons } = await readiness.check();
    expect(reasons).toEqual([
      {
        reason: "broker",
        detail: "a publish through the broker failed (full): the broker has no room left",
      },
    ]);
  });

  test("rights that the broker's account lacks are named", async () => {
    const { world, readiness } = setUp();
    const lacks = ["del", "zadd"];
    world.probe = () => Promise.reject(new BrokerError("refused", "redis://u:p@host", { lacks }));
    expect((await readiness.check()).reasons.map(({ detail }) => detail)).toEqual([
      "the broker refuses the node (refused): its account lacks the right to run del, zadd",
    ]);
  });

  test("checks in close succession and at once make one probe", async () => {
    const { world, readiness } = setUp();
    await Promise.all(Array.from({ length: 50 }, () => readiness.check()));
    world.nowMs += 1_999;
    await readiness.check();
    expect(world.probes).toBe(1);
    world.nowMs += 1;
    await readiness.check();
    expect(world.probes).toBe(2);
  });

  test("a probe that hangs is a failure in time, and no second one is started behind it", async () => {
    const { world, readiness } = setUp({ probeTimeoutMs: 10 });
    let release = () => {};
    world.probe = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    expect(reasonsOf(await readiness.check())).toEqual(["broker"]);
    world.nowMs += 60_000;
    expect(reasonsOf(await readiness.check())).toEqual(["broker"]);
    expect(world.probes).toBe(1);
    release();
    await Promise.resolve();
    world.nowMs += 60_000;
    world.probe = async () => {};
    await until(async () => {
      world.nowMs += 60_000;
      return (await readiness.check()).ready;
    });
  });

  test("a drain that begins during the probe is seen", async () => {
    const { world, readiness } = setUp();
    world.probe = async () => {
      world.state = "draining";
    };
    expect((await readiness.check()).ready).toBe(false);
  });

  test("a change is told once", async () => {
    const { world, readiness, changes } = setUp({ probeEveryMs: 0 });
    for (const state of ["ready", "ready", "draining", "draining", "ready"] as const) {
      world.state = state;
      await readiness.check();
    }
    expect(changes.map(({ ready }) => ready)).toEqual([true, false, true]);
  });
});

describe("the internal pages", () => {
  const serve = (options: Partial<InternalOptions> = {}) => {
    const handler = createInternalHandler({ readiness: setUp().readiness, ...options });
    return (path: string, method = "GET") => handler(new Request(`http://node${path}`, { method }));
  };

  test("/livez answers as long as the process does", async () => {
    const get = serve({ readiness: { check: () => Promise.reject(new Error("x")) } });
    const response = await get("/livez");
    expect([response.status, await response.json()]).toEqual([200, { alive: true }]);
  });

  test("/readyz is 200 or 503 with the reasons", async () => {
    const { world, readiness } = setUp();
    const get = serve({ readiness });
    expect((await get("/readyz")).status).toBe(200);
    world.state = "draining";
    const response = await get("/readyz");
    expect([response.status, await response.json()]).toEqual([
      503,
      {
        ready: false,
        state: "draining",
        reasons: [{ reason: "draining", detail: "the node is draining" }],
      },
    ]);
  });

  test("/metrics is Prometheus' text, or not there", async () => {
    const get = serve({ metrics: createMetrics({ node: "n", revision: "r", version: "v" }) });
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain("# TYPE holdfast_connections gauge");
    expect((await serve()("/metrics")).status).toBe(404);
  });

  test("everything else is a problem, and nothing is thrown", async () => {
    const failed: unknown[] = [];
    const get = serve({
      metrics: { render: () => Promise.reject(new Error("x")) },
      events: { apiFailed: (fields) => void failed.push(fields) },
    });
    expect((await get("/metrics")).status).toBe(500);
    expect(failed.length).toBe(1);
    expect((await get("/")).status).toBe(404);
    expect((await get("/readyz", "POST")).status).toBe(405);
    expect((await get("/readyz", "HEAD")).status).toBe(200);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 100; i++) if (await holds()) return;
  throw new Error("did not happen");
}
