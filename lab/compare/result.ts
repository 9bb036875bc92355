// Owns: the result of a comparison as it is kept in docs/benchmarks/compare.json, and the series
// that are read from it.
import { type Series, series } from "../micro/series.ts";
import type { Sizes } from "./plan.ts";
import type { RivalName } from "./rivals.ts";
import type { ScenarioName } from "./scenario.ts";

/** One server in one scenario in one round. Figures have their unit in their name. */
export interface Measurement<S extends string = ScenarioName, R extends string = RivalName> {
  readonly scenario: S;
  readonly rival: R;
  readonly round: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
}

export interface CompareResult<
  S extends string = ScenarioName,
  R extends string = RivalName,
  Z = Sizes,
> {
  /** ISO time of the first measurement. */
  readonly measuredAt: string;
  readonly quick: boolean;
  readonly rounds: number;
  /** Load average of the machine before the run: that of a quiet one is near 0. */
  readonly loadBefore: number;
  readonly machine: Machine;
  /** What runs on which core; absent if processes could not be pinned. */
  readonly pinned?: { readonly servers: string; readonly load: string };
  readonly sizes: Z;
  /** By rival, and of what they run on. */
  readonly versions: Readonly<Record<string, string>>;
  readonly measurements: readonly Measurement<S, R>[];
}

/**
 * A figure over all rounds; undefined if the server was not measured in the scenario or does not
 * have it.
 */
export function seriesOf<S extends string, R extends string>(
  { measurements }: { readonly measurements: readonly Measurement<S, R>[] },
  where: { readonly scenario: S; readonly rival: R },
  figure: string | ((figures: Measurement["figures"]) => number | undefined),
): Series | undefined {
  const pick =
    typeof figure === "function" ? figure : (figures: Measurement["figures"]) => figures[figure];
  const values = measurements
    .filter(({ scenario, rival }) => scenario === where.scenario && rival === where.rival)
    .flatMap(({ figures }) => {
      const value = pick(figures);
      return value === undefined || !Number.isFinite(value) ? [] : [value];
    });
  return values.length === 0 ? undefined : series(values);
}
