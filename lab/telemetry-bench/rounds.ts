// Owns: what the pages read from the rounds of a result. Pure.
import { type Series, series } from "../micro/series.ts";
import type { Figures, TelemetryResult } from "./subject.ts";

export type Pick = (figures: Figures) => number | undefined;
interface Measured {
  readonly measurements: TelemetryResult["measurements"];
}

/** A figure of one server over that of another, round by round. Undefined: no round has both. */
export function ratioOf(
  { measurements }: Measured,
  names: { readonly scenario: string; readonly rival: string; readonly over: string },
  figure: Pick,
): Series | undefined {
  const { scenario, rival, over } = names;
  const value = (name: string, round: number): number | undefined => {
    const found = measurements.find(
      (one) => one.scenario === scenario && one.rival === name && one.round === round,
    );
    return found === undefined ? undefined : figure(found.figures);
  };
  const ratios = [...new Set(measurements.map(({ round }) => round))].flatMap((round) => {
    const [own, other] = [value(rival, round), value(over, round)];
    return own === undefined || other === undefined ? [] : [own / other];
  });
  return ratios.length === 0 ? undefined : series(ratios);
}

export const isMeasured = ({ measurements }: Measured, rival: string, scenario?: string): boolean =>
  measurements.some(
    (found) => found.rival === rival && (scenario === undefined || found.scenario === scenario),
  );
