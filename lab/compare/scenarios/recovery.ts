// Owns: measuring what it costs a server when all its clients come back at once and each has missed
// something.
import type { LoadPlan, LoadResult } from "@holdfast/load";
import { runLoad } from "@holdfast/load";
import { CompareError } from "../compare-error.ts";
import { comebackPlan, writersPlan } from "../load-plans.ts";
import type { Sizes } from "../plan.ts";
import type { RecoveryFigures } from "../scenario.ts";
import type { Running } from "../servers.ts";
import { runWatched } from "../watched-load.ts";

/** Long enough for a run of writers within it. */
const QUIET_MS = 7000;
const AWAY_MS = 8000;
const COMEBACK_MS_MAX = 60_000;
const WRITING_MS = 2000;
/**
 * Every client has had a message before: Socket.IO can continue a session only behind one. They
 * also warm the server up.
 */
const BEFORE_EACH = 20;

export async function measureRecovery(servers: Running, sizes: Sizes): Promise<RecoveryFigures> {
  const { clients, rooms, missed } = sizes.recovery;
  const writers = new Writers(servers, sizes);
  const plan = comebackPlan(servers, sizes, {
    quietMs: QUIET_MS,
    awayMs: AWAY_MS,
    msMax: COMEBACK_MS_MAX,
  });
  const load = await runWatched(
    plan,
    { servers: servers.usage },
    {
      onProgress: ({ phase }) => {
        if (phase.name === "quiet") writers.begin("before", BEFORE_EACH);
        if (phase.name === "comeback") writers.begin("missed", missed);
      },
    },
  );
  const [before, away] = [await writers.ended("before"), await writers.ended("missed")];
  const cut = load.span("comeback");
  const fromMs = cut.fromMs + AWAY_MS;
  if (before.endedMs > cut.fromMs || away.endedMs > fromMs)
    throw new CompareError(
      "not_in_time",
      "Cannot measure: found messages that were published too late, expected them before the clients came back",
    );
  const phase = load.phase("comeback");
  if (phase.absent > 0 || phase.counts.recovered !== clients)
    throw new CompareError(
      "load_failed",
      `Cannot measure: found ${phase.counts.recovered} clients that came back, expected ${clients}; ${JSON.stringify(phase.errors)}`,
    );
  const members = clients / rooms;
  // Marks of another run: those of the writers. They are missed by every member of their room.
  const wanted = away.sent * members;
  const found = phase.counts.foreign;
  const cpu = load.cpu("servers", { fromMs, toMs: cut.toMs });
  return {
    seconds: (phase.times.recovery?.maxUs ?? Number.NaN) / 1e6,
    ...(cpu === undefined
      ? {}
      : { userSeconds: cpu.userUs / 1e6, systemSeconds: cpu.systemUs / 1e6 }),
    recovered: found,
    wrong: Math.abs(found - wanted) + phase.counts.gaps,
  };
}

type Turn = "before" | "missed";

interface Written {
  /** Over all rooms. */
  readonly sent: number;
  readonly endedMs: number;
}

/** Runs of writers, each begun once. */
class Writers {
  readonly #plan: (each: number) => LoadPlan;
  readonly #turns = new Map<Turn, Promise<Written>>();

  constructor(servers: Running, sizes: Sizes) {
    this.#plan = (each) => writersPlan(servers, sizes, { each, ms: WRITING_MS });
  }

  begin(turn: Turn, each: number): void {
    if (!this.#turns.has(turn)) this.#turns.set(turn, runLoad(this.#plan(each)).then(written));
  }

  ended(turn: Turn): Promise<Written> {
    const running = this.#turns.get(turn);
    if (running === undefined)
      throw new CompareError("load_failed", `Cannot measure: the writers' turn ${turn} never came`);
    return running;
  }
}

function written({ total, lost }: LoadResult): Written {
  if (lost > 0)
    throw new CompareError(
      "load_failed",
      `Cannot measure: found ${lost} messages that their own writers did not hear`,
    );
  return { sent: total.counts.sent, endedMs: Date.now() };
}
