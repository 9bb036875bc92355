// Owns: the proof of the gateway for one application: one step after the other, each judged.
import { loadavg } from "node:os";
import { Bench, type BenchOptions } from "./bench.ts";
import type { GatewayResult, GatewayStepResult } from "./result.ts";
import type { GatewayStep } from "./steps/step.ts";

export interface GatewayProofOptions extends BenchOptions {
  /** Pauses are compared with those of the steady ones, which come first. */
  readonly steps: readonly GatewayStep[];
  readonly onStep: (result: GatewayStepResult) => void;
}

/** As shells say it of a program that a signal ended. */
const INTERRUPTED = 130;

export async function proveGateway(options: GatewayProofOptions): Promise<GatewayResult> {
  const { app, front, clients, everyMs, onStep } = options;
  const [loadBefore = 0] = loadavg();
  const bench = new Bench(options);
  const stop = () => void bench.close().then(() => process.exit(INTERRUPTED));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    await bench.start();
    const steps: GatewayStepResult[] = [];
    for (const step of options.steps) {
      if (step.wantsFlood === true && app.floods !== true) continue;
      const still = steps.filter(({ kind }) => kind === "steady");
      const stillP99Ms = Math.max(0, ...still.map(({ longestMs }) => longestMs.p99));
      const result = await bench.step(step, stillP99Ms);
      steps.push(result);
      onStep(result);
    }
    const { bytesPerClient, cpuMicrosPerFrame } = bench;
    const { name, title } = app;
    const declares = app.declared.map(({ kinds, text }) => `${text} (${kinds.join(", ")})`);
    return {
      ...{ app: name, front, title, clients, everyMs, declares, loadBefore },
      ...{ bytesPerClient, cpuMicrosPerFrame, steps },
    };
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await bench.close();
  }
}
