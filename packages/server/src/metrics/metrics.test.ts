import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import type { NodeInfo } from "@holdfast/core";
import { DELIVERY_CLASSES } from "@holdfast/protocol";
import { startEventLoopSampler } from "./event-loop.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { renderMetricsReference } from "./reference.ts";
import { METRICS, type MetricRow } from "./table.ts";

const INFO: NodeInfo = {
  node: "n1",
  revision: "r1",
  state: "draining",
  startedAtMs: 0,
  connections: 12,
  sessions: 11,
  fixedSockets: 2,
  connectionsMax: 20,
  isFull: false,
  subscriptions: 30,
  channels: 4,
  heldBytes: 256,
  queueBytes: 512,
  windowMs: 1_500,
  handshakesPerSecond: 400,
  fence: 0,
  felt: {
    connectionMinutes: 12.5,
    resumes: 4,
    resumesFailed: 1,
    lost: 2,
    slow: 3,
    closedAbnormally: 5,
  },
  drain: { total: 20, remaining: 11, asked: 4, moved: 5, told: 3, cut: 1, deadlineInMs: 500 },
};

const create = (): Metrics => createMetrics({ node: "n1", revision: "r1", version: "0.1.0" });

/** Every call of the observer and of the recorder, once. */
function exercise({ observer, recorder }: Metrics): void {
  observer.handshake("refused", "try_later", 12);
  observer.ended({ session: "s", code: "slow_consumer", connectedMs: 61_000 });
  for (const cls of DELIVERY_CLASSES) {
    observer.published(cls, "ok", 3);
    observer.delivered(cls, 5, 7);
  }
  observer.published("ordered", "broker_unavailable", 3);
  observer.slowConsumer("drop");
  observer.recovered("gap", 7);
  observer.gap("epoch", 0);
  observer.gap("history", 40);
  observer.hole("repaired", 3);
  observer.authFailed("token_invalid");
  observer.requestFailed("rate_limited");
  observer.rpc("sum", "ok", 9);
  observer.experienced({
    reconnects: 1,
    migrations: 2,
    duplicates: 3,
    gaps: 4,
    lost: 5,
    undeclared: 6,
    resumeMsMax: 700,
  });
  observer.drainStep("migrate", 8, {
    total: 8,
    remaining: 8,
    asked: 0,
    moved: 0,
    told: 0,
    cut: 0,
    deadlineInMs: 0,
  });
  observer.rebalanced(4);
  observer.cameBack("rebalance");
  observer.leaseRenewed("late");
  observer.shedStep("started", 7);
  observer.shedStep("migrate", 3);
  observer.ordered("drain", "refused");
  recorder.brokerLost();
  observer.nodeChanged("n2", "died");
  observer.bug("recover", new Error("x"));
  recorder.backEndAsked("desk", { type: "rpc", outcome: "timeout", ms: 4 });
  recorder.backEndAway("desk", true);
  recorder.mqttOpened("new", 5);
  recorder.mqttOpened("resumed", 4);
  recorder.mqttClosed(5);
  recorder.mqttTakeOverDelayed();
  recorder.mqttEnded("quota_exceeded", "connack");
  recorder.mqttEnded("malformed_packet", "disconnect");
  recorder.mqttTakenOver();
  recorder.mqttWill("published", 2);
  recorder.mqttRefused("permission_denied");
  recorder.socketRefused("full");
  recorder.httpRequest("publish", 200, 2);
  recorder.httpRequest(undefined, 404, 2);
  recorder.streamOpened("history_stream");
  recorder.streamBytes("history_stream", 5);
  recorder.streamEnded("history_stream", "left");
  recorder.ingestTaken(2, 10);
  recorder.ingestRefused("rate_limited", 0);
  recorder.ingestHeld(0);
  recorder.jwksFetched("failed");
  recorder.logSuppressed();
  recorder.eventLoopLag(3);
}

/** Lines of a scrape: series with their labels and values, and the type of each metric. */
async function scrape(metrics: Metrics) {
  const { text } = await metrics.render();
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
  );
  const series = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = "", labels = "", value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, label]) => [key, label]),
      ),
      value: Number(value),
    }),
  );
  const value = (name: string, labels: Record<string, string> = {}) =>
    series.find(
      (one) =>
        one.name === name &&
        Object.entries(labels).every(([key, label]) => one.labels[key] === label),
    )?.value;
  return { text, types, series, value };
}

const FATES = {
  received: 3,
  added: 0,
  filtered: 1,
  duplicate: 0,
  throttled: 0,
  taken: 1,
  late: 0,
  dead: 1,
  passed: 0,
};
const PIPELINE = {
  name: "heat",
  version: 1,
  held: 1,
  partitions: 2,
  holds: [0],
  totals: {
    events: FATES,
    results: FATES,
    told: { partlyLate: 0, forgotten: 0, lost: 0, gaps: 0 },
    deadBy: { threw: 1 },
  },
  channels: 1,
  channelsSkipped: 0,
  lag: 0,
  lagMs: 0,
  retentionLeft: 1,
  keys: 1,
  stateBytes: 100,
  waiting: 0,
  heldBack: 0,
  refused: undefined,
};

const SINK = {
  ...{ pipeline: "heat", output: 0, of: "results" as const, sink: "kafka" },
  ...{ breaker: "closed" as const, lastError: undefined, failures: 1 },
  ...{ queued: 2, queuedBytes: 20, inFlightBytes: 10, oldestMs: 1500 },
  ...{ delivered: 5, deliveredBytes: 50, batches: 2, refused: 1 },
};
const SOURCE = {
  ...{ name: "plant", isReading: true, isHeldBack: false, isRefused: false },
  ...{ published: 3, empty: 0, bytes: 30, lost: 0, failures: 0, lag: 1 },
  dead: { unreadable: 1, name: 0, refused: 0 },
};

const MQTT = {
  received: { publish: 2 },
  sent: { puback: 2 },
  inFlight: 1,
  waitingBytes: 10,
  sessions: 1,
  sessionBytes: 600,
  retainedBytes: 3,
  waitingWills: 0,
  searches: 1,
};

describe("the table", () => {
  test("and a real scrape name the same metrics, types and labels", async () => {
    const metrics = create();
    metrics.bind({
      info: () => INFO,
      pipelines: () => [PIPELINE],
      sinks: () => [SINK],
      logs: () => [SOURCE],
      mqtt: () => MQTT,
    });
    exercise(metrics);
    const { types, series } = await scrape(metrics);
    expect(Object.fromEntries(types)).toEqual(
      Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
    );
    for (const [name, row] of Object.entries(METRICS) as [string, MetricRow][]) {
      const suffix = row.type === "histogram" ? "_count" : "";
      const own = series.filter((one) => one.name === name + suffix);
      expect({ name, series: own.length > 0 }).toEqual({ name, series: true });
      for (const one of own)
        expect({ name, labels: Object.keys(one.labels).sort() }).toEqual({
          name,
          labels: [...row.labels].sort(),
        });
    }
    const known = new Set(
      Object.entries(METRICS).flatMap(([name, { type }]) => seriesOf(name, type)),
    );
    for (const { name } of series) expect(known).toContain(name);
  });

  test("and docs/reference/metrics.md agree (`npm run generate` writes the page)", async () => {
    const page = await readFile(
      new URL("../../../../docs/reference/metrics.md", import.meta.url),
      "utf8",
    );
    expect(page).toBe(renderMetricsReference());
  });

  test("follows Prometheus' conventions", () => {
    for (const [name, { type, unit }] of Object.entries(METRICS)) {
      expect(name).toMatch(/^(holdfast|process)(_[a-z]+)+$/);
      expect({ name, total: name.endsWith("_total") }).toEqual({ name, total: type === "counter" });
      if (unit === "seconds") expect(name).toMatch(/_seconds(_total)?$/);
      if (unit === "bytes") expect(name).toMatch(/_bytes(_total)?$/);
    }
  });
});

describe("figures", () => {
  test("a scrape shows what was counted", async () => {
    const metrics = create();
    metrics.bind({
      info: () => INFO,
      ready: () => true,
      eventLoopWorstMs: () => 250,
      brokerUp: () => true,
      connectionsMax: 500,
      certificateEndsMs: 5_000,
    });
    exercise(metrics);
    const { value } = await scrape(metrics);
    expect(value("holdfast_connections")).toBe(12);
    expect(value("holdfast_connections_max")).toBe(500);
    expect(value("holdfast_broker_up")).toBe(1);
    expect(value("holdfast_broker_losses_total")).toBe(1);
    expect(value("holdfast_certificate_expiry_timestamp_seconds")).toBe(5);
    expect(value("holdfast_drain_asked_sessions")).toBe(4);
    expect(value("holdfast_connection_minutes_total")).toBe(12.5);
    expect(value("holdfast_bad_connection_minutes_total", { signal: "slow" })).toBe(3);
    expect(value("holdfast_resumes_total", { outcome: "ok" })).toBe(3);
    expect(value("holdfast_resumes_total", { outcome: "failed" })).toBe(1);
    expect(value("holdfast_shed_steps_total", { step: "started" })).toBe(1);
    expect(value("holdfast_shed_steps_total", { step: "migrate" })).toBe(3);
    expect(value("holdfast_drain_deadline_seconds")).toBe(0.5);
    expect(value("holdfast_presence_renewals_total", { outcome: "late" })).toBe(1);
    expect(value("holdfast_presence_renewals_total", { outcome: "failed" })).toBe(0);
    expect(value("holdfast_orders_total", { order: "drain", outcome: "refused" })).toBe(1);
    expect(value("holdfast_orders_total", { order: "undrain", outcome: "expired" })).toBe(0);
    expect(value("holdfast_node_state", { state: "draining" })).toBe(1);
    expect(value("holdfast_node_state", { state: "ready" })).toBe(0);
    expect(value("holdfast_drain_remaining_sessions")).toBe(11);
    expect(value("holdfast_reconnect_window_seconds")).toBe(1.5);
    expect(value("holdfast_ready")).toBe(1);
    expect(value("holdfast_event_loop_lag_max_seconds")).toBe(0.25);
    expect(
      value("holdfast_publishes_total", { class: "ordered", outcome: "broker_unavailable" }),
    ).toBe(1);
    expect(value("holdfast_gap_publications_total", { reason: "history" })).toBe(40);
    expect(value("holdfast_client_lost_total")).toBe(5);
    expect(value("holdfast_http_requests_total", { route: "none", status: "404" })).toBe(1);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  });

  test("latency counts every delivery, in buckets that add up", async () => {
    const metrics = create();
    metrics.observer.delivered("ordered", 1_000, 7);
    metrics.observer.delivered("ordered", 10, 60_000);
    metrics.observer.delivered("ordered", 1, -5);
    metrics.observer.delivered("ordered", 1, Number.NaN);
    const { value } = await scrape(metrics);
    const bucket = (le: string) =>
      value("holdfast_delivery_latency_seconds_bucket", { class: "ordered", le });
    expect([
      bucket("0.0005"),
      bucket("0.005"),
      bucket("0.01"),
      bucket("30"),
      bucket("+Inf"),
    ]).toEqual([2, 2, 1_002, 1_002, 1_012]);
    expect(value("holdfast_delivery_latency_seconds_count", { class: "ordered" })).toBe(1_012);
    expect(value("holdfast_delivery_latency_seconds_sum", { class: "ordered" })).toBeCloseTo(
      607,
      6,
    );
    expect(value("holdfast_deliveries_total", { class: "ordered" })).toBe(1_012);
  });

  test("a value on a bucket's bound is inside it", async () => {
    const metrics = create();
    metrics.observer.published("latest", "ok", 10);
    const { value } = await scrape(metrics);
    expect(value("holdfast_publish_seconds_bucket", { class: "latest", le: "0.01" })).toBe(1);
    expect(value("holdfast_publish_seconds_bucket", { class: "latest", le: "0.005" })).toBe(0);
  });

  test("series with known labels begin at 0", async () => {
    const { value } = await scrape(create());
    expect(value("holdfast_slow_consumers_total", { policy: "disconnect" })).toBe(0);
    expect(value("holdfast_client_undeclared_total")).toBe(0);
    expect(value("holdfast_handshakes_total", { outcome: "refused", code: "try_later" })).toBe(0);
    expect(value("holdfast_handshake_seconds_count", { outcome: "moved" })).toBe(0);
  });

  test("a client's report cannot poison a counter", async () => {
    const metrics = create();
    const odd = {
      reconnects: Number.NaN,
      migrations: -5,
      duplicates: Number.POSITIVE_INFINITY,
      gaps: 1e300,
      lost: 1,
      undeclared: 0,
    };
    metrics.observer.experienced({ ...odd, resumeMsMax: Number.NaN });
    const { value } = await scrape(metrics);
    expect(value("holdfast_client_reconnects_total")).toBe(0);
    expect(value("holdfast_client_migrations_total")).toBe(0);
    expect(value("holdfast_client_duplicates_total")).toBe(1e6);
    expect(value("holdfast_client_gaps_total")).toBe(1e6);
    expect(value("holdfast_client_resume_seconds_count")).toBe(0);
  });

  test("labels without end become other", async () => {
    const metrics = create();
    for (let i = 0; i < 5_000; i++) metrics.observer.bug(`place ${i}`, undefined);
    for (let i = 0; i < 500; i++) metrics.observer.rpc(`method ${i}`, "ok", 1);
    const { series, value } = await scrape(metrics);
    expect(series.filter(({ name }) => name === "holdfast_bugs_total").length).toBe(51);
    expect(value("holdfast_bugs_total", { where: "other" })).toBe(4_950);
    expect(series.filter(({ name }) => name === "holdfast_rpc_seconds_count").length).toBe(201);
  });

  test("a label's text cannot break the exposition", async () => {
    const metrics = create();
    metrics.observer.rpc('a"b\\c\nd', "ok", 1);
    const { text } = await scrape(metrics);
    expect(text).toContain('holdfast_rpcs_total{method="a\\"b\\\\c\\nd",outcome="ok"} 1');
  });

  test("two nodes in one process share nothing", async () => {
    const [one, two] = [create(), create()];
    one.observer.slowConsumer("drop");
    expect((await scrape(two)).value("holdfast_slow_consumers_total", { policy: "drop" })).toBe(0);
  });
});

test("the sampler sees a stalled event loop", async () => {
  const seen: number[] = [];
  const sampler = startEventLoopSampler((ms) => seen.push(ms));
  for (const startedMs = performance.now(); performance.now() - startedMs < 400; );
  await new Promise((resolve) => setTimeout(resolve, 0));
  sampler.stop();
  expect(sampler.worstMs()).toBeGreaterThan(100);
  expect(Math.max(...seen)).toBe(sampler.worstMs());
});

function seriesOf(name: string, type: string): string[] {
  return type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}
