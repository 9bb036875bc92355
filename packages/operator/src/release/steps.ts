// Owns: what a strategy means as steps: how much of the connections the new revision carries, and
// when the next step may come.
import type { CanaryStep, Strategy } from "../model/desired.ts";

/** Shares are from above 0 to 1. */
export interface Step {
  readonly share: number;
  readonly connectionMinutesMin: number;
  readonly pause: CanaryStep["pause"];
}

const WHOLE: Step = { share: 1, connectionMinutesMin: 0, pause: 0 };

/** The steps, at least one. The last one's share is 1. */
export function stepsOf(strategy: Strategy): readonly Step[] {
  switch (strategy.kind) {
    case "Rolling":
    case "BlueGreen":
      return [WHOLE];
    case "Canary":
      return [
        ...strategy.steps
          .filter(({ sharePercent }) => sharePercent < 100)
          .map(({ sharePercent, ...rest }) => ({ share: sharePercent / 100, ...rest })),
        WHOLE,
      ];
  }
}
