// Owns: the steps that move sessions on purpose: rolling restart, drain of two, scale-up.
import { drainNodes, nodeIds, type Step, spreadEvenly } from "./step.ts";

const common = { mayLoseData: false, needsRedis: false } as const;

export const steady: Step = {
  ...common,
  name: "steady",
  title: "Nothing happens",
  quick: true,
  isDrain: true,
  timeLimitMs: 20_000,
  async run({ quick }) {
    await Bun.sleep(quick ? 2000 : 10_000);
  },
};

export const rollingRestart: Step = {
  ...common,
  name: "rolling-restart",
  title: "Rolling restart of every node, newer revision",
  quick: true,
  isDrain: true,
  timeLimitMs: 120_000,
  async run(stage) {
    const revision = stage.nextRevision();
    for (const old of nodeIds(stage)) {
      // Surge 1, none unavailable: the new node is ready before the old one is told to go.
      const id = await stage.fleet.start(revision);
      stage.mark(`${id} is ready`);
      await drainNodes(stage, [old]);
    }
  },
};

export const drainTwo: Step = {
  ...common,
  name: "drain-two",
  title: "Two of three nodes drain at once",
  quick: false,
  isDrain: true,
  timeLimitMs: 120_000,
  async run(stage) {
    const two = nodeIds(stage).slice(0, 2);
    const startMs = performance.now();
    await drainNodes(stage, two);
    stage.note(
      `drained after ${((performance.now() - startMs) / 1000).toFixed(1)} s; then two new nodes joined and were given their share`,
    );
    for (const _ of two) await stage.fleet.start(stage.revision());
    await spreadEvenly(stage);
  },
};

export const scaleUp: Step = {
  ...common,
  name: "scale-up",
  title: "Scale-up from two nodes to four, with rebalancing",
  quick: false,
  isDrain: true,
  timeLimitMs: 120_000,
  async run(stage) {
    const ids = nodeIds(stage);
    await drainNodes(stage, ids.slice(0, ids.length - 2));
    await Promise.all([stage.fleet.start(stage.revision()), stage.fleet.start(stage.revision())]);
    stage.mark("four nodes are ready");
    const startMs = performance.now();
    await spreadEvenly(stage);
    stage.note(
      `spread evenly ${((performance.now() - startMs) / 1000).toFixed(1)} s after the new nodes were ready`,
    );
  },
};
