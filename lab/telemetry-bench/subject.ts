// Owns: what a comparison of telemetry consists of, so that one program carries out each of them.
import type { BarChart } from "../compare/bar-chart.ts";
import type { Pinning } from "../compare/pinning.ts";
import type { CompareResult, Measurement } from "../compare/result.ts";
import type { TargetFound } from "../compare/targets.ts";

export const SUBJECT_NAMES = ["mqtt", "pipelines"] as const;
export type SubjectName = (typeof SUBJECT_NAMES)[number];

export type TelemetryResult<Z = unknown> = CompareResult<string, string, Z>;
export type Figures = Measurement["figures"];

/** One measurement to be made. */
export type Turn = Omit<Measurement<string, string>, "figures">;

export interface Measuring {
  /** Starts the server, loads it, and ends it whatever happens. */
  measure(turn: Turn, onVersion: (name: string, version: string) => void): Promise<Figures>;
  stopAll(): Promise<void>;
}

/** What is compared: names, sizes, how it is measured, and its part of the page. */
export interface Subject<Z = unknown> {
  readonly scenarios: readonly string[];
  readonly rivals: readonly string[];
  sizes(isQuick: boolean): Z;
  /** Whether the rival is measured in this scenario and round. */
  takesPart(turn: Turn): boolean;
  titleOf(rival: string): string;
  open(options: {
    readonly folder: string;
    readonly pinning: Pinning;
    readonly sizes: Z;
  }): Measuring;
  targets(result: TelemetryResult<Z>): readonly TargetFound[];
  charts(result: TelemetryResult<Z>): Readonly<Record<string, BarChart>>;
  /** Paragraphs and tables; `chart` gives a chart's place. */
  sections(result: TelemetryResult<Z>, chart: (name: string) => string): readonly string[];
}
