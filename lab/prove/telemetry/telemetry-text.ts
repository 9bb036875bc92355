// Owns: the telemetry proof as text: lines of progress, and a section of docs/proof.md.
import type { Seen } from "./bench.ts";
import {
  aboveStraight,
  type DirectResult,
  hasFailures,
  type MemoryResult,
  type Spread,
  type TelemetryResult,
  type TelemetryStepResult,
} from "./result.ts";

const number = (value: number): string => value.toLocaleString("en");
const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
const pair = ({ p50, p99 }: Spread): string => `${number(p50)} / ${number(p99)}`;
const three = (one: Spread): string => `${pair(one)} / ${number(one.max)}`;
const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${number(count)}`)
    .join(", ");

/** A step that is over, before the oracle has looked at it. */
export function seenLine(seen: Seen): string {
  const { title, tookMs, caughtUpMs, roundTripMs, lagMax, stolenPercent, load, devices } = seen;
  return [
    `${title} (${seconds(tookMs)} s, caught up after ${seconds(caughtUpMs)} s): PUBACK after ${three(roundTripMs)} ms, lag at most ${number(lagMax)}, the host took ${stolenPercent.toFixed(1)} %, load ${load.toFixed(1)}`,
    ...(Object.keys(devices).length === 0 ? [] : [`       devices: ${countsText(devices)}`]),
    ...seen.failures.map((text) => `       FAILED: ${text}`),
  ].join("\n");
}

/** The verdict on every step. */
export function closingLines(result: TelemetryResult): string {
  return [
    ...result.steps.map(stepLines),
    ...(result.direct === undefined ? [] : [directLines(result.direct)]),
    `memory: ${memoryText(result.memory)}`,
    ...result.failures.map((text) => `FAILED: ${text}`),
    hasFailures(result) ? "The proof fails." : "The proof holds.",
  ].join("\n");
}

function stepLines(step: TelemetryStepResult): string {
  const { title, failures, acknowledged, inWindows, late, lateByFault, dead, delayMs } = step;
  return [
    `${failures.length === 0 ? "ok    " : "FAILED"} ${title}: ${number(acknowledged)} acknowledged: ${number(inWindows)} in windows, ${number(late)} late (${number(lateByFault)} by the fault), ${number(dead)} dead`,
    `       ${number(step.windows)} windows, ${number(step.kafkaAgain)} of them in Kafka again, ${step.gaps} gaps told; results after ${three(delayMs.socket)} ms (socket, p50 / p99 / longest), ${three(delayMs.events)} (events), ${three(delayMs.kafka)} (Kafka), ${three(delayMs.table)} (table)`,
    ...failures.map((text) => `       FAILED: ${text}`),
  ].join("\n");
}

const directLines = (direct: DirectResult): string =>
  [
    `${direct.failures.length === 0 ? "ok    " : "FAILED"} event by event: ${number(direct.acknowledged)} acknowledged, ${number(direct.kafkaAgain)} in Kafka again`,
    `       from the device into Kafka ${three(direct.kafkaMs)} ms, straight ${three(direct.straightKafkaMs)}; into the table ${three(direct.tableMs)}, straight ${three(direct.straightTableMs)}; PUBACK ${three(direct.roundTripMs)}`,
    ...direct.failures.map((text) => `       FAILED: ${text}`),
  ].join("\n");

const memoryText = ({ keys, heapBytes, residentBytes, savedBytes }: MemoryResult): string =>
  `${number(keys)} keys in two open windows: ${megabytes(heapBytes)} MB of objects, ${megabytes(residentBytes)} MB of the process, ${megabytes(savedBytes)} MB in the broker`;

type Column = readonly [head: string, cell: (step: TelemetryStepResult) => string];

const COLUMNS: readonly Column[] = [
  ["acknowledged", ({ acknowledged }) => number(acknowledged)],
  ["in windows", ({ inWindows }) => number(inWindows)],
  ["late", ({ late }) => number(late)],
  ["by the fault", ({ lateByFault }) => number(lateByFault)],
  ["dead", ({ dead }) => number(dead)],
  ["windows", ({ windows }) => number(windows)],
  ["Kafka again", ({ kafkaAgain }) => number(kafkaAgain)],
  ["gaps told", ({ gaps }) => number(gaps)],
  ["reconnects", ({ devices }) => number(devices.connects ?? 0)],
  ["sent again", ({ devices }) => number(devices.again ?? 0)],
  ["PUBACK, p50 / p99, ms", ({ roundTripMs }) => pair(roundTripMs)],
  ["socket: p50 / p99 / longest, ms", ({ delayMs }) => three(delayMs.socket)],
  ["events", ({ delayMs }) => three(delayMs.events)],
  ["Kafka", ({ delayMs }) => three(delayMs.kafka)],
  ["table", ({ delayMs }) => three(delayMs.table)],
  ["lag", ({ lagMax }) => number(lagMax)],
  ["host took, %", ({ stolenPercent }) => stolenPercent.toFixed(1)],
  ["load", ({ load }) => load.toFixed(1)],
  ["holds", ({ failures }) => (failures.length === 0 ? "yes" : "**no**")],
];

/** Paragraphs of docs/proof.md. */
export function telemetrySection(result: TelemetryResult): readonly string[] {
  const { machine, versions, measuredAt, tookMs, loadBefore, direct, memory } = result;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const heads = ["step", ...COLUMNS.map(([head]) => head)];
  const rows = result.steps.map((step) => [step.title, ...COLUMNS.map(([, cell]) => cell(step))]);
  return [
    "## Devices, pipelines and sinks",
    "`npm run prove -- --telemetry` starts a real Redis, PostgreSQL, franz-go's Kafka broker, two nodes, and devices that speak MQTT 5. A pipeline computes windows. They go into a channel, a topic of Kafka and a table. An oracle computes every window again from the log of what devices were acknowledged.",
    `${number(result.devices)} devices, ${number(result.eventsPerSecond)} events a second (QoS 1); windows of ${seconds(result.windowMs)} s, lateness ${seconds(result.latenessMs)} s, ${result.partitions} partitions; a sink is away for ${seconds(result.sinkAwayMs)} s. ${measuredAt.slice(0, 10)}; ${machine.processor}, ${machine.cores} cores for everything together; ${software.join(", ")}; load average before: ${loadBefore.toFixed(1)}; it took ${(tookMs / 60_000).toFixed(1)} minutes.`,
    table(heads, rows),
    ...missed(result),
    ...(direct === undefined ? [] : directParts(direct)),
    "### Memory of windows",
    `Goal: 10,000 keys below 100 MB. Found: ${memoryText(memory)}.`,
    "### How to read these rows",
    READING,
  ];
}

function missed({ steps, direct, failures }: TelemetryResult): readonly string[] {
  const lines = [
    ...steps.flatMap(({ title, failures: all }) => all.map((text) => `- ${title}: ${text}.`)),
    ...(direct?.failures ?? []).map((text) => `- Event by event: ${text}.`),
    ...failures.map((text) => `- ${text}.`),
  ];
  return lines.length === 0 ? ["Every step holds."] : ["Missed:", lines.join("\n")];
}

function directParts(direct: DirectResult): readonly string[] {
  const { kafkaMs, tableMs, straightKafkaMs, straightTableMs, roundTripMs } = direct;
  const row = (name: string, all: Spread, straight: Spread): readonly string[] => [
    ...[name, three(all), three(straight), three(roundTripMs)],
    number(aboveStraight(all, straight)),
    number(Math.round((aboveStraight(all, straight) - roundTripMs.p99) * 10) / 10),
  ];
  return [
    "### Event by event",
    `A second pipeline filters and maps every event, without a window: ${number(direct.acknowledged)} events acknowledged, ${number(direct.kafkaAgain)} in Kafka again; the host took ${direct.stolenPercent.toFixed(1)} %, load ${direct.load.toFixed(1)}. Times are p50 / p99 / longest, in ms.`,
    table(
      [
        ...["sink", "device to sink", "straight into it", "PUBLISH to PUBACK"],
        ...["p99 above straight", "and above PUBACK (goal: 10)"],
      ],
      [
        row("Kafka, at its consumer", kafkaMs, straightKafkaMs),
        row("PostgreSQL, when committed", tableMs, straightTableMs),
      ],
    ),
    DIRECT_READING,
  ];
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const under = heads.map((_, place) => (place === 0 ? "---" : "---:"));
  return [line(heads), line(under), ...rows.map(line)].join("\n");
}

const DIRECT_READING =
  "An event waits for the commit under way, then for its own. Each output has one write under way, so it waits for that as well. All processes share the cores named above, and together they use most of them. So the 99th percentiles have much waiting for a processor in them; half of the events show the way itself.";

const READING = [
  "- Each acknowledged event is in exactly one place: a window, the late ones, or the dead letters. The oracle knows which windows there must be, and each must be equal: count, sum, extremes, and the sum of a mark of each event.",
  "- The channel has each window once, by WebSocket (**socket**) and by server-sent events (**events**). The table has one row for each key. Kafka has each at least once: **Kafka again** counts repetitions.",
  "- One event in 500 says that it is 55 s old, and one in 500 makes the pipeline's function throw. **by the fault**: late ones that devices made in time. A fault kept them back for longer than the lateness.",
  "- **gaps told**: when Redis comes back, nodes cannot know whether it lost something, and say so. Here it had lost nothing. No other step may tell a gap.",
  "- **reconnects**, **sent again**: devices connect to the other node, and send again what had no PUBACK.",
  "- Times of results count from the first moment at which the window could close: its end and the lateness. A device's next event closes it. They stand in the step of that moment, the counts in the step in which the window began. Windows close together, so a pause that fits between two closings is not seen.",
  "- If a node stands still, so does the reader of events that it serves. The SDK notices and goes to another node.",
  "- **straight into it**: before, another process writes as many records a second into the same servers with their own clients. It has as many writers as the pipeline has partitions.",
  "- Kafka's times end at franz-go's consumer. Those of PostgreSQL end at the commit's timestamp, with and without Holdfast.",
  "- Redis writes an append-only file (`appendfsync everysec`) and is stopped with SIGTERM, so it loses nothing. PostgreSQL is stopped as in a crash (SIGQUIT), the Kafka broker and the node with SIGKILL.",
  "- The node that stands still holds partitions. Another one takes them after the lease (5 s). When the first goes on, its commits are refused.",
].join("\n");
