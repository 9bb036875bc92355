// Owns: the target figures of the proof, in addition to the rules that make it fail.
import { attemptsPerClient, type ProofResult, type StepResult } from "./result.ts";

export interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
  readonly isMet: boolean;
  /** Why the figure says nothing about what is judged. */
  readonly notJudged?: string;
}

/** How a table says it. */
export const verdictOf = ({ isMet, notJudged }: Target): string => {
  if (isMet) return "yes";
  return notJudged === undefined ? "**no**" : `not judged: ${notJudged}`;
};

const GAP_ABOVE_STEADY_MS = 50;
const ATTEMPTS_MAX = 1.05;
/**
 * For N clients and the handshake rate (A): clients are told the window 1.3 N / A. The target is
 * one and a half times this, plus a second.
 */
const WINDOW_FACTOR = 1.3;
const BACK_FACTOR = 1.5;
const BACK_EXTRA_MS = 1000;

/** Targets of the steps that the result has. */
export function targetsOf(result: ProofResult): readonly Target[] {
  const step = (name: string) => result.steps.find((one) => one.name === name);
  const [steady, rolling, kill] = [step("steady"), step("rolling-restart"), step("kill")];
  return [
    ...(steady && rolling ? rollingTargets(result, steady, rolling) : []),
    ...(kill ? killTargets(result, kill) : []),
  ];
}

function rollingTargets(
  { handshakesPerSecond }: ProofResult,
  steady: StepResult,
  rolling: StepResult,
): readonly Target[] {
  const attempts = attemptsPerClient(rolling) ?? 0;
  const above = rolling.longest.p99Ms - steady.longest.p99Ms;
  const zero = (what: string, value: number): Target => ({
    what: `rolling restart: ${what}`,
    wanted: "0",
    found: String(value),
    isMet: value === 0,
  });
  const { lost, duplicated, outOfOrder } = rolling.violations;
  return [
    zero("lost", lost),
    zero("duplicated", duplicated),
    zero("out of order", outOfOrder),
    zero("disconnects that applications saw", rolling.visibleDisconnects),
    zero("presence flickers", rolling.flickers),
    {
      what: "rolling restart: moves of one session",
      wanted: "at most 2",
      found: `at most ${rolling.movesMax}; ${rolling.moves} in all`,
      isMet: rolling.movesMax <= 2,
    },
    {
      what: "rolling restart: delivery gap p99 above steady state",
      wanted: `at most ${GAP_ABOVE_STEADY_MS} ms`,
      found: `${above} ms`,
      isMet: above <= GAP_ABOVE_STEADY_MS,
    },
    {
      what: "rolling restart: attempts per client",
      wanted: `1.00 to ${ATTEMPTS_MAX}`,
      found: attempts.toFixed(2),
      isMet: attempts <= ATTEMPTS_MAX + 0.005,
    },
    {
      what: "rolling restart: peak handshakes/s of a node",
      wanted: `at most A = ${handshakesPerSecond}`,
      found: String(rolling.peakOfNode),
      isMet: rolling.peakOfNode <= handshakesPerSecond,
    },
  ];
}

function killTargets(
  { handshakesPerSecond, nodes }: ProofResult,
  kill: StepResult,
): readonly Target[] {
  const windowMs = (WINDOW_FACTOR * kill.reconnects * 1000) / (handshakesPerSecond * (nodes - 1));
  const limitMs = Math.round(BACK_FACTOR * windowMs + BACK_EXTRA_MS);
  const { lost, duplicated } = kill.violations;
  const back = kill.backMs;
  return [
    {
      what: "SIGKILL: lost and duplicated",
      wanted: "0",
      found: String(lost + duplicated),
      isMet: lost + duplicated === 0,
    },
    ...(back === undefined
      ? []
      : [
          {
            what: `SIGKILL: ${kill.reconnects} clients are back`,
            wanted: `within 1.5 W + 1 s = ${limitMs} ms`,
            found: `${back} ms`,
            isMet: back <= limitMs,
          },
        ]),
  ];
}
