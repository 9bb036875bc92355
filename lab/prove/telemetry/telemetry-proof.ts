// Owns: the telemetry proof from its arguments to its result.
import { loadavg } from "node:os";
import { join } from "node:path";
import { machine } from "@holdfast/load";
import { Helper } from "@holdfast/load/processes";
import { eventually } from "../prove-error.ts";
import { type Seen, TelemetryBench } from "./bench.ts";
import { judgeDirect } from "./direct.ts";
import { judge, READERS, type Reader, type StepAccount } from "./oracle.ts";
import {
  type DirectResult,
  type MemoryResult,
  type Spread,
  spreadOf,
  type TelemetryResult,
  type TelemetryStepResult,
} from "./result.ts";
import type { MemoryCommands } from "./state-memory.ts";
import { STEPS } from "./steps.ts";
import type { StraightCommands } from "./straight.ts";
import type { TelemetryPlan } from "./telemetry-plan.ts";

const KEYS = 10_000;
/** Windows of silent channels close after the channel is idle, its lateness and the window. */
const CLOSED_MS = 60_000;
const INTERRUPTED = 130;

export interface TelemetryPlace {
  readonly folder: string;
  readonly say: (text: string) => void;
  readonly onSeen: (seen: Seen) => void;
}

export async function proveTelemetry(
  plan: TelemetryPlan,
  { folder, say, onSeen }: TelemetryPlace,
): Promise<TelemetryResult> {
  const [loadBefore = 0] = loadavg();
  const measuredAt = new Date().toISOString();
  const startedMs = performance.now();
  const memory = await stateMemory();
  const bench = new TelemetryBench({ plan, folder, say });
  const stop = () => void bench.close().then(() => process.exit(INTERRUPTED));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    await bench.start();
    const seen: Seen[] = [];
    let direct: DirectResult | undefined;
    await bench.warmUp();
    for (const step of STEPS.filter(({ name }) => plan.steps.includes(name))) {
      if (step.isDirect === true) await straight(bench, plan, say);
      const one = await bench.step(step);
      if (step.isDirect === true) {
        await bench.drained();
        direct = await judgeDirect(bench, plan.seed, one);
      } else seen.push(one);
      onSeen(one);
    }
    say("the last windows close");
    // Windows of the last step close by events, as all before them.
    const endMs = Date.now();
    await Bun.sleep(plan.windowMs + plan.latenessMs);
    await bench.drained();
    await closed(bench, plan);
    const accounts = judge(bench.acks(), await bench.got(), {
      ...{ seed: plan.seed, windowMs: plan.windowMs, latenessMs: plan.latenessMs },
      spans: [...spansOf(seen, endMs), { name: "", fromMs: endMs, toMs: Number.POSITIVE_INFINITY }],
    });
    const logged = bench.nodes.logged();
    return {
      ...{ measuredAt, machine: machine(), loadBefore, memory, logged },
      versions: { bun: Bun.version, redis: bench.redisVersion.replace("Redis ", "") },
      ...{ devices: plan.devices, eventsPerSecond: plan.eventsPerSecond, seed: plan.seed },
      ...{ windowMs: plan.windowMs, latenessMs: plan.latenessMs, sinkAwayMs: plan.sinkAwayMs },
      ...{ partitions: plan.partitions, short: plan.short },
      tookMs: Math.round(performance.now() - startedMs),
      steps: seen.map((one) => stepResult(one, accounts.get(one.name))),
      ...(direct === undefined ? {} : { direct }),
      failures: [
        ...(accounts.get("")?.failures ?? []),
        ...((await changedRows(bench)) > 0 ? ["rows of the table were replaced by others"] : []),
        ...((logged.bug ?? 0) > 0 ? [`${logged.bug} faults in the nodes' logs`] : []),
      ],
    };
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await bench.close();
  }
}

async function stateMemory(): Promise<MemoryResult> {
  const helper = new Helper<MemoryCommands>("memory", join(import.meta.dir, "state-memory.ts"));
  try {
    return await helper.ask("measure", { keys: KEYS });
  } finally {
    await helper.end();
  }
}

/** What the sinks take by themselves, with as many writers, while devices are silent. */
async function straight(
  bench: TelemetryBench,
  { eventsPerSecond, partitions, steadyMs }: TelemetryPlan,
  say: (text: string) => void,
): Promise<void> {
  say("straight into the sinks");
  await bench.drained();
  const helper = new Helper<StraightCommands>("straight", join(import.meta.dir, "straight.ts"));
  try {
    await helper.ask("begin", {
      ...{ kafka: `127.0.0.1:${bench.kafka.port}`, database: bench.database.url },
      ...{ writers: partitions, perSecond: eventsPerSecond },
    });
    await Bun.sleep(steadyMs / 2);
    await helper.ask("end", undefined);
  } finally {
    await helper.end();
  }
}

/** Until every reader has as many windows as the table, and nothing more comes. */
async function closed(bench: TelemetryBench, plan: TelemetryPlan): Promise<void> {
  const lastMs = Date.now();
  const { windowMs, latenessMs } = plan;
  await eventually(
    "every reader has every window",
    async () => {
      const counts = await bench.counts();
      if (Date.now() - lastMs < 10_000 + windowMs + latenessMs) return false;
      return counts.every((count) => count === counts[0]);
    },
    { timeoutMs: CLOSED_MS, everyMs: 250 },
  ).catch(() => {
    // The oracle says what is missing.
  });
}

/** Side by side: a window that begins between two steps belongs to the later one. */
function spansOf(seen: readonly Seen[], endMs: number) {
  return seen.map(({ name, fromMs, mayTellGaps }, place) => ({
    ...{ name, fromMs, mayTellGaps },
    toMs: seen[place + 1]?.fromMs ?? endMs,
  }));
}

function stepResult(seen: Seen, account: StepAccount | undefined): TelemetryStepResult {
  const { fromMs: _from, toMs: _to, mayTellGaps: _gaps, failures, ...figures } = seen;
  const { delaysMs, failures: wrongs = [], ...counts } = account ?? ({} as Partial<StepAccount>);
  const delayMs = Object.fromEntries(
    READERS.map((reader) => [reader, spreadOf(delaysMs?.[reader] ?? [])]),
  ) as Record<Reader, Spread>;
  const { refusedEvents = 0, notMade = 0 } = seen.devices;
  return {
    ...{ acknowledged: 0, inWindows: 0, late: 0, lateByFault: 0, dead: 0, windows: 0 },
    ...{ kafkaAgain: 0, gaps: 0, ...counts, ...figures, delayMs },
    failures: [
      ...failures,
      ...wrongs,
      ...(refusedEvents > 0 ? [`${refusedEvents} events were refused`] : []),
      ...(notMade > 0 ? [`${notMade} events were not made: devices were cut off too long`] : []),
      ...(account === undefined ? ["nothing was acknowledged"] : []),
    ],
  };
}

async function changedRows(bench: TelemetryBench): Promise<number> {
  const [found] = await bench.database.sql.unsafe("SELECT count(*) AS n FROM changed");
  return Number(found.n);
}
