// Owns: the arguments of the telemetry proof.
import { parseArgs } from "node:util";
import { parsed, whole } from "../arguments.ts";
import { ProveError } from "../prove-error.ts";
import { STEPS } from "./steps.ts";

export interface TelemetryPlan {
  readonly devices: number;
  readonly eventsPerSecond: number;
  readonly sites: number;
  readonly partitions: number;
  readonly windowMs: number;
  readonly latenessMs: number;
  /** How long a step without a fault lasts, and what comes before and behind a fault. */
  readonly steadyMs: number;
  readonly sinkAwayMs: number;
  readonly steps: readonly string[];
  readonly seed: number;
  readonly short: boolean;
  readonly json?: string;
  readonly docs: boolean;
}

const FULL = {
  ...{ devices: 500, eventsPerSecond: 5000, sites: 16, partitions: 4 },
  ...{ windowMs: 10_000, latenessMs: 5000, steadyMs: 20_000, sinkAwayMs: 30_000 },
};
const SHORT = {
  ...{ devices: 60, eventsPerSecond: 600, sites: 6, partitions: 2 },
  ...{ windowMs: 1000, latenessMs: 4000, steadyMs: 2000, sinkAwayMs: 3000 },
};
const SEED = 1;

export const TELEMETRY_HELP = `prove --telemetry: MQTT devices, nodes over a real Redis, windows into channels, Kafka and PostgreSQL
  --devices N      default ${FULL.devices}
  --events N       events a second of all devices together, default ${FULL.eventsPerSecond}
  --window MS      default ${FULL.windowMs}
  --lateness MS    default ${FULL.latenessMs}
  --steady MS      how long a step lasts beside its fault, default ${FULL.steadyMs}
  --away MS        how long a sink is away, default ${FULL.sinkAwayMs}
  --steps a,b      these steps: ${STEPS.map(({ name }) => name).join(", ")}
  --seed N         decides what devices say, default ${SEED}
  --short          about a minute: ${SHORT.devices} devices, ${SHORT.eventsPerSecond} events a second, windows of ${SHORT.windowMs} ms
  --json FILE      write the result
  --docs           keep the result in docs/proof/telemetry.json and write docs/proof.md anew

Everything takes about six minutes. A step that takes longer than three ends the proof.
`;

/** Throws `argument_invalid`; undefined when help is wanted. */
export function telemetryPlanFrom(args: readonly string[]): TelemetryPlan | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{ telemetry: flag, help: flag, docs: flag, short: flag, json: text, steps: text },
        ...{ devices: text, events: text, window: text, lateness: text, steady: text },
        ...{ away: text, seed: text },
      },
    }),
  );
  if (values.help === true) return undefined;
  const short = values.short === true;
  const standard = short ? SHORT : FULL;
  const number = (name: keyof typeof values, usual: number, least: number, most: number): number =>
    whole(name, values[name] as string | undefined, { standard: usual, least, most });
  const plan = {
    devices: number("devices", standard.devices, 1, 5000),
    eventsPerSecond: number("events", standard.eventsPerSecond, 1, 100_000),
    windowMs: number("window", standard.windowMs, 100, 60_000),
    latenessMs: number("lateness", standard.latenessMs, 0, 30_000),
    steadyMs: number("steady", standard.steadyMs, 500, 600_000),
    sinkAwayMs: number("away", standard.sinkAwayMs, 500, 120_000),
    seed: number("seed", SEED, 0, 2 ** 31),
  };
  return {
    ...plan,
    ...{ sites: standard.sites, partitions: standard.partitions, short },
    ...{ steps: chosen(values.steps), docs: values.docs === true },
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

function chosen(only: string | undefined): readonly string[] {
  const names = STEPS.map(({ name }) => name);
  const wanted = only?.split(",") ?? names;
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown === undefined) return wanted;
  throw new ProveError(
    "argument_invalid",
    `Cannot use --steps ${unknown}: expected some of ${names.join(", ")}`,
  );
}
