// Owns: the load of each scenario as a plan of the load generator. Pure: the same for every server
// except for the driver and the addresses.
import {
  DEFAULT_TARGET,
  type DriverName,
  type Group,
  type HoldPhase,
  type LoadPlan,
  type Phase,
} from "@holdfast/load";
import type { Sizes } from "./plan.ts";

export interface Goal {
  readonly driver: DriverName;
  readonly urls: readonly string[];
}

/** What every server's handshake can follow. */
const CONNECTS_PER_SECOND = 2000;
const CONNECT_MS_MAX = 60_000;
const SETTLE_MS_MAX = 10_000;
/** No client gives up: a waiting handshake is part of the measurement. */
const HANDSHAKE_MS_MAX = 60_000;
const SHARED_BY = 150;

/** One writer, and `subscribers` of one channel. */
export function fanOutPlan(
  goal: Goal,
  sizes: Sizes,
  { subscribers, publishesPerSecond }: { subscribers: number; publishesPerSecond: number },
): LoadPlan {
  const groups: readonly Group[] = [
    {
      name: "readers",
      connections: subscribers,
      rooms: { name: "fanout", size: subscribers, each: 1 },
    },
    {
      name: "writer",
      connections: 1,
      writes: { to: "readers", everyMs: 1000 / publishesPerSecond, think: "random" },
    },
  ];
  return plan("fanout", goal, {
    sizes,
    groups: [...groups, WARMERS],
    phases: flowPhases(sizes, { readers: 1, writer: 1 }),
  });
}

/** Everyone writes to their room. */
export function roomsPlan(goal: Goal, sizes: Sizes): LoadPlan {
  const { rooms, members, deliveriesPerSecond } = sizes.rooms;
  const connections = rooms * members;
  const everyMs = (1000 * connections * members) / deliveriesPerSecond;
  const people: Group = {
    name: "people",
    connections,
    rooms: { name: "room-{n}", size: members, each: 1 },
    writes: { everyMs, think: "random" },
  };
  return plan("rooms", goal, {
    sizes,
    groups: [people, WARMERS],
    phases: flowPhases(sizes, { people: 1 }),
  });
}

/** Connections that stay for `ms` and do nothing, without a subscription or with one. */
export function holdPlan(
  goal: Goal,
  sizes: Sizes,
  { connections, subscribes, ms }: { connections: number; subscribes: boolean; ms: number },
): LoadPlan {
  const own = Math.floor(connections / 2);
  const half = (name: string, count: number, size: number): Group => ({
    name,
    connections: count,
    ...(subscribes ? { rooms: { name: `${name}-{n}`, size: Math.min(size, count), each: 1 } } : {}),
  });
  const groups = [half("own", own, 1), half("shared", connections - own, SHARED_BY)];
  return plan("hold", goal, { sizes, groups, phases: [connect, { ...hold("hold", ms), load: 0 }] });
}

/**
 * Clients of `rooms` rooms that are quiet for `quietMs`, are cut off at once, stay away for
 * `awayMs`, and have until `msMax` to come back.
 */
export function comebackPlan(
  goal: Goal,
  sizes: Sizes,
  times: { readonly quietMs: number; readonly awayMs: number; readonly msMax: number },
): LoadPlan {
  const { clients, rooms } = sizes.recovery;
  const groups: readonly Group[] = [
    {
      name: "clients",
      connections: clients,
      rooms: { name: "room-{n}", size: clients / rooms, each: 1 },
    },
  ];
  const phases: readonly Phase[] = [
    connect,
    { ...hold("quiet", times.quietMs), load: 0 },
    {
      do: "drop",
      name: "comeback",
      share: 1,
      awayMs: times.awayMs,
      ms: times.awayMs + TAIL_MS,
      msMax: times.awayMs + times.msMax,
      load: 0,
    },
  ];
  return plan("comeback", goal, { sizes, groups, phases });
}

/**
 * What the last messages may take behind the moment at which their clients say that they are back.
 */
const TAIL_MS = 3000;

/** A writer for each room, that publishes about `each` messages to it and hears them itself. */
export function writersPlan(
  goal: Goal,
  sizes: Sizes,
  { each, ms }: { readonly each: number; readonly ms: number },
): LoadPlan {
  const { rooms } = sizes.recovery;
  const writers: Group = {
    name: "writers",
    connections: rooms,
    rooms: { name: "room-{n}", size: 1, each: 1 },
    writes: { everyMs: ms / each, think: "steady" },
  };
  return plan("writers", goal, { sizes, groups: [writers], phases: [connect, hold("write", ms)] });
}

const connect: Phase = {
  do: "connect",
  name: "connect",
  perSecond: CONNECTS_PER_SECOND,
  share: 1,
  msMax: CONNECT_MS_MAX,
};

const hold = (name: string, ms: number): HoldPhase => ({
  do: "hold",
  name,
  ms,
  load: 1,
  churnPerSecond: 0,
  isMeasured: true,
});

/**
 * 2,000 publishes a second in a small room. A server that runs for weeks has compiled its hot code:
 * so must each server before it is measured.
 */
const WARMERS: Group = {
  name: "warmers",
  connections: 10,
  rooms: { name: "warm", size: 10, each: 1 },
  writes: { everyMs: 5, think: "random" },
};

/** First the warmers alone, then the load, then the load measured. */
const flowPhases = (
  { warmUpMs, windowMs }: Sizes,
  load: Readonly<Record<string, number>>,
): readonly Phase[] => [
  connect,
  { ...hold("compile", warmUpMs), load: { warmers: 1 }, isMeasured: false },
  { ...hold("warm-up", warmUpMs / 2), load, isMeasured: false },
  { ...hold("window", windowMs), load },
];

interface Made {
  readonly sizes: Sizes;
  readonly groups: readonly Group[];
  readonly phases: readonly Phase[];
}

function plan(scenario: string, { driver, urls }: Goal, { sizes, groups, phases }: Made): LoadPlan {
  return {
    scenario,
    target: { ...DEFAULT_TARGET, driver, urls, handshakeMsMax: HANDSHAKE_MS_MAX },
    workers: 1,
    seed: 1,
    payload: { bytes: sizes.payloadBytes },
    groups,
    phases,
    settleMsMax: SETTLE_MS_MAX,
    observe: { metricsUrls: [], pids: [] },
  };
}
