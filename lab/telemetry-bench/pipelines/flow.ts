// Owns: measuring a steady flow of events through a filter and a window: how many events a second
// of CPU takes, and whether every window comes out right.
import { CompareError } from "../../compare/compare-error.ts";
import { eventually } from "../../prove/prove-error.ts";
import { type Engine, LATENESS_MS, resultOf, TOPICS, WINDOW_MS } from "./engines.ts";
import type { Feed, WindowResult } from "./feed.ts";

export interface FlowRules {
  readonly perSecond: number;
  readonly devices: number;
  readonly disorderMs: number;
  /** The flow before it is measured, until every runtime has compiled its hot code. */
  readonly warmUpMs: number;
  /** Whole windows, so that each of their ends is counted. */
  readonly measuredMs: number;
  readonly settleMs: number;
}

/** CPU is that of the engine without Redis and Kafka. */
export interface FlowFigures {
  readonly events: number;
  readonly eventsPerCpuSecond: number;
  readonly userUsPerEvent: number;
  readonly systemUsPerEvent: number;
  readonly redisUsPerEvent?: number;
  /** The most within the measurement. */
  readonly rssBytes: number;
  readonly results: number;
  /** Windows that are missing, doubled, or say something else: must be 0. */
  readonly wrong: number;
}

const SEED = 7;
const LOOK_MS = 500;
const HELD_MIN = 0.9;

/** Throws `CompareError` if the engine does not hold the pace. */
export async function measurePipeline(
  engine: Engine,
  feed: Feed,
  rules: FlowRules,
): Promise<FlowFigures> {
  const { perSecond, devices, disorderMs, warmUpMs, measuredMs } = rules;
  const seconds = Math.ceil((warmUpMs + measuredMs) / 1000) + 1;
  await feed.begin({
    ...{ topic: TOPICS.events, perSecond, seconds, devices, disorderMs },
    ...{ windowMs: WINDOW_MS, seed: SEED },
  });
  await Bun.sleep(warmUpMs);
  const [before, redisBefore, sentBefore] = [
    engine.usage(),
    engine.redisUsage(),
    await feed.state(),
  ];
  let rssBytes = 0;
  const untilMs = performance.now() + measuredMs;
  while (performance.now() < untilMs) {
    rssBytes = Math.max(rssBytes, engine.usage().rssBytes);
    await Bun.sleep(Math.min(LOOK_MS, Math.max(1, untilMs - performance.now())));
  }
  const [after, redisAfter, sentAfter] = [engine.usage(), engine.redisUsage(), await feed.state()];
  const events = sentAfter.sent - sentBefore.sent;
  await eventually("the events end", async () => !(await feed.state()).running, {
    timeoutMs: rules.settleMs,
  });
  const { failure } = await feed.state();
  if (failure !== "") throw new CompareError("load_failed", `Cannot measure: ${failure}`);
  const expected = await feed.expected();
  const found = await settled(feed, expected.length, rules.settleMs);
  // It is behind for good: some of the events that are divided by were never handled.
  if (found.length < expected.length * HELD_MIN)
    throw new CompareError(
      "load_failed",
      `Cannot measure: found ${found.length} windows of ${expected.length}, expected an engine that holds the pace`,
    );
  const userUs = after.userUs - before.userUs;
  const systemUs = after.systemUs - before.systemUs;
  return {
    events,
    eventsPerCpuSecond: events / ((userUs + systemUs) / 1e6),
    userUsPerEvent: userUs / events,
    systemUsPerEvent: systemUs / events,
    ...(redisBefore === undefined || redisAfter === undefined
      ? {}
      : {
          redisUsPerEvent:
            (redisAfter.userUs + redisAfter.systemUs - redisBefore.userUs - redisBefore.systemUs) /
            events,
        }),
    rssBytes,
    results: found.length,
    wrong: differences(expected, found),
  };
}

/** Everything that came out once every window has ended. */
async function settled(feed: Feed, count: number, settleMs: number): Promise<readonly unknown[]> {
  let found: readonly unknown[] = [];
  const isThere = async () => {
    found = await feed.read(TOPICS.results);
    return found.length >= count;
  };
  const timeoutMs = WINDOW_MS + LATENESS_MS + settleMs;
  await eventually("every window comes out", isThere, { timeoutMs, everyMs: LOOK_MS }).catch(
    () => {},
  );
  return found;
}

/** Windows that are missing, doubled, or say something else. Pure. */
export function differences(
  expected: readonly WindowResult[],
  records: readonly unknown[],
): number {
  const left = new Map(expected.map((one) => [nameOf(one), one]));
  let wrong = 0;
  for (const record of records) {
    const found = resultOf(record);
    const wanted = found === undefined ? undefined : left.get(nameOf(found));
    if (found === undefined || wanted === undefined) {
      wrong += 1;
      continue;
    }
    left.delete(nameOf(found));
    if (found.n !== wanted.n || found.sum !== wanted.sum || found.max !== wanted.max) wrong += 1;
  }
  return wrong + left.size;
}

const nameOf = ({ device, fromMs }: WindowResult): string => `${device}/${fromMs}`;
