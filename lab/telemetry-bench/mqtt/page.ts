// Owns: the part of the page about MQTT brokers: targets, charts, tables, method.
import type { Bar, BarChart } from "../../compare/bar-chart.ts";
import { count, line, number, spread } from "../../compare/cells.ts";
import { seriesOf } from "../../compare/result.ts";
import type { TargetFound } from "../../compare/targets.ts";
import { type Series, series } from "../../micro/series.ts";
import { isMeasured, type Pick, ratioOf } from "../rounds.ts";
import type { TelemetryResult } from "../subject.ts";
import { BROKER_NAMES, BROKER_TEXTS, type BrokerName } from "./rivals.ts";
import type { FlowName, MqttSizes } from "./subject.ts";

type Result = TelemetryResult<MqttSizes>;

const CPU_RATIO_MAX = 1.5;
const IDLE_BYTES_MAX = 8000;
const CPU_WHY =
  "system CPU is no more than mosquitto's. What is left is user CPU, which was not profiled further. A node checks the topic, rights, limits and the JSON. It gives the publication an offset and a place in the history, and answers when the broker has it. Threads of the compiler also count. They work on for some seconds after the warm-up. With 50 subscribers the node's part is shared by all deliveries.";

/** Medians of the ratios that each round gives by itself. */
export function mqttTargets(result: Result): readonly TargetFound[] {
  const cpu = (["one-to-one", "one-to-many"] as const).flatMap((scenario): TargetFound[] => {
    const ratio = ratioOf(result, { scenario, rival: "holdfast", over: "mosquitto" }, cpuOf);
    if (ratio === undefined) return [];
    const { publishers, subscribers } = result.sizes[scenario];
    return [
      {
        title: `CPU for each message of QoS 1, ${publishers} to ${subscribers}, over mosquitto's`,
        wanted: `at most ${CPU_RATIO_MAX}`,
        found: spread(ratio, 2),
        met: ratio.median <= CPU_RATIO_MAX,
        why: CPU_WHY,
      },
    ];
  });
  const idle = seriesOf(result, { scenario: "idle", rival: "holdfast" }, "betweenBytes");
  return idle === undefined
    ? cpu
    : [
        ...cpu,
        {
          title: "Memory for each idle connection with a session",
          wanted: `below ${IDLE_BYTES_MAX / 1000} kB`,
          found: `${spread(inKilo(idle), 1)} kB`,
          met: idle.median < IDLE_BYTES_MAX,
        },
      ];
}

export function mqttCharts(result: Result): Readonly<Record<string, BarChart>> {
  return {
    "mqtt-cpu": cpuChart(result, "one-to-one"),
    "mqtt-fanout": cpuChart(result, "one-to-many"),
    "mqtt-memory": {
      title: "Resident memory for each idle connection with a session",
      unit: "kB",
      parts: ["idle"],
      digits: 1,
      bars: BROKER_NAMES.flatMap((rival): Bar[] => {
        const found = seriesOf(result, { scenario: "idle", rival }, "betweenBytes");
        if (found === undefined) return [];
        const { median, least, most } = inKilo(found);
        return [{ ...barOf(rival), values: [median], spread: [least, most] }];
      }),
    },
  };
}

function cpuChart(result: Result, scenario: FlowName): BarChart {
  const { publishers, subscribers } = result.sizes[scenario];
  return {
    title: `CPU for each message of QoS 1, ${publishers} to ${subscribers}`,
    unit: "µs",
    parts: ["user", "system"],
    digits: 0,
    bars: BROKER_NAMES.flatMap((rival): Bar[] => {
      const of = (figure: string | Pick) => seriesOf(result, { scenario, rival }, figure);
      const [user, system, whole] = [of("userUsPerMessage"), of("systemUsPerMessage"), of(cpuOf)];
      if (user === undefined || system === undefined || whole === undefined) return [];
      const values = [user.median, system.median];
      return [{ ...barOf(rival), values, spread: [whole.least, whole.most] }];
    }),
  };
}

const barOf = (rival: BrokerName) => ({
  label: BROKER_TEXTS[rival].title,
  ours: rival.startsWith("holdfast"),
});

export function mqttSections(result: Result, chart: (name: string) => string): readonly string[] {
  const { sizes } = result;
  const [one, many, devices] = (["one-to-one", "one-to-many", "many-to-one"] as const).map(
    (name) => sizes[name],
  );
  const [few, most] = sizes.memory.connections;
  return [
    "## MQTT: messages of QoS 1",
    `One client publishes ${count(one?.messagesPerSecond ?? 0)} messages a second with QoS 1, and another one subscribes with QoS 1.`,
    chart("mqtt-cpu"),
    flowTable(result, "one-to-one"),
    `## MQTT: one to ${many?.subscribers}`,
    `One client publishes ${count(many?.messagesPerSecond ?? 0)} messages a second, and ${many?.subscribers} clients subscribe. All of it is QoS 1. The CPU is that of a message with its ${many?.subscribers} deliveries.`,
    chart("mqtt-fanout"),
    flowTable(result, "one-to-many"),
    `## MQTT: ${devices?.publishers} devices to one`,
    `${devices?.publishers} clients publish ${count(devices?.messagesPerSecond ?? 0)} messages a second together, and one client subscribes. All of it is QoS 1.`,
    flowTable(result, "many-to-one"),
    "## MQTT: idle connections",
    `${count(few)} clients connect, then ${count(most - few)} more. Their sessions outlive their connections, and keep-alives run. The figure is the growth of resident memory between the two, divided by ${count(most - few)}.`,
    chart("mqtt-memory"),
    memoryTable(result),
    "## How MQTT is measured",
    method(sizes),
    "## What the brokers are",
    BROKER_NAMES.filter((rival) => isMeasured(result, rival))
      .map(
        (rival) =>
          `- **${BROKER_TEXTS[rival].title}** (${result.versions[rival] ?? "version unknown"}). ${BROKER_TEXTS[rival].setup}`,
      )
      .join("\n"),
    "The brokers do different work for this cost. Holdfast numbers and keeps every publication, and checks rights and limits. A client that comes back, on any node, goes on where it was. mosquitto, mochi-mqtt and aedes keep a message until it is acknowledged, in one process. NATS keeps it in a log.",
  ];
}

const FLOW_ROWS: readonly (readonly [label: string, pick: string | Pick, digits: number])[] = [
  ["CPU for each message, µs", (figures) => cpuOf(figures), 1],
  ["of that user, µs", "userUsPerMessage", 1],
  ["Redis' CPU for each message, µs", "redisUsPerMessage", 1],
  ["PUBLISH to PUBACK, p50, ms", "ackP50Ms", 2],
  ["p99, ms", "ackP99Ms", 2],
  ["PUBLISH to the subscriber, p50, ms", "deliveryP50Ms", 2],
  ["p99, ms", "deliveryP99Ms", 2],
  ["lost or doubled", "wrong", 0],
];

function flowTable(result: Result, scenario: FlowName): string {
  const rivals = BROKER_NAMES.filter((rival) => isMeasured(result, rival, scenario));
  const ratios = rivals.map((rival) =>
    spread(ratioOf(result, { scenario, rival, over: "mosquitto" }, cpuOf), 2),
  );
  return table(rivals, [
    ...FLOW_ROWS.map(([label, pick, digits]) => [
      label,
      ...rivals.map((rival) => spread(seriesOf(result, { scenario, rival }, pick), digits)),
    ]),
    ["CPU, as a multiple of mosquitto's", ...ratios],
  ]);
}

function memoryTable(result: Result): string {
  const rivals = BROKER_NAMES.filter((rival) => isMeasured(result, rival, "idle"));
  const [few, many] = result.sizes.memory.connections;
  const row = (label: string, scenario: string, figure: string): readonly string[] => [
    label,
    ...rivals.map((rival) => {
      const found = seriesOf(result, { scenario, rival }, figure);
      return found === undefined ? "" : spread(inKilo(found), 1);
    }),
  ];
  return table(rivals, [
    row("idle connection, kB", "idle", "betweenBytes"),
    row("with one subscription, kB", "subscribed", "betweenBytes"),
    row(`idle, of the first ${count(few)}, kB`, "idle", "fewBytes"),
    row(`idle, of all ${count(many)}, kB`, "idle", "manyBytes"),
  ]);
}

const table = (rivals: readonly BrokerName[], rows: readonly (readonly string[])[]): string =>
  [
    line(["", ...rivals.map((rival) => BROKER_TEXTS[rival].title)]),
    line(["---", ...rivals.map(() => "---:")]),
    ...rows.map(line),
  ].join("\n");

function method({ flow, warmUpDeliveries, memory }: MqttSizes): string {
  return [
    `- Payloads are JSON objects of ${flow.payloadBytes} bytes. Sessions outlive their connections. Messages are numbered, and each subscriber's numbers are checked.`,
    "- The clients are small, speak MQTT 3.1.1 over raw sockets, and do the same work for each broker. They are in one process. It does not sleep: it looks for messages as long as nothing is due.",
    `- Before the measurement ${count(warmUpDeliveries)} messages are delivered as fast as they are acknowledged. After that every runtime has compiled its hot code. Then the pace itself runs for ${number(flow.leadMs / 1000, 0)} s, and for ${number(flow.windowMs / 1000, 0)} s more it is measured.`,
    "- Messages are due at random moments around the pace. A slow broker does not delay them. Delays count from the moment at which a message was due, so they contain the load's own.",
    "- CPU is the user and system time of the broker's process. Ratios are those of one round, and the table has their median. System time is mostly the four packets of a message: PUBLISH and PUBACK, on both sides.",
    `- Memory is VmRSS, the least of ${memory.readings} readings after ${number(memory.quietMs / 1000, 0)} quiet seconds. Before that 200 connections came and went. Node is made to collect garbage. There is one round, and other measurements used the machine meanwhile.`,
  ].join("\n");
}

const cpuOf: Pick = ({ userUsPerMessage = Number.NaN, systemUsPerMessage = Number.NaN }) =>
  userUsPerMessage + systemUsPerMessage;

const inKilo = (found: Series): Series => series(found.values.map((bytes) => bytes / 1000));
