import { expect, test } from "bun:test";
import { telemetryFiles } from "./generated.ts";
import { mqttTargets } from "./mqtt/page.ts";
import type { MqttSizes } from "./mqtt/subject.ts";
import { pipelineTargets } from "./pipelines/page.ts";
import type { PipelineSizes } from "./pipelines/subject.ts";
import { planFrom } from "./plan.ts";
import type { Figures, TelemetryResult } from "./subject.ts";

const flow = (user: number, system: number): Figures => ({
  messages: 20_000,
  deliveries: 20_000,
  userUsPerMessage: user,
  systemUsPerMessage: system,
  ackP50Ms: 0.1,
  ackP99Ms: 1,
  deliveryP50Ms: 0.2,
  deliveryP99Ms: 2,
  wrong: 0,
  loadUsPerMessage: 200,
});
const rounds = (scenario: string, rival: string, figures: readonly Figures[]) =>
  figures.map((one, place) => ({ scenario, rival, round: place + 1, figures: one }));

const result: TelemetryResult<MqttSizes> = {
  measuredAt: "2026-01-02T03:04:05Z",
  quick: false,
  rounds: 3,
  loadBefore: 0.1,
  machine: { processor: "a processor", cores: 2, memoryGiB: 4, kernel: "Linux 6" },
  sizes: planFrom(["--mqtt"])?.sizes as MqttSizes,
  versions: { mosquitto: "mosquitto 2", holdfast: "this version" },
  measurements: [
    ...rounds("one-to-one", "mosquitto", [flow(5, 30), flow(10, 90), flow(6, 34)]),
    ...rounds("one-to-one", "holdfast", [flow(30, 19), flow(60, 60), flow(40, 28)]),
    ...rounds("idle", "holdfast", [
      { fewBytes: 9000, manyBytes: 8000, betweenBytes: 7000 },
      { fewBytes: 9000, manyBytes: 8000, betweenBytes: 7500 },
    ]),
  ],
};

test("a ratio is that of one round, and a target has the median of ratios", () => {
  expect(mqttTargets(result).map(({ found, met }) => [found, met])).toEqual([
    ["1.40 (1.20–1.70)", true],
    ["7.3 (7.0–7.5) kB", true],
  ]);
});

test("the page has what was measured, and charts beside it", () => {
  const files = telemetryFiles({ mqtt: result as TelemetryResult });
  const page = files[0]?.text ?? "";
  expect(page).toContain("| CPU for each message, µs | 40.0 (35.0–100.0) | 68.0 (49.0–120.0) |");
  expect(page).toContain("**mosquitto** (mosquitto 2)");
  expect(page).not.toContain("NaN");
  expect(page).not.toContain("undefined");
  expect(files.map(({ path }) => path)).toEqual([
    "docs/benchmarks/telemetry.md",
    "docs/benchmarks/mqtt-cpu-light.svg",
    "docs/benchmarks/mqtt-cpu-dark.svg",
    "docs/benchmarks/mqtt-memory-light.svg",
    "docs/benchmarks/mqtt-memory-dark.svg",
  ]);
});

const window = (events: number): Figures => ({
  events: 400_000,
  eventsPerCpuSecond: events,
  userUsPerEvent: 10,
  systemUsPerEvent: 2,
  rssBytes: 200_000_000,
  results: 4000,
  wrong: 0,
});

test("pipelines have a target over Benthos, a table and a chart", () => {
  const measured: TelemetryResult<PipelineSizes> = {
    ...result,
    sizes: planFrom(["--pipelines"])?.sizes as PipelineSizes,
    measurements: [
      ...rounds("window", "benthos", [window(40_000), window(50_000)]),
      ...rounds("window", "holdfast", [window(60_000), window(70_000)]),
    ],
  };
  expect(pipelineTargets(measured).map(({ found, met }) => [found, met])).toEqual([
    ["1.45 (1.40–1.50)", true],
  ]);
  const [page, ...charts] = telemetryFiles({ pipelines: measured as TelemetryResult });
  expect(page?.text).toContain("| events for each CPU-second | 45,000 (40,000–50,000) |");
  expect(page?.text).not.toContain("NaN");
  expect(charts).toHaveLength(2);
});

test("without a result there is no page", () => {
  expect(telemetryFiles({})).toEqual([]);
});
