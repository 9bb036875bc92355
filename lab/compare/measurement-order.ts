// Owns: the order of measurements, and when there are enough of them for the page. Pure.

import type { Plan } from "./plan.ts";
import type { CompareResult, Measurement } from "./result.ts";
import { RIVAL_NAMES } from "./rivals.ts";
import { ROUNDS_MAX, SCENARIO_NAMES, SCENARIO_RIVALS, type ScenarioName } from "./scenario.ts";

/** One measurement to be made. */
export type Turn = Omit<Measurement, "figures">;

/** Servers take turns within a scenario, scenarios within a round. */
export function turnsOf({
  rounds,
  scenarios,
  rivals,
  centrifugo,
}: Pick<Plan, "rounds" | "scenarios" | "rivals" | "centrifugo">): readonly Turn[] {
  const turnsIn = (scenario: ScenarioName, round: number) =>
    SCENARIO_RIVALS[scenario]
      .filter((rival) => rivals.includes(rival))
      .map((rival): Turn => ({ scenario, rival, round }));
  const all = Array.from({ length: rounds }, (_, place) =>
    scenarios.flatMap((scenario) => turnsIn(scenario, place + 1)),
  ).flat();
  // The memory of a server elsewhere is not seen.
  const isUnseen = ({ scenario, rival }: Turn) =>
    scenario === "memory" &&
    rival === "centrifugo" &&
    centrifugo !== undefined &&
    "url" in centrifugo;
  return all.filter(
    (turn) => turn.round <= (ROUNDS_MAX[turn.scenario] ?? rounds) && !isUnseen(turn),
  );
}

/**
 * Whether everything was measured in so many rounds: every server that needs nothing given, in
 * every scenario.
 */
export function isComplete(
  { measurements }: Pick<CompareResult, "measurements">,
  rounds: number,
): boolean {
  const rivals = RIVAL_NAMES.filter((rival) => rival !== "centrifugo");
  return turnsOf({ rounds, scenarios: SCENARIO_NAMES, rivals }).every((turn) =>
    measurements.some(
      ({ scenario, rival, round }) =>
        scenario === turn.scenario && rival === turn.rival && round === turn.round,
    ),
  );
}
