// Owns: the step in which what stands before the servers is restarted.
import type { GatewayStep } from "./step.ts";

const BACK_MS = 3000;

export const restart: GatewayStep = {
  name: "restart",
  title: "What stands before the servers is restarted (SIGTERM)",
  kind: "restart",
  async run(stage) {
    const startedMs = performance.now();
    await stage.front.restart();
    stage.note(`it was ready again after ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
    await Bun.sleep(BACK_MS);
  },
};
