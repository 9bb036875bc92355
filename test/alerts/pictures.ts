// Owns: the dashboards as pages while a real fleet is rolled, drawn from a real Prometheus, not by
// Grafana: `bun test/alerts/pictures.ts [folder]`.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DASHBOARDS, type PanelSpec, renderRecording } from "@holdfast/observability";
import { until } from "../integration/start-node.ts";
import { drawDashboard } from "./drawing.ts";
import { Fleet } from "./fleet.ts";
import { Prometheus, type Series } from "./prometheus.ts";
import { ROOT } from "./promtool.ts";

const NODES = 3;
const CLIENTS = 90;
const WINDOW_MS = 12_000;
/** Slow enough to be seen. */
const PACE = { HOLDFAST_DRAIN_PER_SECOND_MAX: "6" };
const STEP_S = 1;

const folder = process.argv[2] ?? join(ROOT, ".cache/pictures");
mkdirSync(folder, { recursive: true });

const fleet = await Fleet.start();
const prometheus = await Prometheus.start([renderRecording()]);
try {
  for (let i = 0; i < NODES; i++) await fleet.addNode("r1", PACE);
  prometheus.scrape(fleet.nodes);
  await fleet.addClients(CLIENTS);
  await Bun.sleep(3_000);
  const startS = Date.now() / 1000;
  await Bun.sleep(15_000);
  for (const old of fleet.nodes) {
    await fleet.addNode("r2", PACE);
    prometheus.scrape(fleet.nodes);
    await Bun.sleep(3_000);
    await old.order("drain", { windowMs: WINDOW_MS, preDelayMs: 500 });
    await until(
      "its sessions have moved",
      async () =>
        (await prometheus.query(`holdfast_connections{pod="${old.pod}"} == 0`)).length === 1,
      30_000,
    );
    await old.kill();
    prometheus.scrape(fleet.nodes);
  }
  await Bun.sleep(10_000);
  await draw(startS, Date.now() / 1000);
} finally {
  await fleet.stop();
  await prometheus.stop();
}

async function draw(startS: number, endS: number): Promise<void> {
  for (const spec of DASHBOARDS) {
    const answers = new Map<PanelSpec, readonly (readonly Series[])[]>();
    for (const panel of spec.rows.flatMap(({ panels }) => panels)) {
      const range = { startS, endS, stepS: STEP_S };
      answers.set(
        panel,
        await Promise.all(
          panel.queries.map(({ expr }) => prometheus.queryRange(plain(expr, endS - startS), range)),
        ),
      );
    }
    const series = (panel: PanelSpec, query: number): readonly Series[] =>
      answers.get(panel)?.[query] ?? [];
    await Bun.write(
      join(folder, `${spec.uid}.html`),
      drawDashboard({ spec, startS, endS, series }),
    );
  }
  console.log(folder);
}

function plain(expr: string, rangeS: number): string {
  return expr
    .replaceAll("$__rate_interval", "4s")
    .replaceAll("$__range", `${Math.ceil(rangeS)}s`)
    .replaceAll(/\$(namespace|job|node|revision|set)/g, ".*");
}
