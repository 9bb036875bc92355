// Owns: the plan of a run of the proof, read from its arguments.
import { parseArgs } from "node:util";
import { parsed, whole } from "./arguments.ts";
import { ProveError } from "./prove-error.ts";
import type { Step } from "./steps/step.ts";
import { STEPS } from "./steps/steps.ts";

export type RivalName = "holdfast" | "socketio";

export interface Plan {
  readonly rival: RivalName;
  /** Another server, to do the same work afterwards. */
  readonly against?: RivalName;
  readonly broker: "redis" | "link";
  readonly clients: number;
  readonly channels: number;
  readonly seed: number;
  readonly nodes: number;
  readonly workers: number;
  /** All publishers together. */
  readonly publishesPerSecond: number;
  /** Share of them that goes through the HTTP API. */
  readonly httpShare: number;
  /** Handshakes a second of each node (A). */
  readonly handshakesPerSecond: number;
  readonly quick: boolean;
  readonly steps: readonly Step[];
  readonly json?: string;
  readonly html?: string;
  /** Keep the result in docs/proof and write docs/proof.md. */
  readonly docs: boolean;
}

export const HELP = `prove: real nodes, a real Redis, real clients; deploys, deaths and failures under load; every publication accounted for
  --quick          under 90 s: fewer clients; steady, rolling restart, kill, Redis restart, slow client
  --only a,b       these steps: ${STEPS.map(({ name }) => name).join(", ")}
  --clients N      default 1000 (quick: 200)
  --channels N     default 200 (quick: 50), at least 10
  --rate N         publishes a second, all together (default 150; quick: 60)
  --capacity N     handshakes a second that a node takes: A (default 150)
  --seed N         default 1
  --broker KIND    redis (default), or link: a broker in this process, for a machine without Redis; steps that need Redis are left out
  --against NAME   socketio: the same work on Socket.IO (Redis Streams adapter, connection state recovery), both in one table; steady, rolling-restart and kill
  --json FILE      write the result
  --html FILE      write the report, one file for everything
  --docs           keep the result in docs/proof and write docs/proof.md anew
`;

/** Steps that need nothing that other servers do not have. */
const SIDE_BY_SIDE = "steady,rolling-restart,kill";

/** Throws `argument_invalid`; undefined when help is wanted. */
export function planFrom(args: readonly string[]): Plan | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    quick: flag,
    help: flag,
    only: text,
    clients: text,
    channels: text,
    rate: text,
    capacity: text,
    seed: text,
    broker: text,
    against: text,
    json: text,
    html: text,
    docs: flag,
  };
  const { values } = parsed(() => parseArgs({ args: [...args], options }));
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const { broker = "redis" } = values;
  if (broker !== "redis" && broker !== "link")
    throw new ProveError(
      "argument_invalid",
      `Cannot use --broker ${broker}: expected redis or link`,
    );
  if (values.against !== undefined && (values.against !== "socketio" || broker !== "redis"))
    throw new ProveError(
      "argument_invalid",
      `Cannot use --against ${values.against}: expected socketio, with the broker redis`,
    );
  const only = values.only ?? (values.against === undefined ? undefined : SIDE_BY_SIDE);
  return {
    rival: "holdfast",
    ...(values.against === undefined ? {} : { against: values.against }),
    broker,
    clients: whole("clients", values.clients, {
      standard: quick ? 200 : 1000,
      least: 30,
      most: 20_000,
    }),
    channels: whole("channels", values.channels, {
      standard: quick ? 50 : 200,
      least: 10,
      most: 10_000,
    }),
    seed: whole("seed", values.seed, { standard: 1, least: 0, most: 2 ** 31 }),
    nodes: 3,
    workers: 2,
    publishesPerSecond: whole("rate", values.rate, {
      standard: quick ? 60 : 150,
      least: 1,
      most: 10_000,
    }),
    httpShare: 0.2,
    handshakesPerSecond: whole("capacity", values.capacity, {
      standard: 150,
      least: 1,
      most: 10_000,
    }),
    quick,
    steps: chosen(only, quick, broker),
    docs: values.docs === true,
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.html === undefined ? {} : { html: values.html }),
  };
}

function chosen(only: string | undefined, quick: boolean, broker: Plan["broker"]): readonly Step[] {
  const possible = STEPS.filter(({ needsRedis }) => broker === "redis" || !needsRedis);
  if (only === undefined) return possible.filter((step) => !quick || step.quick);
  const names = only.split(",");
  const unknown = names.find((name) => !possible.some((step) => step.name === name));
  if (unknown !== undefined)
    throw new ProveError(
      "argument_invalid",
      `Cannot run the step ${unknown}: expected some of ${possible.map(({ name }) => name).join(", ")}`,
    );
  return possible.filter(({ name }) => names.includes(name));
}
