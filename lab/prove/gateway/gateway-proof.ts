// Owns: the gateway's proof from its arguments to its result.
import { loadavg } from "node:os";
import { join } from "node:path";
import { machine } from "@holdfast/load";
import type { App } from "./app.ts";
import { APPS } from "./apps/apps.ts";
import type { FrontName } from "./fronts/fronts.ts";
import { EVERY_MS, type GatewayPlan, stepsOf } from "./gateway-plan.ts";
import { proveGateway } from "./gateway-run.ts";
import { spreadLine, stepLine } from "./gateway-text.ts";
import type { GatewayProofResult, GatewayResult } from "./result.ts";

const WORKERS = 2;

interface Run {
  readonly app: App;
  readonly front: FrontName;
}

/** One application after the other, each with every front of the plan. */
export async function proveGateways(
  plan: GatewayPlan,
  { folder, line }: { readonly folder: string; readonly line: (text: string) => void },
): Promise<GatewayProofResult> {
  const [loadBefore = 0] = loadavg();
  const measuredAt = new Date().toISOString();
  const startedMs = performance.now();
  const apps: GatewayResult[] = [];
  const runs = runsOf(plan);
  for (const [place, { app, front }] of runs.entries()) {
    const clients = plan.clients ?? app.clients;
    const everyMs = plan.everyMs ?? app.everyMs ?? EVERY_MS;
    const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
    line(
      `${place + 1} of ${runs.length}, after ${minutes} min: ${app.title}: ${front}, ${clients} clients, a frame every ${everyMs} ms`,
    );
    const result = await proveGateway({
      ...{ app, front, clients, everyMs, workers: WORKERS },
      ...{ folder: join(folder, `${app.name}-${front}`), pace: plan.pace },
      steps: stepsOf(plan, app),
      onStep: (step) => line(stepLine(step)),
    });
    line(spreadLine(result));
    apps.push(result);
  }
  const tookMs = Math.round(performance.now() - startedMs);
  const versions = { bun: Bun.version, node: await nodeVersion() };
  return { measuredAt, machine: machine(), versions, loadBefore, tookMs, apps };
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
