// Owns: the proof of the gateway for one application: one step after the other, each judged.
import { loadavg } from "node:os";
import { Bench, type BenchOptions } from "./bench.ts";
import type { GatewayResult, GatewayStepResult } from "./result.ts";
import type { GatewayStep } from "./steps/step.ts";

export interface GatewayProofOptions extends BenchOptions {
  /** The first is the one with which pauses are compared. */
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
      const result = await bench.step(step, steps[0]?.longestMs.p99 ?? 0);
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
