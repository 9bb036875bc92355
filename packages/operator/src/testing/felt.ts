// Owns: simulated releases as clients feel them: counts of canary and stable minute by minute, with
// noise that both have and bursts that only one pod has.
import { createSeededRandom, type SeededRandom } from "@holdfast/core";
import { judge, type Verdict } from "../analysis/judge.ts";
import { type AnalysisRules, SIGNALS, type Signal } from "../analysis/tally.ts";

/** How a revision fails: the part of its chances that are bad, for each signal. */
export type Rates = Readonly<Record<Signal, number>>;

export interface Felt {
  /** Connections of the canary and of stable. */
  readonly canary: number;
  readonly stable: number;
  /** What every revision suffers. */
  readonly usual: Rates;
  /** What the canary suffers besides. */
  readonly worse: Partial<Rates>;
  readonly rules: AnalysisRules;
}

export interface Outcome {
  readonly outcome: Verdict["outcome"];
  /** Connection-minutes of the canary when the verdict came. */
  readonly minutes: number;
}

/** Looks are so far apart: the verdict is asked for as often as a release is looked at. */
const LOOK_MINUTES = 1 / 12;
/** Resumes for each connection-minute. */
const RESUMES = 0.05;
const LOOKS_MAX = 20_000;

/** Each pod has a bad moment of its own once in so many looks: two hours. */
const LUMP_LOOKS = 1440;
const LUMP_SHARE = 0.05;
const POD_CONNECTIONS = 200;

/** One release until its verdict. */
export function felt(seed: number, plan: Felt): Outcome {
  const random = createSeededRandom(`felt ${seed}`);
  const [canary, stable] = [counting(), counting()];
  // A bad day for everybody: a network that loses, a slow broker.
  const weather = random.chance(0.2) ? 1 + 4 * random.next() : 1;
  for (let look = 0; look < LOOKS_MAX; look++) {
    // A blip hits all connections of both in the same minutes.
    const blip = random.chance(0.002) ? 20 : 1;
    live(random, canary, {
      connections: plan.canary,
      rates: plan.usual,
      more: plan.worse,
      factor: weather * blip,
    });
    live(random, stable, {
      connections: plan.stable,
      rates: plan.usual,
      more: {},
      factor: weather * blip,
    });
    const { outcome } = judge(canary, stable, plan.rules);
    if (outcome !== "undecided") return { outcome, minutes: canary.connectionMinutes };
  }
  return { outcome: "undecided", minutes: canary.connectionMinutes };
}

interface Minutes {
  readonly connections: number;
  readonly rates: Rates;
  readonly more: Partial<Rates>;
  readonly factor: number;
}

function live(
  random: SeededRandom,
  tally: Counting,
  { connections, rates, more, factor }: Minutes,
): void {
  const minutes = connections * LOOK_MINUTES;
  const resumes = poisson(random, minutes * RESUMES);
  tally.connectionMinutes += minutes;
  tally.resumes += resumes;
  const lump = lumpOf(random, connections);
  for (const signal of SIGNALS) {
    const chances = signal === "resumesFailed" ? resumes : minutes;
    const rate = Math.min(0.9, rates[signal] * factor + (more[signal] ?? 0));
    // Bad minutes come in bursts of one to five connections of one cause.
    let bad = 0;
    for (let left = poisson(random, (chances * rate) / 3); left > 0; left--)
      bad += 1 + random.int(5);
    if (lump !== undefined && lump.signal === signal) bad += lump.count;
    const of = signal === "resumesFailed" ? tally.resumes : tally.connectionMinutes;
    tally.bad[signal] = Math.min(Math.floor(of), tally.bad[signal] + bad);
  }
}

/** One pod has a bad moment of its own, whatever its revision: some of its connections suffer. */
function lumpOf(random: SeededRandom, connections: number): Lump | undefined {
  const pods = Math.max(1, Math.round(connections / POD_CONNECTIONS));
  if (!random.chance(pods / LUMP_LOOKS)) return undefined;
  const most = Math.min(connections, POD_CONNECTIONS) * LUMP_SHARE;
  return { signal: random.pick(SIGNALS), count: 1 + random.int(Math.ceil(most)) };
}

interface Lump {
  readonly signal: Signal;
  readonly count: number;
}

/** Knuth's way for few, the normal distribution for many. */
function poisson(random: SeededRandom, mean: number): number {
  if (mean > 50) {
    const normal =
      Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal));
  }
  const limit = Math.exp(-mean);
  let [count, product] = [0, random.next()];
  while (product > limit) {
    count += 1;
    product *= random.next();
  }
  return count;
}

type Counting = {
  connectionMinutes: number;
  resumes: number;
  readonly bad: Record<Signal, number>;
};

const counting = (): Counting => ({
  connectionMinutes: 0,
  resumes: 0,
  bad: { crashes: 0, lost: 0, slow: 0, resumesFailed: 0, closedAbnormally: 0 },
});
