// Owns: the targets of Holdfast, and whether it reached them. Pure.

import { type CompareResult, seriesOf } from "./result.ts";
import type { RivalName } from "./rivals.ts";

export interface TargetFound {
  readonly title: string;
  /** As people read it: "at most 1.2". */
  readonly wanted: string;
  readonly found: string;
  readonly met: boolean;
  /** What is known of a target that can be missed in spite of the server. */
  readonly why?: string;
}

const USER_TO_BUN_MAX = 1.2;
const USER_TO_BUN_WHY =
  "the pace is the same for every server, and most of Holdfast's core is idle. So the other work of a node counts with its deliveries. It has timers and pings. Each publish gets a number, a place in the history and an answer. The bare server does none of that. The kernel separates user from system time by samples, a few dozen here. Their exact sum is in the table of ratios below. At full speed of a core the two are close: [the micro-benchmark](benchmarks/micro.md) has that case.";
const USER_TO_SOCKET_IO_MAX = 0.25;
const SESSION_BYTES_MAX = 5 * 1000;
const RECOVERY_FACTOR_MIN = 5;
const LINEAR_DEVIATION_MAX = 0.15;

/** Every target whose figures were measured. */
export function targetsOf(result: CompareResult): readonly TargetFound[] {
  return [
    userToBun(result),
    userToSocketIo(result),
    session(result),
    recovery(result),
    linear(result),
  ].filter((found) => found !== undefined);
}

function userToBun(result: CompareResult): TargetFound | undefined {
  const ratio = ratioOf(userOf(result, "holdfast"), userOf(result, "bun"));
  if (ratio === undefined) return undefined;
  return {
    title: `Fan-out of ${count(result.sizes.fanOut.subscribers)}: user CPU for each delivery, over bare Bun's`,
    wanted: `at most ${USER_TO_BUN_MAX}`,
    found: ratio.toFixed(2),
    met: ratio <= USER_TO_BUN_MAX,
    why: USER_TO_BUN_WHY,
  };
}

function userToSocketIo(result: CompareResult): TargetFound | undefined {
  const ratio = ratioOf(userOf(result, "holdfast"), userOf(result, "socketio"));
  if (ratio === undefined) return undefined;
  return {
    title: `Fan-out of ${count(result.sizes.fanOut.subscribers)}: user CPU for each delivery, over Socket.IO's`,
    wanted: `at most ${USER_TO_SOCKET_IO_MAX}`,
    found: ratio.toFixed(2),
    met: ratio <= USER_TO_SOCKET_IO_MAX,
  };
}

function session(result: CompareResult): TargetFound | undefined {
  const bytes = seriesOf(
    result,
    { scenario: "memory", rival: "holdfast" },
    "subscribedBytes",
  )?.median;
  if (bytes === undefined) return undefined;
  return {
    title: "Resident memory of a connection with a session and one subscription",
    wanted: `at most ${SESSION_BYTES_MAX / 1000} kB`,
    found: `${(bytes / 1000).toFixed(2)} kB`,
    met: bytes <= SESSION_BYTES_MAX,
  };
}

function recovery(result: CompareResult): TargetFound | undefined {
  const cpu = (rival: RivalName) =>
    seriesOf(
      result,
      { scenario: "recovery", rival },
      ({ userSeconds = Number.NaN, systemSeconds = Number.NaN }) => userSeconds + systemSeconds,
    )?.median;
  const factor = ratioOf(cpu("socketio"), cpu("holdfast"));
  if (factor === undefined) return undefined;
  const { clients, missed } = result.sizes.recovery;
  return {
    title: `Recovery of ${count(clients)} clients, ${missed} messages each: CPU of Socket.IO's over Holdfast's`,
    wanted: `at least ${RECOVERY_FACTOR_MIN}`,
    found: factor.toFixed(1),
    met: factor >= RECOVERY_FACTOR_MIN,
  };
}

function linear(result: CompareResult): TargetFound | undefined {
  const [one, three] = (["nodes-1", "nodes-3"] as const).map(
    (scenario) =>
      seriesOf(result, { scenario, rival: "holdfast-redis" }, deliveriesPerCpuSecond)?.median,
  );
  const ratio = ratioOf(three, one);
  if (ratio === undefined) return undefined;
  return {
    title: "Deliveries for each CPU-second of the nodes, with three nodes over those with one",
    wanted: `at least ${1 - LINEAR_DEVIATION_MAX}`,
    found: ratio.toFixed(2),
    met: ratio >= 1 - LINEAR_DEVIATION_MAX,
  };
}

/** The inverse of user and system time for a delivery. */
export function deliveriesPerCpuSecond(
  figures: Readonly<Record<string, number>>,
): number | undefined {
  const { userUsPerDelivery, systemUsPerDelivery } = figures;
  return userUsPerDelivery === undefined || systemUsPerDelivery === undefined
    ? undefined
    : 1e6 / (userUsPerDelivery + systemUsPerDelivery);
}

const userOf = (result: CompareResult, rival: RivalName) =>
  seriesOf(result, { scenario: "fanout", rival }, "userUsPerDelivery")?.median;

const ratioOf = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a / b;

const count = (value: number) => value.toLocaleString("en");
