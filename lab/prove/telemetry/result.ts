// Owns: the result of the telemetry proof, as its files have it.
import type { machine } from "@holdfast/load";
import type { DeviceCount } from "./device.ts";
import type { Reader, StepAccount } from "./oracle.ts";

export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface TelemetryStepResult extends Omit<StepAccount, "delaysMs"> {
  readonly name: string;
  readonly title: string;
  readonly tookMs: number;
  /** From the end of the fault until results are as fresh as before. */
  readonly caughtUpMs: number;
  /** How late results came, in ms, by reader. */
  readonly delayMs: Readonly<Record<Reader, Spread>>;
  /** From PUBLISH to PUBACK, in ms. */
  readonly roundTripMs: Spread;
  /** What happened to devices. */
  readonly devices: Readonly<Partial<Record<DeviceCount, number>>>;
  /** Most publications that pipelines had yet to read. */
  readonly lagMax: number;
  /** Events of the nodes' logs, with their counts. */
  readonly logged: Readonly<Record<string, number>>;
  /** Most bytes of state in the broker, of all partitions. */
  readonly stateBytesMax: number;
  readonly stolenPercent: number;
  readonly load: number;
}

/** Event by event: from the device to each sink, in ms, and the same written straight into it. */
export interface DirectResult {
  readonly acknowledged: number;
  readonly kafkaAgain: number;
  readonly kafkaMs: Spread;
  readonly tableMs: Spread;
  readonly straightKafkaMs: Spread;
  readonly straightTableMs: Spread;
  readonly roundTripMs: Spread;
  readonly stolenPercent: number;
  readonly load: number;
  readonly failures: readonly string[];
}

export interface MemoryResult {
  readonly keys: number;
  /** Of the engine that keeps them, as objects. */
  readonly heapBytes: number;
  /** Of the process, beyond an engine without keys. */
  readonly residentBytes: number;
  /** In the broker, as text. */
  readonly savedBytes: number;
}

export interface TelemetryResult {
  readonly measuredAt: string;
  readonly machine: ReturnType<typeof machine>;
  readonly versions: Readonly<Record<string, string>>;
  readonly devices: number;
  readonly eventsPerSecond: number;
  readonly windowMs: number;
  readonly latenessMs: number;
  readonly sinkAwayMs: number;
  readonly partitions: number;
  readonly seed: number;
  readonly short: boolean;
  readonly loadBefore: number;
  readonly tookMs: number;
  readonly steps: readonly TelemetryStepResult[];
  readonly direct?: DirectResult;
  readonly memory: MemoryResult;
  /** Events of the nodes' logs that tell of faults, with their counts. */
  readonly logged: Readonly<Record<string, number>>;
  /** What belongs to no step. */
  readonly failures: readonly string[];
}

export const hasFailures = ({ steps, direct, failures }: TelemetryResult): boolean =>
  failures.length > 0 ||
  (direct?.failures.length ?? 0) > 0 ||
  steps.some((step) => step.failures.length > 0);

/** p99 above that of the same sink without Holdfast, in ms. */
export const aboveStraight = (all: Spread, straight: Spread): number =>
  Math.round((all.p99 - straight.p99) * 10) / 10;

/** Of numbers in any order. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const [p50, p99, max] = [at(0.5), at(0.99), sorted.at(-1) ?? 0].map(
    (value) => Math.round(value * 10) / 10,
  ) as [number, number, number];
  return { count: sorted.length, p50, p99, max };
}
