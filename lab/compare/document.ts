// Owns: docs/benchmarks.md and the headline table of the README, made from the result that lies
// beside the page.

import { filledPage, paragraph } from "../paragraph.ts";
import { count, line, number, picture, spread } from "./cells.ts";
import { type ChartName, chartOf } from "./charts.ts";
import { LIMITS, methodOf } from "./method.ts";
import { type CompareResult, seriesOf } from "./result.ts";
import { RIVAL_NAMES, RIVAL_TEXTS, type RivalName } from "./rivals.ts";
import { SCENARIO_RIVALS, type ScenarioName } from "./scenario.ts";
import { deliveriesPerCpuSecond, targetsOf } from "./targets.ts";

type Figures = Readonly<Record<string, number>>;

interface Row {
  readonly label: string;
  readonly figure: (figures: Figures) => number | undefined;
  readonly digits: number;
}

/** The whole page. */
export function compareDocument(result: CompareResult): string {
  const { fanOut, rooms, recovery, memory } = result.sizes;
  return filledPage(
    `${[
      "# Benchmarks",
      "<!-- Generated from benchmarks/compare.json by `npm run generate`; a check compares them. `npm run bench:compare` measures anew. -->",
      `This page compares the same work on Holdfast, Socket.IO, ${isMeasured(result, "centrifugo") ? "Centrifugo " : ""}and two bare servers. The bare servers only forward messages. They show the least that any server on Bun or on Node costs. One machine ran ${result.rounds === 1 ? "one round" : `${result.rounds} rounds, in which the servers take turns`}. Figures are medians, with the least and the most in brackets. ${dateOf(result)}`,
      "```sh\nnpm run bench:compare              # everything, about twenty minutes on a quiet machine\nnpm run bench:compare -- --quick   # five minutes, docs are left alone\nnpm run bench:compare -- --help\n```",
      "MQTT brokers and stream processors are on [a page of their own](benchmarks/telemetry.md).",
      "## Targets",
      targetTable(result),
      `## Fan-out to ${count(fanOut.subscribers)}`,
      `One client publishes to a channel of ${count(fanOut.subscribers)} subscribers, ${count(fanOut.deliveriesPerSecond / fanOut.subscribers)} times a second. That makes ${count(fanOut.deliveriesPerSecond)} deliveries a second. Every server can keep this pace.`,
      figure(result, "fanout"),
      table(result, "fanout", FLOW_ROWS),
      ratioTable(result, "fanout"),
      `## Rooms of ${rooms.members}`,
      `There are ${count(rooms.rooms)} rooms of ${rooms.members} clients, and every client writes. That makes ${count(rooms.deliveriesPerSecond / rooms.members)} publishes and ${count(rooms.deliveriesPerSecond)} deliveries a second. Each publish has few deliveries, so reading, checking and answering it is a larger part of the cost.`,
      figure(result, "rooms"),
      table(result, "rooms", FLOW_ROWS),
      ratioTable(result, "rooms"),
      "## Memory",
      `${count(memory.connections)} clients connect. Then each subscribes to one channel: half of them to their own channel, half to channels shared by 150. The figure is the growth of resident memory since the server was empty, divided by the connections. The kernel needs more memory for sockets, equally for every server.`,
      figure(result, "memory"),
      table(result, "memory", MEMORY_ROWS),
      "## Recovery",
      `${count(recovery.clients)} clients in rooms of ${recovery.clients / recovery.rooms} lose their connections at once. While they are away, ${recovery.missed} messages are published to each room. Then all clients connect again and get what they missed. That makes ${count(recovery.clients * recovery.missed)} deliveries and ${count(recovery.clients)} handshakes. The bare servers have no recovery.`,
      figure(result, "recovery"),
      table(result, "recovery", RECOVERY_ROWS),
      "## One, two and three nodes over Redis",
      `Each node has ${count(result.sizes.nodes.subscribersOfNode)} subscribers of one channel. One client publishes ${result.sizes.nodes.publishesPerSecond} times a second. Without any cost of another node, deliveries for each CPU-second would stay the same. All nodes share one core here. So the figures show what another node costs, not what three machines can do.`,
      figure(result, "nodes"),
      nodesTable(result),
      "## How it is measured",
      methodOf(result),
      "## What the servers are",
      RIVAL_NAMES.filter((rival) => isMeasured(result, rival))
        .map(
          (rival) =>
            `- **${RIVAL_TEXTS[rival].title}** (${result.versions[rival] ?? "version unknown"}). ${RIVAL_TEXTS[rival].setup}`,
        )
        .join("\n"),
      "## What this does not say",
      LIMITS,
    ]
      .filter((part) => part !== "")
      .join("\n\n")}\n`,
  );
}

/** The README's part: its heading, where the rest is, and the table. */
export function headlineOf(result: CompareResult): string {
  const rivals = (["bun", "socketio", "centrifugo", "holdfast"] as const).filter((rival) =>
    isMeasured(result, rival),
  );
  const { fanOut, recovery } = result.sizes;
  const rows: readonly (readonly [
    label: string,
    scenario: ScenarioName,
    row: Row["figure"],
    digits: number,
  ])[] = [
    [
      `user CPU for each delivery to a room of ${count(fanOut.subscribers)}, µs`,
      "fanout",
      ({ userUsPerDelivery }) => userUsPerDelivery,
      2,
    ],
    ["user and system together, µs", "fanout", cpuOfDelivery, 2],
    [
      "resident memory of a connection with one subscription, kB",
      "memory",
      ({ subscribedBytes }) => kilo(subscribedBytes),
      1,
    ],
    [
      `CPU until ${count(recovery.clients)} clients are back with ${recovery.missed} missed messages each, s`,
      "recovery",
      cpuOfRecovery,
      2,
    ],
  ];
  const lines = rows.map(([label, scenario, pick, digits]) => {
    const cells = rivals.map((rival) => {
      const found = seriesOf(result, { scenario, rival }, pick);
      return found === undefined ? "—" : number(found.median, digits);
    });
    return line([label, ...cells]);
  });
  const table = [
    line(["", ...rivals.map((rival) => RIVAL_TEXTS[rival].title)]),
    line(["---", ...rivals.map(() => "---:")]),
    ...lines,
  ];
  const method = paragraph(
    "The same load ran on one server after another, each on its own core. The figures are medians. [The benchmarks](docs/benchmarks.md) have the method, the spread, the missed targets and the limits of these figures.",
  );
  return `## What it costs\n\n${method}\n\n${table.join("\n")}`;
}

const HEADLINE = /(<!-- headline: [^>]*-->\n)[\s\S]*?(<!-- end of headline -->)/;

/** The text with the headline between its marks. */
export const withHeadline = (text: string, result: CompareResult): string =>
  text.replace(
    HEADLINE,
    (_all, before: string, after: string) => `${before}\n${headlineOf(result)}\n\n${after}`,
  );

const cpuOfDelivery = ({ userUsPerDelivery, systemUsPerDelivery }: Figures) =>
  added(userUsPerDelivery, systemUsPerDelivery);
const cpuOfRecovery = ({ userSeconds, systemSeconds }: Figures) =>
  added(userSeconds, systemSeconds);
const added = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a + b;
const kilo = (bytes: number | undefined) => (bytes === undefined ? undefined : bytes / 1000);

const FLOW_ROWS: readonly Row[] = [
  {
    label: "user CPU for each delivery, µs",
    figure: ({ userUsPerDelivery }) => userUsPerDelivery,
    digits: 2,
  },
  {
    label: "system CPU for each delivery, µs",
    figure: ({ systemUsPerDelivery }) => systemUsPerDelivery,
    digits: 2,
  },
  { label: "deliveries for each CPU-second", figure: deliveriesPerCpuSecond, digits: 0 },
  {
    label: "p50 from the intended publish to arrival, ms",
    figure: ({ p50Ms }) => p50Ms,
    digits: 2,
  },
  { label: "p99, ms", figure: ({ p99Ms }) => p99Ms, digits: 2 },
  {
    label: "the load's own CPU for each delivery, µs",
    figure: ({ loadUsPerDelivery }) => loadUsPerDelivery,
    digits: 2,
  },
  { label: "lost, doubled or out of order", figure: ({ wrong }) => wrong, digits: 0 },
];

const MEMORY_ROWS: readonly Row[] = [
  { label: "idle connection, kB", figure: ({ idleBytes }) => kilo(idleBytes), digits: 2 },
  {
    label: "with one subscription, kB",
    figure: ({ subscribedBytes }) => kilo(subscribedBytes),
    digits: 2,
  },
];

const RECOVERY_ROWS: readonly Row[] = [
  { label: "user CPU, s", figure: ({ userSeconds }) => userSeconds, digits: 2 },
  { label: "system CPU, s", figure: ({ systemSeconds }) => systemSeconds, digits: 2 },
  { label: "until every client has every message, s", figure: ({ seconds }) => seconds, digits: 2 },
  { label: "recovered messages", figure: ({ recovered }) => recovered, digits: 0 },
  { label: "lost or doubled", figure: ({ wrong }) => wrong, digits: 0 },
];

function targetTable(result: CompareResult): string {
  const rows = targetsOf(result).map(({ title, wanted, found, met }) =>
    line([title, wanted, found, met ? "met" : "**missed**"]),
  );
  const table = [
    line(["target", "wanted", "found", ""]),
    line(["---", "---", "---:", "---"]),
    ...rows,
  ].join("\n");
  const whys = targetsOf(result).flatMap(({ title, met, why }) =>
    met || why === undefined ? [] : [`${title}: ${why}`],
  );
  return [table, ...whys].join("\n\n");
}

function table(result: CompareResult, scenario: ScenarioName, rows: readonly Row[]): string {
  const rivals = measuredIn(result, scenario);
  const lines = rows.map(({ label, figure: pick, digits }) =>
    line([
      label,
      ...rivals.map((rival) => spread(seriesOf(result, { scenario, rival }, pick), digits)),
    ]),
  );
  return [
    line(["", ...rivals.map((rival) => RIVAL_TEXTS[rival].title)]),
    line(["---", ...rivals.map(() => "---:")]),
    ...lines,
  ].join("\n");
}

/** Holdfast's CPU over that of the others. */
function ratioTable(result: CompareResult, scenario: ScenarioName): string {
  const others = measuredIn(result, scenario).filter((rival) => rival !== "holdfast");
  const ratio = (rival: RivalName, pick: Row["figure"]): string => {
    const [own, other] = (["holdfast", rival] as const).map(
      (name) => seriesOf(result, { scenario, rival: name }, pick)?.median,
    );
    return own === undefined || other === undefined ? "" : number(own / other, 2);
  };
  return [
    line([
      "Holdfast's CPU for each delivery, as a multiple of that of",
      ...others.map((rival) => RIVAL_TEXTS[rival].title),
    ]),
    line(["---", ...others.map(() => "---:")]),
    line([
      "user",
      ...others.map((rival) => ratio(rival, ({ userUsPerDelivery }) => userUsPerDelivery)),
    ]),
    line(["user and system", ...others.map((rival) => ratio(rival, cpuOfDelivery))]),
  ].join("\n");
}

function nodesTable(result: CompareResult): string {
  const scenarios = ["nodes-1", "nodes-2", "nodes-3"] as const;
  const rows = (["holdfast-redis", "socketio-redis"] as const).flatMap((rival) => {
    const title = RIVAL_TEXTS[rival].title.replace(" over Redis", "");
    const cells = (pick: Row["figure"], digits: number) =>
      scenarios.map((scenario) => spread(seriesOf(result, { scenario, rival }, pick), digits));
    const [one, ...more] = scenarios.map(
      (scenario) => seriesOf(result, { scenario, rival }, deliveriesPerCpuSecond)?.median,
    );
    if (one === undefined) return [];
    return [
      line([
        `${title}: deliveries for each CPU-second of the nodes`,
        ...cells(deliveriesPerCpuSecond, 0),
      ]),
      line([
        `${title}: of what one node does`,
        "1.00",
        ...more.map((value) => (value === undefined ? "" : number(value / one, 2))),
      ]),
      line([
        `${title}: user CPU for each delivery, µs`,
        ...cells(({ userUsPerDelivery }) => userUsPerDelivery, 2),
      ]),
      line([
        `${title}: Redis' CPU for each delivery, µs`,
        ...cells(({ redisUsPerDelivery }) => redisUsPerDelivery, 2),
      ]),
      line([`${title}: p50, ms`, ...cells(({ p50Ms }) => p50Ms, 2)]),
      line([`${title}: lost, doubled or out of order`, ...cells(({ wrong }) => wrong, 0)]),
    ];
  });
  return [
    line(["", "1 node", "2 nodes", "3 nodes"]),
    line(["---", "---:", "---:", "---:"]),
    ...rows,
  ].join("\n");
}

const isMeasured = ({ measurements }: CompareResult, rival: RivalName): boolean =>
  measurements.some((found) => found.rival === rival);

const measuredIn = (result: CompareResult, scenario: ScenarioName): readonly RivalName[] =>
  SCENARIO_RIVALS[scenario].filter((rival) =>
    result.measurements.some((found) => found.scenario === scenario && found.rival === rival),
  );

function figure(result: CompareResult, name: ChartName): string {
  const svg = chartOf(result, name, "light");
  return svg === undefined ? "" : picture(name, svg, "benchmarks/");
}

function dateOf({ measuredAt, quick }: CompareResult): string {
  return `Measured ${measuredAt.slice(0, 10)}${quick ? ", in a quick run: the figures are rough" : ""}.`;
}
