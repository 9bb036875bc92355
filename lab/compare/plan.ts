// Owns: the measurements of a comparison and their number, from its arguments.
import { parseArgs } from "node:util";
import { RIVAL_NAMES, type RivalName } from "./rivals.ts";
import { SCENARIO_NAMES, type ScenarioName } from "./scenario.ts";

/** How large the scenarios are; the same for every server. */
export interface Sizes {
  /** Subscribers of the one channel, and deliveries a second to them all. */
  readonly fanOut: { readonly subscribers: number; readonly deliveriesPerSecond: number };
  readonly rooms: {
    readonly rooms: number;
    readonly members: number;
    readonly deliveriesPerSecond: number;
  };
  readonly memory: { readonly connections: number; readonly readings: number };
  readonly recovery: { readonly clients: number; readonly rooms: number; readonly missed: number };
  /** Subscribers of each node; all of the same channel. */
  readonly nodes: { readonly subscribersOfNode: number; readonly publishesPerSecond: number };
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
}

export interface Plan {
  readonly rounds: number;
  readonly quick: boolean;
  readonly scenarios: readonly ScenarioName[];
  readonly rivals: readonly RivalName[];
  /** Continue an interrupted run of the same plan. */
  readonly resume: boolean;
  readonly centrifugo?: { readonly path: string } | { readonly url: string };
  readonly sizes: Sizes;
}

export const HELP = `bench:compare: the same work on Holdfast, Socket.IO, bare Bun and bare ws, one after another, each on a core of its own
  --quick            one short round; docs are left alone
  --rounds N         rounds (default 3, about twenty minutes); each measures every server once
  --resume           go on with an interrupted run
  --only a,b         scenarios: ${SCENARIO_NAMES.join(", ")}
  --rivals a,b       servers: ${RIVAL_NAMES.join(", ")}
  --centrifugo PATH  measure this program of Centrifugo (version 6) too
  --url URL          measure a Centrifugo that runs there (ws://host:port/connection/websocket); without its CPU and memory
`;

const FULL: Sizes = {
  fanOut: { subscribers: 1000, deliveriesPerSecond: 40_000 },
  rooms: { rooms: 50, members: 20, deliveriesPerSecond: 20_000 },
  memory: { connections: 10_000, readings: 3 },
  recovery: { clients: 5000, rooms: 50, missed: 100 },
  nodes: { subscribersOfNode: 500, publishesPerSecond: 20 },
  payloadBytes: 100,
  warmUpMs: 2500,
  windowMs: 8000,
};

const QUICK: Sizes = {
  ...FULL,
  memory: { connections: 2000, readings: 2 },
  recovery: { clients: 500, rooms: 10, missed: 100 },
  warmUpMs: 1000,
  windowMs: 1500,
};

/** Wrong arguments. */
export class ArgumentError extends Error {
  readonly code = "argument_invalid";
}

/** Reads the arguments; undefined: help is wanted. Throws ArgumentError. */
export function planFrom(args: readonly string[]): Plan | undefined {
  const values = read(args);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  if (values.centrifugo !== undefined && values.url !== undefined)
    throw new ArgumentError(
      "Cannot measure Centrifugo: found --centrifugo and --url, expected one of them",
    );
  if (values.url !== undefined && !/^wss?:\/\//.test(values.url))
    throw new ArgumentError(
      `Cannot measure Centrifugo: found --url ${values.url}, expected ws:// or wss://`,
    );
  const centrifugo =
    values.centrifugo === undefined
      ? values.url === undefined
        ? undefined
        : { url: values.url }
      : { path: values.centrifugo };
  const rivals = chosen("--rivals", values.rivals, RIVAL_NAMES).filter(
    (name) => name !== "centrifugo" || centrifugo !== undefined,
  );
  return {
    rounds: roundsOf(values.rounds ?? (quick ? "1" : "3")),
    quick,
    scenarios: chosen("--only", values.only, SCENARIO_NAMES),
    rivals,
    resume: values.resume === true,
    ...(centrifugo === undefined ? {} : { centrifugo }),
    sizes: quick ? QUICK : FULL,
  };
}

function read(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: "boolean" },
        rounds: { type: "string" },
        resume: { type: "boolean" },
        only: { type: "string" },
        rivals: { type: "string" },
        centrifugo: { type: "string" },
        url: { type: "string" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError(
      `Cannot read the arguments: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100)
    throw new ArgumentError(
      `Cannot measure: found --rounds ${text}, expected a whole number from 1 to 100`,
    );
  return rounds;
}

function chosen<T extends string>(
  flag: string,
  text: string | undefined,
  names: readonly T[],
): readonly T[] {
  if (text === undefined) return names;
  const wanted = text.split(",");
  for (const name of wanted)
    if (!names.some((known) => known === name))
      throw new ArgumentError(
        `Cannot measure: found ${flag} ${name}, expected some of ${names.join(", ")}`,
      );
  return names.filter((name) => wanted.includes(name));
}
