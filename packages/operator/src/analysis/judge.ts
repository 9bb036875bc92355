// Owns: the verdict on a canary: a sentence with its figures.
import { type Count, evidenceOfBroken, evidenceOfNoWorse, evidenceOfWorse } from "./sequential.ts";
import { type AnalysisRules, SIGNALS, type Signal, type Tally } from "./tally.ts";

export interface Verdict {
  readonly outcome: "bad" | "good" | "undecided";
  readonly text: string;
}

/**
 * The chance that a signal of a good canary ever counts as bad is below this: five signals stay
 * below 1 % together.
 */
const FALSE_ALARM = 0.001;
/** The chance that a signal of a bad canary counts as good. */
const MISS = 0.002;

/** With fewer chances of stable the canary is judged alone: nobody resumes on a quiet day. */
const COMPARED_MIN = 20;

/** How much more of its chances a canary may fail before it is bad, and how people call it. */
const MARGINS: Readonly<Record<Signal, { readonly margin: number; readonly words: string }>> = {
  crashes: { margin: 0.005, words: "of its connection-minutes ended with a crash" },
  lost: { margin: 0.01, words: "of its connection-minutes lost a publication" },
  slow: { margin: 0.05, words: "of its connection-minutes were slow" },
  resumesFailed: { margin: 0.1, words: "of its resumes failed" },
  closedAbnormally: { margin: 0.01, words: "of its connection-minutes ended abnormally" },
};

/**
 * Judges by counts since a step began, of canary and stable in the same time. It may be asked at
 * any time and as often as one likes: the chances of error hold for all looks together.
 */
export function judge(canary: Tally, stable: Tally, rules: AnalysisRules): Verdict {
  const minutes = Math.floor(canary.connectionMinutes);
  for (const signal of SIGNALS) {
    const [mine, theirs] = [countOf(canary, signal), countOf(stable, signal)];
    const evidence =
      theirs.of < COMPARED_MIN ? evidenceOfBroken(mine) : evidenceOfWorse(mine, theirs);
    if (evidence < Math.log(1 / FALSE_ALARM)) continue;
    const { words } = MARGINS[signal];
    const text =
      `${percent(mine)} ${words} (${whole(mine)}), ` +
      `and ${percent(theirs)} of the old revision's (${whole(theirs)}).`;
    return { outcome: "bad", text };
  }
  if (minutes < rules.connectionMinutesMin)
    return {
      outcome: "undecided",
      text: `A verdict needs ${rules.connectionMinutesMin} connection-minutes.`,
    };
  const open = SIGNALS.filter((signal) => {
    const evidence = evidenceOfNoWorse(
      countOf(canary, signal),
      countOf(stable, signal),
      MARGINS[signal].margin,
    );
    return evidence < Math.log(1 / MISS) && hasChances(canary, signal);
  });
  if (open.length > 0 && minutes < rules.connectionMinutesMax)
    return {
      outcome: "undecided",
      text: `It is not clear yet from its connection-minutes: ${open.join(", ")}.`,
    };
  return {
    outcome: "good",
    text: `In ${minutes} connection-minutes nothing was worse than on the old revision.`,
  };
}

/** Nobody resumes on a quiet day: what never happened is not waited for. */
const hasChances = (tally: Tally, signal: Signal): boolean => countOf(tally, signal).of > 0;

function countOf(tally: Tally, signal: Signal): Count {
  const of = signal === "resumesFailed" ? tally.resumes : tally.connectionMinutes;
  return { bad: Math.min(tally.bad[signal], of), of };
}

const percent = ({ bad, of }: Count): string =>
  of === 0 ? "none" : `${Math.round((bad / of) * 1000) / 10} %`;

const whole = ({ bad, of }: Count): string => `${Math.floor(bad)} of ${Math.floor(of)}`;
