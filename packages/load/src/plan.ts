// Owns: the plan of a load run: its target, its groups of connections, its phases in order, and
// their limits. Pure data; scenarios and scenario files make it.
import { DRIVER_NAMES, type DriverName } from "./drivers/driver.ts";
import { LoadError } from "./load-error.ts";

export interface LoadPlan {
  /** Name of the scenario, for reports. */
  readonly scenario: string;
  readonly target: Target;
  /** Processes that carry the load, 1 to 64. */
  readonly workers: number;
  /** Seed of everything random: the same seed gives the same schedule. */
  readonly seed: number;
  readonly payload: Payload;
  readonly groups: readonly Group[];
  readonly phases: readonly Phase[];
  /** How long messages may still take at the end before they count as lost. */
  readonly settleMsMax: number;
  /** Servers to watch. */
  readonly observe: { readonly metricsUrls: readonly string[]; readonly pids: readonly number[] };
}

export interface Target {
  readonly driver: DriverName;
  /** ws: or wss:; connections use the URLs in turn. */
  readonly urls: readonly string[];
  readonly token?: string;
  readonly codec: "json" | "msgpack";
  /**
   * Local addresses that connections use in turn; each allows about 28,000 connections to one
   * server. Empty: the system chooses.
   */
  readonly sources: readonly string[];
  /** False: accept any certificate. */
  readonly verifiesTls: boolean;
  /** A handshake that takes longer is abandoned and tried again. */
  readonly handshakeMsMax: number;
  /** False: a client that loses its connection does not come back. */
  readonly comesBack: boolean;
}

export interface Payload {
  /** Of the JSON text; a payload holds at least its mark. */
  readonly bytes: number;
  /** JSON text in which `{mark}` stands once inside of a string, and `{fill}` at most once. */
  readonly template?: string;
}

/** A group of connections that do the same. */
export interface Group {
  readonly name: string;
  readonly connections: number;
  /**
   * Channels that they subscribe to: rooms of `size` members, `each` rooms for a connection. `{n}`
   * is the room's number, `{run}` the run's.
   */
  readonly rooms?: { readonly name: string; readonly size: number; readonly each: number };
  /** Each connection publishes: to its own rooms in turn, or to those of another group. */
  readonly writes?: Rhythm & { readonly to?: string };
  /** Each connection asks for round trips. */
  readonly pings?: Rhythm;
}

/**
 * How often an action is repeated: every `everyMs` on average. `steady`: at exactly this interval;
 * `random`: a Poisson process. The next action does not wait for an answer.
 */
export interface Rhythm {
  readonly everyMs: number;
  readonly think: "steady" | "random";
}

export type Phase = ConnectPhase | HoldPhase | DropPhase;

/**
 * Connections open at a rate until `share` of each group is there; ends when they are, or after
 * `msMax`.
 */
export interface ConnectPhase {
  readonly do: "connect";
  readonly name: string;
  readonly perSecond: number;
  /** 0 to 1. */
  readonly share: number;
  readonly msMax: number;
}

/** Load for a time. */
export interface HoldPhase {
  readonly do: "hold";
  readonly name: string;
  readonly ms: number;
  /** Factor of all rates, or by group; 0: no actions. */
  readonly load: number | Readonly<Record<string, number>>;
  /** Connections a second that leave and are replaced by new ones. */
  readonly churnPerSecond: number;
  /** False: a warm-up; its times and counts are separate and in no total. */
  readonly isMeasured: boolean;
}

/**
 * A share of the connections is cut at once and comes back. The phase ends when all have caught up,
 * at the earliest after `ms`, at the latest after `msMax`.
 */
export interface DropPhase {
  readonly do: "drop";
  readonly name: string;
  /** 0 to 1, chosen at random. */
  readonly share: number;
  /** Names of the groups it is chosen from; absent: all. */
  readonly of?: readonly string[];
  /**
   * Clients that were cut begin to come back after this time, in addition to the dialect's own
   * delay.
   */
  readonly awayMs: number;
  readonly ms: number;
  readonly msMax: number;
  readonly load: number | Readonly<Record<string, number>>;
}

export const LIMITS = {
  connectionsMax: 1_000_000,
  workersMax: 64,
  phasesMax: 100,
  groupsMax: 20,
  roomsEachMax: 100,
  payloadBytesMax: 1_000_000,
  perSecondMax: 1_000_000,
  phaseMsMax: 24 * 3_600_000,
} as const;

/** Factor of a group's rates in a phase. */
export function loadOf(phase: Phase, group: string): number {
  if (phase.do === "connect") return 0;
  return typeof phase.load === "number" ? phase.load : (phase.load[group] ?? 0);
}

export const connectionsOf = ({ groups }: Pick<LoadPlan, "groups">): number =>
  groups.reduce((sum, { connections }) => sum + connections, 0);

/** Throws a LoadError `plan_invalid` when the plan cannot be run. */
export function checkPlan(plan: LoadPlan): void {
  const { target, groups, phases, payload } = plan;
  const names = new Set(groups.map(({ name }) => name));
  const wants = (holds: boolean, found: string, expected: string) => {
    if (!holds)
      throw new LoadError(
        "plan_invalid",
        `Cannot run the load: found ${found}, expected ${expected}`,
      );
  };
  const within = (what: string, value: number, least: number, most: number) =>
    wants(
      value >= least && value <= most,
      `${what} ${value}`,
      `${least} to ${most.toLocaleString("en")}`,
    );
  wants(target.urls.length > 0, "no URL", "at least one ws: or wss: URL");
  for (const url of target.urls)
    wants(/^wss?:\/\//.test(url) && URL.canParse(url), `URL ${url}`, "a ws: or wss: URL");
  wants(
    DRIVER_NAMES.includes(target.driver),
    `driver ${target.driver}`,
    `one of ${DRIVER_NAMES.join(", ")}`,
  );
  within("workers", plan.workers, 1, LIMITS.workersMax);
  within("connections", connectionsOf(plan), 1, LIMITS.connectionsMax);
  within("groups", groups.length, 1, LIMITS.groupsMax);
  within("phases", phases.length, 1, LIMITS.phasesMax);
  within("payload bytes", payload.bytes, 1, LIMITS.payloadBytesMax);
  wants(names.size === groups.length, "two groups of one name", "a name for each");
  const { template } = payload;
  wants(
    template === undefined || template.split("{mark}").length === 2,
    `template ${template}`,
    "JSON with {mark} in it once",
  );
  wants(template === undefined || isJson(template), `template ${template}`, "JSON text");
  for (const { name, connections, rooms, writes, pings } of groups) {
    within(`groups.${name}.connections`, connections, 1, LIMITS.connectionsMax);
    if (rooms !== undefined) {
      within(`groups.${name}.rooms.size`, rooms.size, 1, connections);
      within(`groups.${name}.rooms.each`, rooms.each, 1, LIMITS.roomsEachMax);
    }
    for (const rhythm of [writes, pings])
      if (rhythm !== undefined)
        within(`groups.${name}: everyMs`, rhythm.everyMs, 0.001, LIMITS.phaseMsMax);
    const to =
      writes === undefined ? undefined : groups.find((group) => group.name === (writes.to ?? name));
    wants(
      writes === undefined || to?.rooms !== undefined,
      `groups.${name}.writes.to ${writes?.to ?? name}`,
      "a group with rooms",
    );
  }
  for (const phase of phases) checkPhase(phase, { names, wants, within });
}

interface Checks {
  readonly names: ReadonlySet<string>;
  readonly wants: (holds: boolean, found: string, expected: string) => void;
  readonly within: (what: string, value: number, least: number, most: number) => void;
}

function checkPhase(phase: Phase, { names, wants, within }: Checks): void {
  const at = `phases.${phase.name}`;
  if (phase.do !== "hold") {
    within(`${at}.share`, phase.share, 0, 1);
    within(`${at}.msMax`, phase.msMax, 1, LIMITS.phaseMsMax);
  }
  if (phase.do === "connect")
    return within(`${at}.perSecond`, phase.perSecond, 0.01, LIMITS.perSecondMax);
  within(`${at}.ms`, phase.ms, 0, LIMITS.phaseMsMax);
  const loads = typeof phase.load === "number" ? [phase.load] : Object.values(phase.load);
  for (const load of loads) within(`${at}.load`, load, 0, 1000);
  if (typeof phase.load !== "number")
    for (const name of Object.keys(phase.load))
      wants(names.has(name), `${at}.load.${name}`, `one of the groups ${[...names].join(", ")}`);
  if (phase.do === "drop")
    for (const name of phase.of ?? [])
      wants(names.has(name), `${at}.of ${name}`, `one of the groups ${[...names].join(", ")}`);
  if (phase.do === "hold")
    within(`${at}.churnPerSecond`, phase.churnPerSecond, 0, LIMITS.perSecondMax);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
