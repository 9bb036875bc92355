// Owns: the result of a validation of the plan's model: predicted and measured figures, side by
// side.
import type { Machine } from "@holdfast/load";
import type { MeasuredCosts } from "./costs.ts";

export interface Figure {
  /** What was done, with how many clients. */
  readonly run: string;
  readonly name: string;
  readonly unit: "s" | "" | "/s" | "MB" | "µs";
  /** One for each seed that was tried. */
  readonly predicted: readonly number[];
  /** One for each round. */
  readonly measured: readonly number[];
}

export interface ValidationResult {
  readonly measuredAt: string;
  readonly machine: Machine;
  readonly versions: { readonly bun: string };
  readonly rounds: number;
  readonly loadBefore: number;
  /** The model's input. */
  readonly costs: MeasuredCosts;
  readonly figures: readonly Figure[];
}

/** One prediction and one measurement. */
export function figure(
  run: string,
  name: string,
  unit: Figure["unit"],
  values: { readonly predicted: number | readonly number[]; readonly measured: number },
): Figure {
  const { predicted, measured } = values;
  return {
    run,
    name,
    unit,
    predicted: typeof predicted === "number" ? [predicted] : predicted,
    measured: [measured],
  };
}

/** The same figures of all rounds together. */
export function mergedFigures(rounds: readonly (readonly Figure[])[]): readonly Figure[] {
  const [first = []] = rounds;
  return first.map((figure, place) => ({
    ...figure,
    predicted: rounds.flatMap((round) => round[place]?.predicted ?? []),
    measured: rounds.flatMap((round) => round[place]?.measured ?? []),
  }));
}
