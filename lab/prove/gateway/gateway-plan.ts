// Owns: the arguments of the gateway's proof.
import { parseArgs } from "node:util";
import { parsed, whole } from "../arguments.ts";
import { ProveError } from "../prove-error.ts";
import type { App } from "./app.ts";
import { APPS } from "./apps/apps.ts";
import { FRONTS } from "./fronts/fronts.ts";
import type { GatewayStep } from "./steps/step.ts";
import { GATEWAY_STEPS } from "./steps/steps.ts";

export const GATEWAY_HELP = `prove --gateway: real servers that know nothing of Holdfast, the gateway, real clients of their own libraries
  --apps a,b       these applications: ${APPS.map(({ name }) => name).join(", ")}
  --fronts a,b     what stands before the servers: ${Object.keys(FRONTS).join(", ")};
                   default all for echo, most for held, and the gateway for the others
  --steps a,b      these steps: ${GATEWAY_STEPS.map(({ name }) => name).join(", ")}
  --clients N      default ${APPS.map(({ name, clients }) => `${clients} for ${name}`).join(", ")}
  --every MS       time between two frames of a client; default 500, and 5000 for held
  --quick          a fifth of the time that steps last, and 20 clients
  --json FILE      write the result
  --docs           keep the result in docs/proof/gateway.json and write docs/proof.md anew

Everything takes about 45 minutes on two quiet cores. A step that takes longer than
90 s breaks off its application; the others go on. The result is written after each.
`;

export const EVERY_MS = 500;
const QUICK = { pace: 0.2, clients: 20, everyMs: 50 };

export interface GatewayPlan {
  readonly apps: readonly string[];
  /** Undefined: those that belong to each application. */
  readonly fronts?: readonly string[];
  readonly steps: readonly string[];
  /** Undefined: as many as each application says. */
  readonly clients?: number;
  /** Undefined: as each application says. */
  readonly everyMs?: number;
  /** Steps last so much of their full time. */
  readonly pace: number;
  readonly json?: string;
  readonly docs: boolean;
}

/** Throws `argument_invalid`; undefined when help is wanted. */
export function gatewayPlanFrom(args: readonly string[]): GatewayPlan | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{ gateway: flag, help: flag, docs: flag, quick: flag },
        ...{ apps: text, fronts: text, steps: text, clients: text, every: text, json: text },
      },
    }),
  );
  if (values.help === true) return undefined;
  const quick = values.quick === true ? QUICK : undefined;
  const clients =
    values.clients === undefined
      ? quick?.clients
      : whole("clients", values.clients, { standard: 0, least: 1, most: 20_000 });
  const everyMs =
    values.every === undefined
      ? quick?.everyMs
      : whole("every", values.every, { standard: EVERY_MS, least: 5, most: 60_000 });
  return {
    apps: chosen("apps", values.apps, namesOf(APPS)),
    steps: chosen("steps", values.steps, namesOf(GATEWAY_STEPS)),
    ...{ pace: quick?.pace ?? 1, docs: values.docs === true },
    ...(values.fronts === undefined
      ? {}
      : { fronts: chosen("fronts", values.fronts, Object.keys(FRONTS)) }),
    ...(clients === undefined ? {} : { clients }),
    ...(everyMs === undefined ? {} : { everyMs }),
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

/** Pauses are compared with those of steps in which nobody moves, so these are always there. */
export const stepsOf = ({ steps }: GatewayPlan, app: App): readonly GatewayStep[] =>
  GATEWAY_STEPS.filter(
    ({ name, kind }) =>
      app.steps?.includes(name) !== false && (kind === "steady" || steps.includes(name)),
  );

const namesOf = (all: readonly { readonly name: string }[]): readonly string[] =>
  all.map(({ name }) => name);

function chosen(
  option: string,
  only: string | undefined,
  names: readonly string[],
): readonly string[] {
  const wanted = only?.split(",") ?? names;
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown === undefined) return wanted;
  throw new ProveError(
    "argument_invalid",
    `Cannot use --${option} ${unknown}: expected some of ${names.join(", ")}`,
  );
}
