// Owns: what a step's account says: what must not be, and what the profile had declared.
import type { Account, DeclaredHole, Hole } from "./app.ts";
import type { Taken } from "./ledger.ts";
import type { GatewayStep } from "./steps/step.ts";

/** How documents compare, on all clients and servers that have them. */
export interface Documents {
  readonly count: number;
  /** Names of those that are not the same everywhere. */
  readonly different: readonly string[];
}

export interface Found {
  readonly account: Account;
  /** Longest answer, p99 of the clients, above that of the steps in which nobody moved. */
  readonly aboveSteadyMs: number;
  readonly taken?: Taken | undefined;
  readonly documents?: Documents | undefined;
}

export interface Judgement {
  readonly failures: readonly string[];
  /** Deviations that the profile declares, with its reason. */
  readonly declared: readonly string[];
}

interface Finding {
  /** Undefined: no profile may declare it. */
  readonly hole?: Hole;
  readonly text: string;
}

const PAUSE_ABOVE_STEADY_MS = 50;
const DEATH_MS = 1000;
/** 1012, or a library that tells no code. */
const RESTART_CODES = ["1012", "0"];
const RESTARTED = "clients were closed, and they or their libraries know what had no answer";

export function judged(step: GatewayStep, holes: readonly DeclaredHole[], found: Found): Judgement {
  const failures: string[] = [];
  const declared: string[] = [];
  for (const { hole, text } of findings(step, found)) {
    const reason = hole === undefined ? undefined : reasonOf(step, holes, hole);
    if (reason === undefined) failures.push(text);
    else declared.push(`${text}: ${reason}`);
  }
  return { failures, declared };
}

function reasonOf(
  { kind }: GatewayStep,
  declared: readonly DeclaredHole[],
  hole: Hole,
): string | undefined {
  if (kind === "restart") return RESTARTED;
  return declared.find(({ holes, kinds }) => holes.includes(hole) && kinds.includes(kind))?.text;
}

function findings(step: GatewayStep, found: Found): readonly Finding[] {
  const { account, taken, documents } = found;
  const { unanswered, told, doubled, outOfOrder, pushesWrong, pushesTwice, anew } = account;
  const read = taken === undefined ? "" : ` (servers had read ${taken.ofMissing} of them)`;
  const different = documents?.different ?? [];
  const all: readonly (Finding & { readonly count: number })[] = [
    { count: unanswered, hole: "answers", text: `frames without an answer${read}` },
    { count: told, hole: "told", text: "frames answered by an error of the profile" },
    { count: doubled, hole: "doubled", text: "answers twice" },
    { count: outOfOrder, text: "answers out of order" },
    {
      count: pushesWrong,
      hole: "pushes",
      text: `frames of servers missing, or twice (${pushesTwice})`,
    },
    { count: anew, hole: "place", text: "clients got a new place at the servers" },
    { count: taken?.again ?? 0, hole: "again", text: "frames reached servers twice" },
    {
      count: different.length,
      text: `documents differ between clients and servers: ${different.slice(0, 3).join(", ")}`,
    },
  ];
  return [
    ...all
      .filter(({ count }) => count > 0)
      .map(({ count, text, hole }) => ({
        text: `${count} ${text}`,
        ...(hole === undefined ? {} : { hole }),
      })),
    ...closes(step, account),
    ...pauses(step, found),
  ];
}

function closes({ kind }: GatewayStep, { closes }: Account): readonly Finding[] {
  const wrong = Object.entries(closes).filter(
    ([code]) => kind !== "restart" || !RESTART_CODES.includes(code),
  );
  if (wrong.length === 0) return [];
  const count = wrong.reduce((sum, [, one]) => sum + one, 0);
  const codes = JSON.stringify(Object.fromEntries(wrong));
  return [{ text: `${count} clients were closed: ${codes}` }];
}

function pauses(step: GatewayStep, { aboveSteadyMs }: Found): readonly Finding[] {
  const { kind, aboveSteadyMsMax } = step;
  const limitMs = aboveSteadyMsMax ?? (kind === "death" ? DEATH_MS : PAUSE_ABOVE_STEADY_MS);
  if (kind === "steady" || kind === "restart" || aboveSteadyMs <= limitMs) return [];
  return [
    { text: `longest pause p99 ${aboveSteadyMs} ms above steady, wanted at most ${limitMs} ms` },
  ];
}
