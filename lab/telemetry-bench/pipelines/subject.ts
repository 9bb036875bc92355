// Owns: the comparison of stream processors: its scenario and sizes.
import type { Measuring, Subject } from "../subject.ts";
import { Engines, TOPICS } from "./engines.ts";
import { Feed } from "./feed.ts";
import { type FlowRules, measurePipeline } from "./flow.ts";
import { pipelineCharts, pipelineSections, pipelineTargets } from "./page.ts";
import { ENGINE_NAMES, ENGINE_TEXTS, type EngineName } from "./rivals.ts";

export interface PipelineSizes {
  readonly window: FlowRules;
}

/** `measuredMs` is a multiple of the window, so that as many of them end in each measurement. */
const FULL: PipelineSizes = {
  window: {
    ...{ perSecond: 20_000, devices: 1000, disorderMs: 500 },
    ...{ warmUpMs: 10_000, measuredMs: 20_000, settleMs: 15_000 },
  },
};

const QUICK: PipelineSizes = {
  window: { ...FULL.window, perSecond: 5000, warmUpMs: 5000, measuredMs: 10_000 },
};

/** Over Redis the pace is slower: Redis, Kafka, the events and the load share one core here. */
const REDIS_PACE = 0.4;
/** A consumer has joined its group by then. */
const JOINED_MS = 2000;

export const PIPELINES: Subject<PipelineSizes> = {
  scenarios: ["window"],
  rivals: ENGINE_NAMES,
  sizes: (isQuick) => (isQuick ? QUICK : FULL),
  takesPart: () => true,
  titleOf: (rival) => ENGINE_TEXTS[rival as EngineName].title,
  open({ folder, pinning, sizes }): Measuring {
    const engines = new Engines({ folder, pinning });
    let feed: Feed | undefined;
    const end = async () => {
      await engines.stopAll();
      await feed?.stop();
      feed = undefined;
    };
    return {
      stopAll: end,
      async measure({ rival }, onVersion) {
        try {
          feed = await Feed.start(folder);
          for (const topic of Object.values(TOPICS)) await feed.make(topic);
          const engine = await engines.start(rival as EngineName, feed.port);
          onVersion(rival, engine.version);
          await Bun.sleep(JOINED_MS);
          const pace = rival === "holdfast-redis" ? REDIS_PACE : 1;
          const perSecond = sizes.window.perSecond * pace;
          return { ...(await measurePipeline(engine, feed, { ...sizes.window, perSecond })) };
        } finally {
          await end();
        }
      },
    };
  },
  targets: pipelineTargets,
  charts: pipelineCharts,
  sections: pipelineSections,
};
