// Owns: the steps in which nodes or their connections fail: killed, frozen, cut off from the
// broker.
import { nodeIds, type Step, spreadEvenly } from "./step.ts";

const common = { mayLoseData: false, isDrain: false, needsRedis: false } as const;
const FROZEN_MS = 10_000;
const CUT_OFF_MS = 8000;

export const kill: Step = {
  ...common,
  name: "kill",
  title: "A node is killed (SIGKILL)",
  quick: true,
  timeLimitMs: 60_000,
  async run(stage) {
    const [id = ""] = nodeIds(stage);
    stage.mark(`kill ${id}`);
    const startMs = performance.now();
    await stage.fleet.kill(id);
    await stage.everyoneBack();
    const backMs = Math.round(performance.now() - startMs);
    stage.back(backMs);
    stage.note(`everyone was back after ${backMs} ms`);
    await stage.fleet.start(stage.revision());
    // Sessions move to the new node in this step, not in the next.
    if (stage.fleet.rebalances) await spreadEvenly(stage);
  },
};

export const freeze: Step = {
  ...common,
  name: "freeze",
  title: "A node stands still for 10 s (SIGSTOP)",
  quick: false,
  timeLimitMs: 60_000,
  async run(stage) {
    const [id = ""] = nodeIds(stage);
    stage.mark(`freeze ${id}`);
    stage.fleet.freeze(id);
    await Bun.sleep(FROZEN_MS);
    stage.fleet.thaw(id);
    stage.mark(`${id} goes on`);
  },
};

export const cutOff: Step = {
  ...common,
  name: "cut-off",
  title: "A node is cut off from the broker for 8 s",
  quick: false,
  timeLimitMs: 60_000,
  async run(stage) {
    const [id = ""] = nodeIds(stage);
    stage.mark(`cut ${id} off`);
    await stage.broker.cut(id);
    await Bun.sleep(CUT_OFF_MS);
    await stage.broker.join(id);
    stage.mark(`${id} is joined`);
  },
};
