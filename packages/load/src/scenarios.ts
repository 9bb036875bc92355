// Owns: the named scenarios: each is a plan of groups and phases. Pure.
import type { DropPhase, Group, HoldPhase, LoadPlan, Phase, Rhythm, Target } from "./plan.ts";

/** Parameters of every scenario. */
export interface Basics {
  readonly target: Target;
  readonly connections: number;
  /** Connections opened a second. */
  readonly connectsPerSecond: number;
  readonly workers: number;
  readonly seed: number;
  readonly payload: LoadPlan["payload"];
  readonly observe: LoadPlan["observe"];
  /** Length of what is measured. */
  readonly ms: number;
  /** Length of the load before that, which is not counted. */
  readonly warmUpMs: number;
  readonly think: Rhythm["think"];
  /** Name of channels; `{n}` is the room's number, `{run}` the run's. */
  readonly channel: string;
}

export interface Publishing {
  readonly publishers: number;
  /** Publications a second of all publishers together. */
  readonly publishesPerSecond: number;
}

export interface Dropping {
  /** 0 to 1. */
  readonly share: number;
  readonly awayMs: number;
  /** How long everyone has to be back. */
  readonly msMax: number;
}

export const DEFAULT_TARGET: Omit<Target, "driver" | "urls"> = {
  codec: "json",
  sources: [],
  verifiesTls: true,
  handshakeMsMax: 10_000,
  comesBack: true,
};

const SETTLE_MS_MAX = 10_000;
const CONNECT_MS_MAX = 60_000;

/** Ramp to so many connections, hold them, and replace some every second. */
export function connect(basics: Basics, options: { readonly churnPerSecond: number }): LoadPlan {
  return plan("connect", basics, {
    groups: [{ name: "connections", connections: basics.connections }],
    phases: [ramp(basics), { ...hold("hold", basics.ms), churnPerSecond: options.churnPerSecond }],
  });
}

/** Everyone subscribes to one channel; publishers outside of it write. */
export function fanout(basics: Basics, publishing: Publishing): LoadPlan {
  return plan("fanout", basics, {
    groups: readersAndWriters(basics, publishing),
    phases: [ramp(basics), ...measured(basics)],
  });
}

/** Rooms of `size`, everyone writes to theirs. */
export function chat(
  basics: Basics,
  options: { readonly size: number; readonly everyMs: number },
): LoadPlan {
  const size = Math.min(options.size, basics.connections);
  return plan("chat", basics, {
    groups: [
      {
        name: "people",
        connections: basics.connections,
        rooms: { name: basics.channel, size, each: 1 },
        writes: { everyMs: options.everyMs, think: basics.think },
      },
    ],
    phases: [ramp(basics), ...measured(basics)],
  });
}

/** Round trips. */
export function ping(basics: Basics, options: { readonly pingsPerSecond: number }): LoadPlan {
  return plan("ping", basics, {
    groups: [
      {
        name: "pingers",
        connections: basics.connections,
        pings: {
          everyMs: (basics.connections * 1000) / options.pingsPerSecond,
          think: basics.think,
        },
      },
    ],
    phases: [ramp(basics), ...measured(basics)],
  });
}

/**
 * Connections that do nothing, each with its own channel if asked for: to measure memory and CPU of
 * one.
 */
export function idle(basics: Basics, options: { readonly subscribes: boolean }): LoadPlan {
  const rooms = options.subscribes ? { rooms: { name: basics.channel, size: 1, each: 1 } } : {};
  return plan("idle", basics, {
    groups: [{ name: "connections", connections: basics.connections, ...rooms }],
    phases: [ramp(basics), { ...hold("idle", basics.ms), load: 0 }],
  });
}

/**
 * A fan-out in which a share of the readers is cut off at once, misses what is published meanwhile,
 * and comes back.
 */
export function recover(basics: Basics, publishing: Publishing, dropping: Dropping): LoadPlan {
  return plan("recover", basics, {
    groups: readersAndWriters(basics, publishing),
    phases: [
      ramp(basics),
      ...measured(basics),
      drop("recover", dropping),
      hold("after", basics.ms),
    ],
  });
}

/** All readers are cut off at once. */
export function storm(
  basics: Basics,
  publishing: Publishing,
  dropping: Omit<Dropping, "share">,
): LoadPlan {
  return plan("storm", basics, {
    groups: readersAndWriters(basics, publishing),
    phases: [
      ramp(basics),
      ...measured(basics),
      drop("storm", { ...dropping, share: 1 }),
      hold("after", basics.ms),
    ],
  });
}

function plan(
  scenario: string,
  basics: Basics,
  made: { readonly groups: readonly Group[]; readonly phases: readonly Phase[] },
): LoadPlan {
  const { target, workers, seed, payload, observe } = basics;
  return { scenario, target, workers, seed, payload, observe, settleMsMax: SETTLE_MS_MAX, ...made };
}

function readersAndWriters(
  basics: Basics,
  { publishers, publishesPerSecond }: Publishing,
): readonly Group[] {
  return [
    {
      name: "readers",
      connections: basics.connections,
      rooms: { name: basics.channel, size: basics.connections, each: 1 },
    },
    {
      name: "writers",
      connections: publishers,
      writes: {
        to: "readers",
        everyMs: (publishers * 1000) / publishesPerSecond,
        think: basics.think,
      },
    },
  ];
}

function ramp({ connections, connectsPerSecond }: Basics): Phase {
  const msMax = Math.round((connections * 1000) / connectsPerSecond) + CONNECT_MS_MAX;
  return { do: "connect", name: "connect", perSecond: connectsPerSecond, share: 1, msMax };
}

const hold = (name: string, ms: number): HoldPhase => ({
  do: "hold",
  name,
  ms,
  load: 1,
  churnPerSecond: 0,
  isMeasured: true,
});

function measured({ ms, warmUpMs }: Basics): readonly HoldPhase[] {
  return [
    ...(warmUpMs > 0 ? [{ ...hold("warm-up", warmUpMs), isMeasured: false }] : []),
    hold("steady", ms),
  ];
}

const drop = (name: string, { share, awayMs, msMax }: Dropping): DropPhase => ({
  do: "drop",
  name,
  share,
  of: ["readers"],
  awayMs,
  ms: awayMs,
  msMax,
  load: 1,
});
