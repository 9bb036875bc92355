// Owns: one load run from beginning to end: workers, phases, samples of the servers, the result.
import { join } from "node:path";
import { driverOf } from "./drivers/drivers.ts";
import { LoadError } from "./load-error.ts";
import { machine } from "./machine.ts";
import { type Watched, watchedOf } from "./observe.ts";
import { checkPlan, connectionsOf, type LoadPlan, type Phase } from "./plan.ts";
import { ProcessError } from "./process-error.ts";
import {
  costOf,
  figuresOf,
  type GeneratorUse,
  type LoadResult,
  type PhaseResult,
  type Point,
  shownPlan,
  sum,
  useOf,
} from "./result.ts";
import { generatorUs, type Look, lookAt, pointBetween, withTimes } from "./timeline.ts";
import { warningsOf } from "./warnings.ts";
import { type ConnectionsSample, type WorkerProgram, Workers } from "./workers.ts";

export interface LoadHooks {
  /** If it is aborted, the run ends early and reports what it has. */
  readonly stop?: AbortSignal;
  /** About once a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Default: this package's own program, run by the Bun that runs this. */
  readonly worker?: WorkerProgram;
}

/** How the run is doing. */
export interface Progress {
  readonly phase: Phase;
  /** From 1. */
  readonly number: number;
  readonly of: number;
  /** Of this phase so far. */
  readonly ms: number;
  readonly wanted: number;
  readonly point: Point;
  readonly servers: readonly string[];
  /** So far, most frequent first, a few. */
  readonly errors: readonly (readonly [name: string, count: number])[];
}

const LOOK_MS = 1_000;
const POINT_MS_MIN = 300;
/**
 * Pause between two checks whether all clients are connected. For many clients the checks are less
 * frequent.
 */
const POLL_MS = 20;
const POLL_MS_PER_CONNECTION = 0.002;
/** A ramp ends if no client could connect for this long. */
const NOBODY_MS_MAX = 3_000;
/**
 * If more than this share of the connections is refused finally, the rest is not what the run
 * should measure.
 */
const GAVE_UP_MAX = 0.1;
/** Time between announcing a phase to all workers and its start. */
const LEAD_MS = 30;

/**
 * Runs a plan. Rejects with a LoadError if it cannot be run. Errors of the servers are in the
 * result. All its processes have ended when it settles.
 */
export async function runLoad(plan: LoadPlan, hooks: LoadHooks = {}): Promise<LoadResult> {
  checkPlan(plan);
  checkDriver(plan);
  const run = 1 + Math.floor(Math.random() * 0xfffe);
  const workers = await Workers.start(
    plan,
    run,
    hooks.worker ?? [process.execPath, join(import.meta.dir, "worker.ts")],
  );
  try {
    return await new LoadRun(plan, hooks, workers).run();
  } catch (error) {
    if (!(error instanceof ProcessError)) throw error;
    throw new LoadError("worker_failed", error.message, { cause: error });
  } finally {
    await workers.end();
  }
}

/** A phase that is over, without what only the records of the workers tell. */
interface Done {
  readonly phase: Phase;
  readonly before: Look;
  readonly after: Look;
  readonly startMs: number;
}

class LoadRun {
  readonly #plan: LoadPlan;
  readonly #hooks: LoadHooks;
  readonly #workers: Workers;
  readonly #watched: readonly Watched[];
  readonly #timeline: Point[] = [];
  readonly #done: Done[] = [];
  readonly #originMs = performance.now();
  readonly #startedAt = new Date().toISOString();
  #rssMost: number[] = [];
  /** The look up to which the course is written, and times since then. */
  #seenTo: Look | undefined;
  #unseen: ConnectionsSample["interval"] = {};

  constructor(plan: LoadPlan, hooks: LoadHooks, workers: Workers) {
    this.#plan = plan;
    this.#hooks = hooks;
    this.#workers = workers;
    this.#watched = watchedOf(plan.observe);
  }

  async run(): Promise<LoadResult> {
    const first = await this.#look();
    this.#seenTo = first;
    let before = first;
    for (const [place, phase] of this.#plan.phases.entries()) {
      if (this.#isStopped) break;
      before = await this.#phase(phase, place, before);
    }
    const account = await this.#workers.settle(
      this.#isStopped ? Math.min(500, this.#plan.settleMsMax) : this.#plan.settleMsMax,
    );
    return this.#result(first, account, await this.#workers.finish());
  }

  get #isStopped(): boolean {
    return this.#hooks.stop?.aborted ?? false;
  }

  async #look(): Promise<Look> {
    const look = await lookAt(this.#watched, () => this.#workers.sample());
    this.#rssMost = look.vitals.map((vital, place) =>
      Math.max(this.#rssMost[place] ?? 0, vital?.rssBytes ?? 0),
    );
    return look;
  }

  async #phase(phase: Phase, place: number, before: Look): Promise<Look> {
    const startMs = performance.now() + LEAD_MS;
    await this.#workers.begin(place, (performance.timeOrigin + startMs) * 1000);
    let last = before;
    for (;;) {
      const isOver = await this.#isOver(phase, startMs, last.atMs + LOOK_MS);
      const look = await this.#look();
      const { point, isWhole } = this.#seen(look, place);
      // An incomplete sample says only that a phase has begun.
      const isTold = isWhole || last === before;
      last = look;
      if (isTold)
        this.#hooks.onProgress?.({
          phase,
          number: place + 1,
          of: this.#plan.phases.length,
          ms: look.atMs - startMs,
          wanted: connectionsOf(this.#plan),
          point,
          servers: this.#watched.map(({ name }) => name),
          errors: look.sample.errorNames,
        });
      if (phase.do === "connect" && (isOver || look.atMs > startMs + NOBODY_MS_MAX))
        wantSomebody(look);
      if (isOver) break;
    }
    this.#done.push({ phase, before, after: last, startMs });
    return last;
  }

  /**
   * Adds a point to the chart over time. Samples that are close together, as at the end of a phase,
   * become one point: rates over an instant have no meaning.
   */
  #seen(look: Look, place: number): { readonly point: Point; readonly isWhole: boolean } {
    const from = this.#seenTo ?? look;
    const whole = withTimes(look, this.#unseen);
    const point = pointBetween(from, whole, { originMs: this.#originMs, phase: place });
    if (look.atMs - from.atMs < POINT_MS_MIN) {
      this.#unseen = whole.sample.interval;
      return { point, isWhole: false };
    }
    this.#unseen = {};
    this.#seenTo = look;
    this.#timeline.push(point);
    return { point, isWhole: true };
  }

  /** Waits until the phase is over (true) or the next sample is due (false). */
  async #isOver(phase: Phase, startMs: number, lookMs: number): Promise<boolean> {
    while (!this.#isStopped) {
      const nowMs = performance.now();
      if (phase.do === "hold" ? nowMs >= startMs + phase.ms : nowMs >= startMs + phase.msMax)
        return true;
      const leastMs = phase.do === "drop" ? startMs + Math.max(phase.ms, 1) : startMs;
      if (phase.do !== "hold" && nowMs >= leastMs && (await this.#workers.absent()) === 0)
        return true;
      if (nowMs >= lookMs) return false;
      const endMs = phase.do === "hold" ? startMs + phase.ms : Number.POSITIVE_INFINITY;
      await Bun.sleep(
        Math.max(
          1,
          Math.min(
            Math.max(POLL_MS, POLL_MS_PER_CONNECTION * connectionsOf(this.#plan)),
            lookMs - nowMs,
            endMs - nowMs,
          ),
        ),
      );
    }
    return true;
  }

  #result(
    first: Look,
    account: { lost: number; unanswered: number },
    records: Awaited<ReturnType<Workers["finish"]>>,
  ): LoadResult {
    const phases = this.#done.map((done, place) =>
      this.#phaseResult(
        done,
        records.flatMap((of) => of[place] ?? []),
      ),
    );
    const measured = this.#done.flatMap((_, place) =>
      phases[place]?.isMeasured ? records.flatMap((of) => of[place] ?? []) : [],
    );
    const used = phases.filter(({ isMeasured }) => isMeasured);
    const total = figuresOf(
      measured,
      sum(used, ({ ms }) => ms),
    );
    const generator: GeneratorUse = {
      userUs: sum(used, (phase) => phase.generator.userUs),
      systemUs: sum(used, (phase) => phase.generator.systemUs),
      lagUs: Math.max(0, ...used.map((phase) => phase.generator.lagUs)),
      busiest: Math.max(0, ...used.map((phase) => phase.generator.busiest)),
    };
    const delivering = used.filter(({ counts }) => counts.delivered > 0);
    const delivered = sum(delivering, ({ counts }) => counts.delivered);
    const seen = this.#watched.map(({ name }, place) => ({
      name,
      vital: first.vitals[place],
      place,
    }));
    return {
      scenario: this.#plan.scenario,
      startedAt: this.#startedAt,
      machine: { ...machine(), runtime: `Bun ${Bun.version}` },
      plan: shownPlan(this.#plan),
      wasStopped: this.#isStopped,
      phases,
      total,
      ...account,
      servers: seen.flatMap(({ name, vital, place }) =>
        vital === undefined
          ? []
          : [costOf(name, phases, { before: vital.rssBytes, most: this.#rssMost[place] ?? 0 })],
      ),
      generator: {
        ...generator,
        ...(delivered === 0
          ? {}
          : {
              cpuUsPerDelivery:
                sum(delivering, (phase) => phase.generator.userUs + phase.generator.systemUs) /
                delivered,
            }),
      },
      warnings: warningsOf({
        generator,
        total,
        absent: this.#isStopped
          ? 0
          : Math.max(
              0,
              ...phases.filter((phase) => phase.do !== "hold").map(({ absent }) => absent),
            ),
        unseen: seen.flatMap(({ name, vital }) => (vital === undefined ? [name] : [])),
      }),
      timeline: this.#timeline,
    };
  }

  #phaseResult(
    { phase, before, after, startMs }: Done,
    records: Parameters<typeof figuresOf>[0],
  ): PhaseResult {
    const ms = Math.max(1, after.atMs - startMs);
    const workerUs = generatorUs(before, after);
    const points = this.#timeline.filter((point) => this.#plan.phases[point.phase] === phase);
    return {
      name: phase.name,
      do: phase.do,
      isMeasured: phase.do !== "hold" || phase.isMeasured,
      startMs: Math.round(startMs - this.#originMs),
      connected: after.sample.connected,
      absent: after.sample.absent,
      ...figuresOf(records, Math.round(ms)),
      servers: this.#watched.flatMap(({ name }, place) => {
        const use = useOf({ name, before: before.vitals[place], after: after.vitals[place] });
        return use === undefined ? [] : [use];
      }),
      generator: {
        userUs:
          sum(after.sample.cpus, ({ userUs }) => userUs) -
          sum(before.sample.cpus, ({ userUs }) => userUs),
        systemUs:
          sum(after.sample.cpus, ({ systemUs }) => systemUs) -
          sum(before.sample.cpus, ({ systemUs }) => systemUs),
        lagUs: Math.max(0, ...points.map(({ generator }) => generator.lagUs)),
        busiest: Math.max(...workerUs) / 1000 / ms,
      },
    };
  }
}

/** For dialects that let only members of a room write to it. */
function checkDriver({ target, groups }: LoadPlan): void {
  if (driverOf(target.driver).can.hearItself) return;
  const outsider = groups.find(
    ({ name, writes }) => writes?.to !== undefined && writes.to !== name,
  );
  if (outsider === undefined) return;
  throw new LoadError(
    "plan_invalid",
    `Cannot run the load: found groups.${outsider.name} that writes to rooms of others, expected only members of a room to write to it with driver ${target.driver}`,
  );
}

/** A server that accepts no client, or refuses what many need, cannot be measured. */
function wantSomebody({ sample }: Look): void {
  const { counts, gaveUp, connected } = sample;
  const errors =
    sample.errorNames.map(([name, count]) => `${name} ${count}`).join(", ") || "no answer";
  if (counts.handshakes === 0 && counts.attempts > 0)
    throw new LoadError(
      "nobody_connected",
      `Cannot measure: found no connection in ${counts.attempts} attempts (${errors}), expected at least one`,
    );
  if (gaveUp > GAVE_UP_MAX * (connected + gaveUp))
    throw new LoadError(
      "nobody_connected",
      `Cannot measure: found ${gaveUp} of ${connected + gaveUp} connections refused finally (${errors}), expected them to be accepted`,
    );
}
