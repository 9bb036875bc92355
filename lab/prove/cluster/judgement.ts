// Owns: the targets of a proof on a real cluster, judged from recorded figures alone.
import type { StepResult } from "../result.ts";
import type { Target } from "../targets.ts";

const ONCE_MIN = 0.997;
const ATTEMPTS_MAX = 1.05;
const REFUSALS_MAX = 0.02;
const PAUSE_ABOVE_MS = 50;
/**
 * If a virtual machine's host takes more, whole tenths of a second of standstill are its own: two
 * steps, one after the other, can't be compared. Those who move and those who stay still can.
 */
const STOLEN_PERCENT_MAX = 2;
const BACK_MS = 30_000;
const ORDERED_MS = 5000;
/** People are whole, so a share is met by the next one. The status tells tenths of a percent. */
const ONE = 1;
const ROUNDING_PERCENT = 0.05;

export const movesPerSession = ({ moves, operator }: StepResult): number =>
  operator === undefined || operator.clients === 0 ? 0 : moves / operator.clients;

/** Undefined if nobody moved, or if others came: their attempts are no moves. */
export function attemptsPerMove(step: StepResult): number | undefined {
  const { attempts, moves, reconnects, operator } = step;
  if (moves + reconnects === 0 || operator?.kind === "spike") return undefined;
  return attempts / (moves + reconnects);
}

/** Sockets that were refused for now, of all that were opened. */
export const refusalShare = ({ refusals = 0, attempts }: StepResult): number =>
  attempts === 0 ? 0 : refusals / attempts;

/** In ms, at the 99th percentile; undefined if nobody moved, and in old results. */
export function pauseAboveStayed({ pauseOfMoved, pauseOfStayed }: StepResult): number | undefined {
  if (!pauseOfMoved?.count || pauseOfStayed === undefined) return undefined;
  return pauseOfMoved.p99Ms - pauseOfStayed.p99Ms;
}

/** Targets of one step. */
export function operatorTargets(step: StepResult): readonly Target[] {
  const { operator } = step;
  if (operator === undefined) return [];
  if (operator.kind === "release") return releaseTargets(step);
  if (operator.kind === "bad") return badTargets(step);
  return operator.kind === "spike" ? spikeTargets(step) : [];
}

/** What misses its target, in words. */
export const missedTargets = (step: StepResult): readonly string[] =>
  operatorTargets(step)
    .filter(({ isMet, notJudged }) => !isMet && notJudged === undefined)
    .map(({ what, wanted, found }) => `${what}: ${found}, wanted ${wanted}`);

function releaseTargets(step: StepResult): readonly Target[] {
  const { operator, movedOnce = 0 } = step;
  const once = movedOnce / (operator?.clients ?? 1);
  const attempts = attemptsPerMove(step) ?? 0;
  const refused = refusalShare(step);
  return [
    {
      what: "sessions that moved just once",
      wanted: "at least 99.7 %",
      found: `${percent(once)}, ${movesPerSession(step).toFixed(3)} moves a session`,
      isMet: once >= ONCE_MIN,
    },
    {
      what: "attempts per move",
      wanted: `at most ${ATTEMPTS_MAX}`,
      found: attempts.toFixed(3),
      isMet: attempts > 0 && attempts <= ATTEMPTS_MAX,
    },
    {
      what: "attempts that were refused on the way",
      wanted: "below 2 %",
      found: percent(refused),
      isMet: refused < REFUSALS_MAX,
    },
    ...pauseTargets(step),
  ];
}

/** Of those who moved, beside those who stayed meanwhile, and beside a time of rest. */
function pauseTargets(step: StepResult): readonly Target[] {
  const { longestTransit, stolenPercent = 0, operator } = step;
  const aboveStayed = pauseAboveStayed(step);
  const steadyMs = operator?.steadyPauseMs;
  const above = (what: string, ms: number): Target => ({
    what,
    wanted: `at most ${PAUSE_ABOVE_MS} ms`,
    found: `${ms} ms`,
    isMet: ms <= PAUSE_ABOVE_MS,
  });
  const stolen = `the host took ${stolenPercent.toFixed(1)} % of the processors' time`;
  return [
    ...(aboveStayed === undefined
      ? []
      : [above("pause p99 of those who move above those who stay", aboveStayed)]),
    ...(steadyMs === undefined
      ? []
      : [
          {
            ...above("longest pause p99 above steady", longestTransit.p99Ms - steadyMs),
            ...(stolenPercent > STOLEN_PERCENT_MAX ? { notJudged: stolen } : {}),
          },
        ]),
  ];
}

function badTargets({ operator }: StepResult): readonly Target[] {
  if (operator === undefined) return [];
  const { sharePercentMax = 0, touchedPercent, verdictMs, backMs, drainMs, clients } = operator;
  const most = sharePercentMax + (ONE / clients) * 100 + ROUNDING_PERCENT;
  const limitMs = BACK_MS + drainMs;
  return [
    {
      what: "a bad revision is rolled back",
      wanted: "yes",
      found: verdictMs === undefined ? "no" : `yes, after ${seconds(verdictMs)}`,
      isMet: verdictMs !== undefined,
    },
    {
      what: "people on the bad revision",
      wanted: `at most its step's ${sharePercentMax} %`,
      found: `${touchedPercent.toFixed(1)} %`,
      isMet: touchedPercent <= most,
    },
    {
      what: "everyone is back",
      wanted: `within 30 s and the drain's ${seconds(drainMs)}`,
      found: backMs === undefined ? "no" : `after ${seconds(backMs)}`,
      isMet: backMs !== undefined && backMs <= limitMs,
    },
  ];
}

function spikeTargets(step: StepResult): readonly Target[] {
  const { operator, visibleDisconnects, extraDisconnects } = step;
  const ordered = operator?.orderedMs;
  const cut = visibleDisconnects + extraDisconnects;
  return [
    {
      what: "people who are cut, up and down",
      wanted: "0",
      found: String(cut),
      isMet: cut === 0,
    },
    {
      what: "pods are ordered",
      wanted: "within 5 s of their need",
      found: ordered === undefined ? "not measured" : `after ${seconds(ordered)}`,
      isMet: ordered !== undefined && ordered <= ORDERED_MS,
    },
  ];
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
