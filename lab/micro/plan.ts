// Owns: the measurements of a run, and their number.
import { parseArgs } from "node:util";

export interface Plan {
  readonly rounds: number;
  /** Connections to each server, over all drivers. */
  readonly connections: number;
  readonly drivers: number;
  /** Connections, and later subscriptions, made in a second. */
  readonly connectsPerSecond: number;
  /** Subscribers of the room of middle size. */
  readonly room: number;
  /**
   * Length of one paced measurement; that of the room is longer, because user time is only sampled.
   */
  readonly windowMs: number;
  readonly roomWindowMs: number;
  /**
   * Publications per second to channels of one subscriber, deliveries per second to the room and to
   * everyone: what the slowest server can take.
   */
  readonly singlesPerSecond: number;
  readonly roomPerSecond: number;
  readonly everyonePerSecond: number;
  /** Readings of memory, one each 300 ms, of which the lowest counts. */
  readonly settleReadings: number;
  readonly quick: boolean;
  /** Print the result as JSON instead of the table. */
  readonly json: boolean;
}

const HELP = `bench:micro: publish cost and connection memory of Holdfast, bare Bun and Socket.IO, side by side
  --quick       one short round with 2,000 connections; docs are left alone
  --rounds N    rounds (default 4; a run takes 7 minutes); each measures every server once
  --json        print the result as JSON, not as a table
`;

/** Reads the arguments; undefined when help was printed. */
export function planFrom(args: readonly string[]): Plan | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean" },
      rounds: { type: "string" },
      json: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return undefined;
  }
  const quick = values.quick === true;
  const rounds = values.rounds === undefined ? (quick ? 1 : 4) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new RangeError(`Cannot measure: found ${values.rounds} rounds, expected 1 to 100`);
  }
  return {
    rounds,
    connections: quick ? 2000 : 10_000,
    drivers: 2,
    connectsPerSecond: 4000,
    room: 1000,
    windowMs: quick ? 1000 : 3000,
    roomWindowMs: quick ? 1000 : 9000,
    singlesPerSecond: 4000,
    roomPerSecond: 50_000,
    everyonePerSecond: 40_000,
    settleReadings: quick ? 2 : 4,
    quick,
    json: values.json === true,
  };
}
