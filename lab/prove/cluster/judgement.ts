// Owns: the targets of a proof on a real cluster, judged from recorded figures alone.
import type { StepResult } from "../result.ts";
import type { Target } from "../targets.ts";

const ONCE_MIN = 0.997;
const ATTEMPTS_MAX = 1.05;
const REFUSALS_MAX = 0.02;
const PAUSE_ABOVE_STEADY_MS = 50;
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
    .filter(({ isMet }) => !isMet)
    .map(({ what, wanted, found }) => `${what}: ${found}, wanted ${wanted}`);

function releaseTargets(step: StepResult): readonly Target[] {
  const { operator, movedOnce = 0 } = step;
  const once = movedOnce / (operator?.clients ?? 1);
  const attempts = attemptsPerMove(step) ?? 0;
  const refused = refusalShare(step);
  const steadyMs = operator?.steadyPauseMs;
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
    ...(steadyMs === undefined
      ? []
      : [
          {
            what: "longest pause p99 above steady",
            wanted: `at most ${PAUSE_ABOVE_STEADY_MS} ms`,
            found: `${step.longestTransit.p99Ms - steadyMs} ms`,
            isMet: step.longestTransit.p99Ms - steadyMs <= PAUSE_ABOVE_STEADY_MS,
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
