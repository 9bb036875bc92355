// Owns: the gateway's proof from its arguments to its result.
import { loadavg } from "node:os";
import { join } from "node:path";
import { machine } from "@holdfast/load";
import { ProcessError } from "@holdfast/load/processes";
import { ProveError } from "../prove-error.ts";
import type { App } from "./app.ts";
import { APPS } from "./apps/apps.ts";
import type { FrontName } from "./fronts/fronts.ts";
import { EVERY_MS, type GatewayPlan, stepsOf } from "./gateway-plan.ts";
import { proveGateway } from "./gateway-run.ts";
import { spreadLine, stepLine } from "./gateway-text.ts";
import type { BrokenRun, GatewayProofResult, GatewayResult } from "./result.ts";

const WORKERS = 2;

interface Run {
  readonly app: App;
  readonly front: FrontName;
}

export interface ProofPlace {
  readonly folder: string;
  readonly line: (text: string) => void;
  /** Gets what there is after each application, so that nothing is lost if a later one breaks. */
  readonly keep: (soFar: GatewayProofResult) => Promise<void>;
}

/** One application after the other, each with every front of the plan. */
export async function proveGateways(
  plan: GatewayPlan,
  { folder, line, keep }: ProofPlace,
): Promise<GatewayProofResult> {
  const [loadBefore = 0] = loadavg();
  const measuredAt = new Date().toISOString();
  const startedMs = performance.now();
  const apps: GatewayResult[] = [];
  const broken: BrokenRun[] = [];
  const versions = { bun: Bun.version, node: await nodeVersion() };
  const resultSoFar = (): GatewayProofResult => ({
    ...{ measuredAt, machine: machine(), versions, loadBefore, apps, broken },
    tookMs: Math.round(performance.now() - startedMs),
  });
  const runs = runsOf(plan);
  for (const [place, { app, front }] of runs.entries()) {
    const clients = plan.clients ?? app.clients;
    const everyMs = plan.everyMs ?? app.everyMs ?? EVERY_MS;
    const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
    line(
      `${place + 1} of ${runs.length}, after ${minutes} min: ${app.title}: ${front}, ${clients} clients, a frame every ${everyMs} ms`,
    );
    try {
      const result = await proveGateway({
        ...{ app, front, clients, everyMs, workers: WORKERS },
        ...{ folder: join(folder, `${app.name}-${front}`), pace: plan.pace },
        steps: stepsOf(plan, app),
        onStep: (step) => line(stepLine(step)),
      });
      line(spreadLine(result));
      apps.push(result);
    } catch (error) {
      if (!(error instanceof ProveError || error instanceof ProcessError)) throw error;
      line(`BROKEN ${error.message}`);
      broken.push({ app: app.name, front, why: error.message });
    }
    await keep(resultSoFar());
  }
  return resultSoFar();
}

/** Unless `--fronts` says it, each application has its own. */
function runsOf({ apps, fronts }: GatewayPlan): readonly Run[] {
  return APPS.filter(({ name }) => apps.includes(name)).flatMap((app) => {
    const before = fronts ?? app.fronts ?? ["gateway"];
    return before.map((front) => ({ app, front: front as FrontName }));
  });
}

async function nodeVersion(): Promise<string> {
  const child = Bun.spawn(["node", "--version"], { stdout: "pipe", stderr: "ignore" });
  return (await new Response(child.stdout).text()).trim().replace(/^v/, "");
}
