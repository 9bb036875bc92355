// Owns: the gateway's proof from its arguments to its result.
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { machine } from "@holdfast/load";
import { parsed, whole } from "../arguments.ts";
import { ProveError } from "../prove-error.ts";
import { APPS } from "./apps/apps.ts";
import { FRONTS, type FrontName, type GatewayResult, proveGateway } from "./gateway-run.ts";
import { stepLine } from "./gateway-text.ts";
import { GATEWAY_STEPS } from "./steps.ts";

export const GATEWAY_HELP = `prove --gateway: real servers that know nothing of Holdfast, the gateway, real clients of their own libraries
  --apps a,b       these applications: ${APPS.map(({ name }) => name).join(", ")}
  --fronts a,b     what stands before the servers: ${Object.keys(FRONTS).join(", ")}
  --steps a,b      these steps: ${GATEWAY_STEPS.map(({ name }) => name).join(", ")}
  --clients N      default 1000
  --every MS       time between two frames of a client; default 500
  --json FILE      write the result
  --docs           keep the result in docs/proof/gateway.json and write docs/proof.md anew
`;

const CLIENTS = 1000;
const EVERY_MS = 500;
const WORKERS = 2;

export interface GatewayProofResult {
  readonly measuredAt: string;
  readonly machine: ReturnType<typeof machine>;
  readonly versions: { readonly bun: string };
  readonly loadBefore: number;
  readonly apps: readonly GatewayResult[];
}

export interface GatewayPlan {
  readonly apps: readonly string[];
  readonly fronts: readonly string[];
  readonly steps: readonly string[];
  readonly clients: number;
  readonly everyMs: number;
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
        ...{ gateway: flag, help: flag, docs: flag },
        ...{ apps: text, fronts: text, steps: text, clients: text, every: text, json: text },
      },
    }),
  );
  if (values.help === true) return undefined;
  return {
    apps: chosen("apps", values.apps, APPS),
    fronts: chosen(
      "fronts",
      values.fronts,
      Object.keys(FRONTS).map((name) => ({ name })),
    ),
    steps: chosen("steps", values.steps, GATEWAY_STEPS),
    clients: whole("clients", values.clients, { standard: CLIENTS, least: 1, most: 5000 }),
    everyMs: whole("every", values.every, { standard: EVERY_MS, least: 5, most: 60_000 }),
    docs: values.docs === true,
    ...(values.json === undefined ? {} : { json: values.json }),
  };
}

/** One application after the other. */
export async function proveGateways(
  plan: GatewayPlan,
  { folder, line }: { readonly folder: string; readonly line: (text: string) => void },
): Promise<GatewayProofResult> {
  const [loadBefore = 0] = loadavg();
  const measuredAt = new Date().toISOString();
  const apps: GatewayResult[] = [];
  for (const app of APPS.filter(({ name }) => plan.apps.includes(name)))
    for (const front of plan.fronts as readonly FrontName[]) {
      line(`${app.title}: ${front}, ${plan.clients} clients, a frame every ${plan.everyMs} ms`);
      const result = await proveGateway({
        ...{ app, front, clients: plan.clients, everyMs: plan.everyMs, workers: WORKERS, folder },
        // The pause is compared with that of the first step, so it is always there.
        steps: GATEWAY_STEPS.filter(({ name }, place) => place === 0 || plan.steps.includes(name)),
        onStep: (step) => line(stepLine(step)),
      });
      line(`         ${(result.bytesPerClient / 1000).toFixed(1)} kB for each client`);
      apps.push(result);
    }
  return { measuredAt, machine: machine(), versions: { bun: Bun.version }, loadBefore, apps };
}

export const hasWrongs = ({ apps }: GatewayProofResult): boolean =>
  apps.some(
    ({ front, steps }) => front === "gateway" && steps.some(({ failures }) => failures.length > 0),
  );

function chosen(
  option: string,
  only: string | undefined,
  all: readonly { readonly name: string }[],
): readonly string[] {
  const names = all.map(({ name }) => name);
  const wanted = only?.split(",") ?? names;
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown === undefined) return wanted;
  throw new ProveError(
    "argument_invalid",
    `Cannot use --${option} ${unknown}: expected some of ${names.join(", ")}`,
  );
}
