// The alerts in a real Prometheus that scrapes real nodes while the fault is caused: the generated
// rule file, with its times divided by 30.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  DASHBOARDS,
  RUN_BOOK_BASE,
  renderAlerts,
  renderDashboard,
  renderRecording,
  runBookOf,
} from "@holdfast/observability";
import { KINDS } from "@holdfast/operator-runtime";
import { rawSocket } from "../integration/raw-socket.ts";
import { until } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { Fleet, type FleetNode } from "./fleet.ts";
import { startGatewayPage } from "./gateways.ts";
import { startCutOffOperator, startOperatorPage, type WatchedOperator } from "./operators.ts";
import { Prometheus } from "./prometheus.ts";
import { quickened } from "./quicken.ts";

setDefaultTimeout(patience(60_000));

const FACTOR = 30;
const WAIT_MS = 40_000;
const CLIENTS = 30;

let fleet: Fleet;
let prometheus: Prometheus;
let first: FleetNode;
let second: FleetNode;
let operator: WatchedOperator;
let gateway: WatchedOperator;

beforeAll(async () => {
  fleet = await Fleet.start();
  first = await fleet.addNode("r1");
  second = await fleet.addNode("r2");
  await fleet.addClients(CLIENTS);
  prometheus = await Prometheus.start([
    quickened(renderAlerts(), FACTOR),
    quickened(renderRecording(), FACTOR),
  ]);
  operator = startOperatorPage();
  gateway = startGatewayPage();
  prometheus.scrape([...fleet.nodes, operator, gateway]);
  await until(
    "both nodes, the operator and the gateway are scraped",
    async () => (await prometheus.query("up == 1")).length === 4,
    WAIT_MS,
  );
});
afterAll(async () => {
  await operator?.stop();
  await gateway?.stop();
  await fleet?.stop();
  await prometheus?.stop();
});

/** Firing alerts of the name, each as its labels without name and severity. */
async function firing(name: string): Promise<readonly Record<string, string>[]> {
  const alerts = (await prometheus.firing()).filter(({ labels }) => labels.alertname === name);
  for (const { annotations } of alerts) {
    expect(annotations.runbook_url).toBe(`${RUN_BOOK_BASE}${runBookOf(name)}.md`);
    // A template that cannot be filled says so in its place.
    expect(annotations.description).not.toMatch(/error expanding|<no value>|\{\{/);
  }
  return alerts.map(({ labels: { alertname: _name, severity: _severity, ...rest } }) => rest);
}
/** What autoscalers are told, of the fleet and of each pod. */
async function demand(): Promise<Readonly<Record<string, number>>> {
  const samples = await prometheus.query('{__name__=~"holdfast:connections:(sum|pod)"}');
  return Object.fromEntries(
    samples.map(({ metric, value: [, text] }) => [metric.pod ?? "fleet", Number(text)]),
  );
}
const fires = (name: string, pod?: string): Promise<void> =>
  until(
    `${name} fires`,
    async () => (await firing(name)).some((labels) => pod === undefined || labels.pod === pod),
    WAIT_MS,
  );
const resolves = (name: string): Promise<void> =>
  until(`${name} is over`, async () => (await firing(name)).length === 0, WAIT_MS);

/** A machine that does other things at the same time makes nodes late: these would be right. */
const OF_THE_MACHINE = ["HoldfastEventLoopLag", "HoldfastDeliverySlow"];

test("nothing fires while nothing is wrong", async () => {
  // Seven minutes of a fleet in production: most rules wait for no longer.
  await Bun.sleep((7 * 60_000) / FACTOR);
  const alerts = await prometheus.firing();
  expect(alerts.filter(({ labels }) => !OF_THE_MACHINE.includes(labels.alertname ?? ""))).toEqual(
    [],
  );
});

test("the autoscaler's demand is what clients make it, for the fleet and for each node", async () => {
  await until("the demand is recorded", async () => (await demand()).fleet === CLIENTS, WAIT_MS);
  const { fleet: _all, ...pods } = await demand();
  expect(Object.keys(pods).sort()).toEqual([first.pod, second.pod]);
  expect(Object.values(pods).reduce((sum, one) => sum + one, 0)).toBe(CLIENTS);
});

test("HoldfastBrokerCutOff and HoldfastPresenceLeaseFailing fire for the node that is cut off and for no other, and are over when it is not", async () => {
  first.wire.cut();
  for (const name of ["HoldfastBrokerCutOff", "HoldfastPresenceLeaseFailing"]) {
    await fires(name, first.pod);
    expect(await firing(name)).toHaveLength(1);
  }
  first.wire.heal();
  await resolves("HoldfastBrokerCutOff");
  await resolves("HoldfastPresenceLeaseFailing");
});

test("HoldfastDrainStuck fires when a draining node's sessions find no other that takes them, and is over when they do", async () => {
  fleet.balancer.remove(second.id);
  await first.order("drain", { windowMs: 60_000, preDelayMs: 0 });
  await fires("HoldfastDrainStuck", first.pod);
  // They are the first node's no more, and arrive at the second: the autoscaler sees the same
  // demand.
  await until(
    "the demand is the second node's",
    async () => (await demand())[second.pod] === CLIENTS,
    WAIT_MS,
  );
  expect(await demand()).toEqual({ fleet: CLIENTS, [first.pod]: 0, [second.pod]: CLIENTS });
  fleet.admit(second);
  await resolves("HoldfastDrainStuck");
  const left = `holdfast_drain_remaining_sessions{pod="${first.pod}"} == 0`;
  await until(
    "everybody has moved",
    async () => (await prometheus.query(left)).length === 1,
    WAIT_MS,
  );
  expect(await firing("HoldfastDrainCutSessions")).toEqual([]);
});

test("HoldfastDrainForgotten waits to fire for the node that was left standing, and is over when it is put to use again", async () => {
  // Half an hour, divided by the factor, is a minute: whether it is waited for is seen without
  // waiting for it.
  const pending = `ALERTS{alertname="HoldfastDrainForgotten", alertstate="pending", pod="${first.pod}"}`;
  await until(
    "it waits to fire",
    async () => (await prometheus.query(pending)).length === 1,
    WAIT_MS,
  );
  await first.order("undrain", {});
  await until("it is over", async () => (await prometheus.query(pending)).length === 0, WAIT_MS);
});

test("HoldfastDrainCutSessions fires when a drain's window ends before its sessions have left", async () => {
  fleet.balancer.remove(first.id);
  await second.order("drain", { windowMs: 1_000, preDelayMs: 0 });
  await fires("HoldfastDrainCutSessions", second.pod);
  fleet.admit(first);
  await second.order("undrain", {});
});

test("HoldfastGaps fires when the broker comes back without its data, and is over when that is past", async () => {
  await fleet.redis.kill();
  await fleet.redis.restart({ empty: true });
  await until(
    "it fires",
    async () => (await firing("HoldfastGaps")).some(({ reason }) => reason === "epoch"),
    WAIT_MS,
  );
  await resolves("HoldfastGaps");
});

test("HoldfastUndeclaredLoss fires when a client reports a hole that nobody declared", async () => {
  const socket = await rawSocket(first.url.replace("http", "ws"), { protocol: "holdfast.v1" });
  const counts = {
    reconnects: 0,
    migrations: 0,
    duplicates: 0,
    gaps: 0,
    lost: 0,
    undeclared: 1,
    resumeMsMax: 0,
  };
  socket.text(JSON.stringify({ t: "connect", id: 1 }));
  await until("connected", () => socket.received.length > 0);
  socket.text(JSON.stringify({ t: "report", counts }));
  await fires("HoldfastUndeclaredLoss");
  socket.end();
});

/** What these tests give no cause to show. */
const MAY_BE_SILENT = [
  // Marks are of the last minute.
  ...DASHBOARDS.map(({ uid }) => `${uid}: Drains`),
  "holdfast-mqtt: Connections that were ended",
  "holdfast-mqtt: Connections that were refused",
  "holdfast-mqtt: Wills",
  "holdfast-operator: Releases",
  "holdfast-broker: Publishes that found no room",
  "holdfast-fleet: Memory for each connection",
  "holdfast-fleet: Requests of clients answered with an error",
  "holdfast-fleet: Things that must not happen",
  "holdfast-pipelines: Dead letters by reason",
  "holdfast-security: Certificate, until it ends",
  "holdfast-security: Connections ended for what the client did",
  "holdfast-security: Requests refused for a right or a rate",
];

test("every query of every dashboard is answered by a fleet that has seen all this, and has something to show", async () => {
  await fleet.addDevices();
  await until(
    "clients of MQTT are scraped",
    // Twice, each with a refused publish: before, there is no rate.
    async () =>
      (await prometheus.query("rate(holdfast_mqtt_publishes_refused_total[1m])")).length >= 2,
    WAIT_MS,
  );
  const silent: string[] = [];
  for (const spec of DASHBOARDS) {
    for (const [title, expr] of queriesOf(renderDashboard(spec, RUN_BOOK_BASE))) {
      const plain = expr
        .replaceAll(/\$__(rate_interval|range)/g, "2m")
        .replaceAll(/\$(namespace|job|node|revision|set|route)/g, ".*");
      // Whether it is above 0 is of the moment; whether there is a series is not.
      if ((await prometheus.query(plain.replace(/ > 0$/, ""))).length === 0)
        silent.push(`${spec.uid}: ${title}`);
    }
  }
  expect(silent.filter((one) => !MAY_BE_SILENT.includes(one))).toEqual([]);
});

test("HoldfastOperatorNoLeader and HoldfastOperatorWatchStale fire for an operator that nobody answers, and keep quiet about one that leads", async () => {
  const cutOff = await startCutOffOperator();
  prometheus.scrape([...fleet.nodes, operator, gateway, cutOff]);
  await fires("HoldfastOperatorNoLeader");
  await fires("HoldfastOperatorWatchStale");
  const where = { namespace: "cut-off", job: "holdfast" };
  expect(await firing("HoldfastOperatorNoLeader")).toEqual([where]);
  const stale = await firing("HoldfastOperatorWatchStale");
  expect(new Set(stale.map(({ namespace }) => namespace))).toEqual(new Set(["cut-off"]));
  // Every kind: none was ever listed.
  expect(stale).toHaveLength(KINDS.length);
  await cutOff.stop();
});

test("HoldfastNodeDown fires for a node that was killed, and is over when it is no target any more", async () => {
  const targets = [...fleet.nodes, operator, gateway];
  await second.kill();
  prometheus.scrape(targets);
  await fires("HoldfastNodeDown", second.pod);
  prometheus.scrape([...fleet.nodes, operator, gateway]);
  await resolves("HoldfastNodeDown");
});

/** Title of the panel or mark, and query. */
function queriesOf(text: string): readonly (readonly [string, string])[] {
  interface Panel {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }
  const { panels, annotations } = JSON.parse(text) as {
    readonly panels: readonly Panel[];
    readonly annotations: {
      readonly list: readonly { readonly name: string; readonly expr: string }[];
    };
  };
  return [
    ...panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => [title, expr] as const),
    ),
    ...annotations.list.map(({ name, expr }) => [name, expr] as const),
  ];
}
