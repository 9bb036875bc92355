// Owns: the table that people read, made from a result alone.
import { filledPage } from "../paragraph.ts";
import type { Result, RivalResult } from "./result.ts";
import type { Series } from "./series.ts";

const SINGLE = "single";

interface Row {
  readonly label: string;
  readonly pick: (rival: RivalResult) => Series | undefined;
  readonly digits: number;
}

/** The whole page docs/benchmarks/micro.md. */
export function reportOf(result: Result): string {
  const { bun, socketio, holdfast } = result.rivals;
  const { plan, machine } = result;
  const sizes = `${plan.room.toLocaleString("en")} and ${plan.connections.toLocaleString("en")}`;
  return filledPage(
    `${[
      "# Micro-benchmark: fan-out and connections",
      `Generated from \`micro.json\` by \`npm run bench:micro\`; measured ${result.measuredAt.slice(0, 10)}.`,
      `The same messages pass through bare \`Bun.serve\` with \`server.publish\`, Socket.IO and a Holdfast node, each ${plan.rounds} times in turn. Figures are medians, with the least and the most in brackets. CPU is in µs for each delivery.`,
      table(result, cpuRows(result)),
      `## Ratios`,
      ratios(result),
      "## Memory for each connection",
      table(result, [
        { label: "idle session, kB", pick: (rival) => inKilobytes(rival.idleBytes), digits: 2 },
        {
          label: "session with one subscription, kB",
          pick: (rival) => inKilobytes(rival.subscribedBytes),
          digits: 2,
        },
      ]),
      `Holdfast over bare Bun: ${more(holdfast, bun, "idleBytes")} kB idle, ${more(holdfast, bun, "subscribedBytes")} kB with one subscription (target: at most 5).`,
      "## Throughput, if the server publishes as fast as it can",
      table(result, [
        {
          label: `deliveries/s to ${plan.room.toLocaleString("en")}`,
          pick: (rival) => rival.fanOuts.flatOut?.deliveriesPerSecond,
          digits: 0,
        },
      ]),
      "## Method",
      method(result, sizes),
      `Machine: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}. Versions: ${bun.version}; ${socketio.version}; ${holdfast.version}.`,
    ].join("\n\n")}\n`,
  );
}

function cpuRows({ plan }: Result): readonly Row[] {
  const scenarios: [name: string, label: string][] = [
    [SINGLE, "1 subscriber"],
    ["room", `${plan.room.toLocaleString("en")} subscribers`],
    ["everyone", `${plan.connections.toLocaleString("en")} subscribers`],
    ["clientRoom", `${plan.room.toLocaleString("en")} subscribers, published by a client`],
  ];
  return scenarios.flatMap(([name, label]) => [
    {
      label: `${label}, user`,
      pick: (rival: RivalResult) => rival.fanOuts[name]?.userUs,
      digits: 2,
    },
    {
      label: `${label}, system`,
      pick: (rival: RivalResult) => rival.fanOuts[name]?.systemUs,
      digits: 2,
    },
  ]);
}

function table({ rivals }: Result, rows: readonly Row[]): string {
  const cell = (found: Series | undefined, digits: number) =>
    found === undefined
      ? ""
      : `${number(found.median, digits)} (${number(found.least, digits)}–${number(found.most, digits)})`;
  const line = ({ label, pick, digits }: Row) =>
    `| ${[label, ...[rivals.bun, rivals.socketio, rivals.holdfast].map((rival) => cell(pick(rival), digits))].join(" | ")} |`;
  return [
    "| | bare Bun | Socket.IO | Holdfast |",
    "| --- | ---: | ---: | ---: |",
    ...rows.map(line),
  ].join("\n");
}

function ratios({ rivals, plan }: Result): string {
  const user = (rival: RivalResult, name: string) =>
    rival.fanOuts[name]?.userUs.median ?? Number.NaN;
  const total = (rival: RivalResult, name: string) =>
    user(rival, name) + (rival.fanOuts[name]?.systemUs.median ?? Number.NaN);
  const row = (name: string, label: string, targets: string) => {
    const [toBun, toSocketIo] = [rivals.bun, rivals.socketio].map((rival) =>
      number(user(rivals.holdfast, name) / user(rival, name), 2),
    );
    const whole = [rivals.bun, rivals.socketio].map((rival) =>
      number(total(rivals.holdfast, name) / total(rival, name), 2),
    );
    return `| ${[label, toBun, toSocketIo, ...whole, targets].join(" | ")} |`;
  };
  return [
    "| Holdfast's CPU for each delivery | user, of bare Bun's | user, of Socket.IO's | whole, of bare Bun's | whole, of Socket.IO's | target (user) |",
    "| --- | ---: | ---: | ---: | ---: | --- |",
    row(SINGLE, "1 subscriber", ""),
    row(
      "room",
      `${plan.room.toLocaleString("en")} subscribers`,
      "1.2 of bare Bun's, 0.33 of Socket.IO's",
    ),
    row("everyone", `${plan.connections.toLocaleString("en")} subscribers`, ""),
  ].join("\n");
}

function method({ plan, rivals }: Result, sizes: string): string {
  const wrong = Object.values(rivals)
    .flatMap((rival) => Object.values(rival.fanOuts))
    .reduce((sum, fanOut) => sum + fanOut.wrong, 0);
  return [
    `- Server and load are separate processes on one machine over loopback. ${plan.drivers} drivers have ${plan.connections.toLocaleString("en")} connections. They are raw WebSockets that only read frame headers, the same for all servers. Every round starts new processes, and the servers take turns. They publish to every channel for some seconds before anything is measured.`,
    `- The message is a JSON object of about 100 bytes. The server makes and encodes it once for each publish. It is published inside the server process, by \`server.publish\`, \`io.to(room).emit\` and Holdfast's \`NodeControl.publish\`. In one row a client publishes over its connection instead.`,
    `- Holdfast's channels are of class \`ordered\`: each publication gets an offset and is kept in a history of 1,000. The other two have neither. What Holdfast publishes in one turn of the event loop leaves in one write for each socket. That has an effect at full speed. Socket.IO runs with WebSocket transport only, without compression and with its in-memory adapter.`,
    `- Rooms of ${sizes} get publishes. The first has ${plan.roomPerSecond.toLocaleString("en")} deliveries/s for ${plan.roomWindowMs / 1000} s, the second ${plan.everyonePerSecond.toLocaleString("en")} for ${plan.windowMs / 1000} s. "1 subscriber" is ${plan.room.toLocaleString("en")} channels with one subscriber each. They get ${plan.singlesPerSecond.toLocaleString("en")} publishes/s in all, one in each turn of the event loop. All servers get the same pace, and the slowest can keep it.`,
    "- CPU is the server process's user and system time (getrusage) from the first publish to the last arrival. The kernel separates the two by sampling. Publishes come at random moments, so they do not follow the samples. User time has an error of some 10 to 20 % in a single round. The sum is exact. System time is mostly one socket write for each delivery, the same for every server.",
    `- Connections are made, and later subscribed, at ${plan.connectsPerSecond.toLocaleString("en")} a second. Memory is the growth of resident memory since the process was warmed up by ${(200).toLocaleString("en")} connections, divided by the connections. It is the least of ${plan.settleReadings} readings after forced garbage collections. Half of the subscriptions have their own channel, and half share channels with 150 subscribers.`,
    `- Every driver counts every message: ${wrong === 0 ? "none was lost, doubled or misdirected" : `${wrong} were lost, doubled or misdirected`}.`,
  ].join("\n");
}

const inKilobytes = ({ median, least, most, values }: Series): Series => ({
  median: median / 1024,
  least: least / 1024,
  most: most / 1024,
  values: values.map((value) => value / 1024),
});

const more = (a: RivalResult, b: RivalResult, key: "idleBytes" | "subscribedBytes") =>
  number((a[key].median - b[key].median) / 1024, 2);

function number(value: number, digits: number): string {
  return value.toLocaleString("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}
