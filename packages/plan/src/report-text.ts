// Owns: a plan as text for a terminal, with bars.

import type { Loss } from "./losses.ts";
import type { MassReconnectResult } from "./mass-reconnect.ts";
import type { Plan } from "./plan.ts";
import { bar, bytes, count, duration, percent, sparkline } from "./units.ts";

const BAR_WIDTH = 30;
const CURVE_WIDTH = 48;

/** Lines of up to 110 signs, in sections. */
export function planText(plan: Plan): string {
  const sections = [
    headline(plan),
    limits(plan),
    oneNode(plan),
    redis(plan),
    deploy(plan),
    losses(plan),
    storms(plan),
    growth(plan),
    closing(plan),
  ];
  return `${sections.filter((section) => section !== "").join("\n\n")}\n`;
}

function headline({ scenario, nodes, sizing }: Plan): string {
  const { demand, node, fleet } = scenario;
  const given = fleet.nodes === undefined ? "" : ` (given; needed: ${count(sizing.nodes)})`;
  const asked = [
    `${count(demand.clients)} clients in rooms of ${count(demand.roomSize)}, ${demand.roomsPerClient} each; ${count(demand.publishesPerSecond)} messages/s of ${demand.dataBytes} bytes`,
    `nodes of ${node.cores} core${node.cores === 1 ? "" : "s"}, ${bytes(node.memoryBytes)}, A = ${count(node.handshakesPerSecond)} handshakes/s; ${percent(fleet.headroom)} free, ${fleet.zones} zone${fleet.zones === 1 ? "" : "s"}`,
  ];
  return `${asked.join("\n")}\n\n${count(nodes)} node${nodes === 1 ? "" : "s"}${given}, bound by ${sizing.limits[0]?.name ?? "nothing"}`;
}

function limits({ sizing }: Plan): string {
  const most = Math.max(...sizing.limits.map(({ nodes }) => nodes));
  const rows = sizing.limits.map(
    ({ name, nodes }) =>
      `  ${name.padEnd(12)}${count(nodes).padStart(9)}  ${bar(nodes / most, BAR_WIDTH)}`,
  );
  return ["Nodes that each limit asks for", ...rows].join("\n");
}

function oneNode({ load, scenario, losses }: Plan): string {
  const { node } = scenario;
  const worst = losses.filter(({ name }) => name !== "everyone").at(-1);
  const row = (name: string, share: number, text: string, after: number | undefined): string =>
    `  ${name.padEnd(12)}${percent(share).padStart(8)}  ${bar(share, BAR_WIDTH).padEnd(BAR_WIDTH)}  ${text}${after === undefined ? "" : `; ${percent(after)} with a ${worst?.name} gone`}`;
  return [
    "One node on an ordinary day",
    row(
      "cpu",
      load.cpuShare,
      `${count(load.deliveriesPerSecond)} deliveries/s`,
      worst?.load.cpuShare,
    ),
    row(
      "memory",
      load.memoryBytes / node.memoryBytes,
      `${bytes(load.memoryBytes)}, ${bytes(load.kernelBytes)} of it the kernel's`,
      worst && worst.load.memoryBytes / node.memoryBytes,
    ),
    row(
      "connections",
      load.connections / node.connectionsMax,
      count(load.connections),
      worst && worst.load.connections / node.connectionsMax,
    ),
  ].join("\n");
}

function redis({ redis: load }: Plan): string {
  return [
    "Redis",
    `  ${count(load.publishesPerSecond)} publishes/s, ${percent(load.threadShare)} of a thread; ${count(load.messagesPerSecond)} messages/s to nodes; ${count(load.primaries)} primar${load.primaries === 1 ? "y" : "ies"}`,
    `  ${bytes(load.inBytesPerSecond)}/s in, ${bytes(load.outBytesPerSecond)}/s out; ${bytes(load.memoryBytes)} of histories and listeners`,
  ].join("\n");
}

function deploy({
  deploy: { roll, windowMs, windowGiven, graceSeconds, preDelayMs, perDay },
  scenario,
}: Plan): string {
  return [
    `A deploy: one extra node, one node after the other${scenario.fleet.balancer === "random" ? ", behind a balancer that picks at random" : ""}`,
    `  ${duration(roll.tookMs)} in all; a node drains in ${duration(roll.drainMs)} (${duration(roll.drainMsMax)} at most)`,
    `  ${roll.movesPerSession.toFixed(2)} moves for each session, ${roll.attemptsPerMove.toFixed(2)} attempts for each move, ${count(roll.cut)} sessions cut, most on one node ${roll.unevenness.toFixed(2)} times the mean`,
    `  peak ${count(roll.attemptsPerSecondMax)} connections/s at one node, A = ${count(scenario.node.handshakesPerSecond)}; ${count(roll.doubledMax)} sessions with two connections at once`,
    `  drain.preDelayMs ${preDelayMs / 1000}s, drain.windowMs ${windowMs / 1000}s${windowGiven ? "" : " (what the pace needs)"}, terminationGracePeriodSeconds ${graceSeconds}`,
    ...(perDay.deploys === 1
      ? []
      : [`  ${perDay.deploys} a day: ${duration(perDay.tookMs)}, ${count(perDay.moves)} moves`]),
  ].join("\n");
}

function losses({ losses: all, scaleUp, nodes, scenario }: Plan): string {
  const rows = all.map((loss) => `  ${nameOf(loss).padEnd(36)}${backText(loss.massReconnect)}`);
  const joined =
    scaleUp.moved === 0
      ? `  one node more: nothing moves, since the others are within the rebalancing tolerance; newcomers and deploys fill it`
      : `  one node more: ${count(scaleUp.moved)} sessions move to it at up to ${count(scaleUp.perSecond)}/s within ${duration(scaleUp.tookMs)} (${percent(scaleUp.filledShare)} of its share)`;
  return [
    `Losses, from ${count(nodes)} nodes with A = ${count(scenario.node.handshakesPerSecond)}`,
    ...rows,
    joined,
  ].join("\n");
}

function nameOf({ name, clientsLost }: Loss): string {
  return `${name === "everyone" ? "all connections" : `a ${name} dies`}: ${count(clientsLost)} clients`;
}

function backText(massReconnect: MassReconnectResult): string {
  const back =
    massReconnect.backMs === undefined
      ? `${percent(massReconnect.backShare)} back after ${duration(massReconnect.curve.at(-1)?.atMs ?? 0)}`
      : `all back after ${duration(massReconnect.backMs)}`;
  return `${back}, ${massReconnect.attemptsPerClient.toFixed(2)} attempts each, peak ${count(massReconnect.setUpsPerSecondMax)} handshakes/s of a node`;
}

function storms({
  storms: { asIs, fullWindow, withoutWindow, neither, fullWindowMs },
}: Plan): string {
  const line = (name: string, massReconnect: MassReconnectResult): string =>
    `  ${name.padEnd(26)}|${sparkline(sampled(massReconnect, CURVE_WIDTH, untilMs))}| ${massReconnect.backMs === undefined ? `${percent(massReconnect.backShare)} back` : duration(massReconnect.backMs)}, ${massReconnect.attemptsPerClient.toFixed(1)} attempts`;
  const all = [asIs, fullWindow, withoutWindow, neither];
  const untilMs = Math.min(
    Math.max(...all.map(({ backMs, curve }) => backMs ?? curve.at(-1)?.atMs ?? 0)),
    4 * Math.max(asIs.backMs ?? 0, fullWindowMs),
  );
  return [
    `A storm, all connections at once, if a handshake costs as much CPU as A says: share back, 0 to ${duration(untilMs)}`,
    line("as it is", asIs),
    line(`told a window of ${duration(fullWindowMs)}`, fullWindow),
    line("no window, admission", withoutWindow),
    line("no window, no admission", neither),
  ].join("\n");
}

/** The curve at so many times up to `untilMs`. */
export function sampled(
  { curve, backShare }: MassReconnectResult,
  points: number,
  untilMs: number,
): readonly number[] {
  return Array.from({ length: points }, (_, point) => {
    const atMs = (untilMs * (point + 1)) / points;
    return (
      curve.findLast((sample) => sample.atMs <= atMs)?.share ?? (curve.length === 0 ? backShare : 0)
    );
  });
}

function growth({ growth: rows }: Plan): string {
  if (rows.length === 0) return "";
  const most = Math.max(...rows.map(({ nodes }) => nodes));
  return [
    "Growth",
    ...rows.map(
      ({ months, clients, nodes, binding }) =>
        `  ${`${months} months`.padEnd(10)}${count(clients).padStart(12)} clients ${count(nodes).padStart(7)} nodes  ${bar(nodes / most, BAR_WIDTH)} ${binding ?? ""}`,
    ),
  ].join("\n");
}

function closing({ problems, events }: Plan): string {
  const found =
    problems.length === 0
      ? ["Everything that was asked for holds."]
      : ["What does not hold", ...problems.map(({ text }) => `  ${text}`)];
  return [
    ...found,
    "",
    `${count(events)} simulated events. What is approximated, and how far off it was when measured: docs/guide/capacity-planning.md`,
  ].join("\n");
}
