// Owns: what the operators of one partition share while an event runs through them: the event in
// hand, what became of it, and what leaves the pipeline.
import type { About } from "../define/types.ts";

/**
 * What became of events, or of results of windows and detectors. Always: received + added =
 * filtered + duplicate + throttled + taken + late + dead + passed.
 */
export interface Fates {
  received: number;
  /** Made by flatMap and branch, beyond the one that came in. Negative if flatMap made none. */
  added: number;
  filtered: number;
  duplicate: number;
  throttled: number;
  /** In at least one window, or seen by a detector. */
  taken: number;
  late: number;
  dead: number;
  /** Reached the end of the steps. */
  passed: number;
}

/** No fates yet. */
export const noFates = (): Fates => ({
  received: 0,
  added: 0,
  filtered: 0,
  duplicate: 0,
  throttled: 0,
  taken: 0,
  late: 0,
  dead: 0,
  passed: 0,
});

/** What is missing between both sides of the account: 0. */
export function unaccounted(fates: Fates): number {
  const { received, added, filtered, duplicate, throttled, taken, late, dead, passed } = fates;
  return received + added - (filtered + duplicate + throttled + taken + late + dead + passed);
}

/** One record that leaves the pipeline. */
export interface Emitted {
  readonly output: number;
  readonly key: string;
  readonly timeMs: number;
  readonly value: unknown;
  readonly params: Readonly<Record<string, string>>;
}

/** Why an event became a dead letter. */
export type DeadReason =
  /** A step threw. */
  | "threw"
  /** It does not fit the schema of a validate step. */
  | "invalid"
  /** Its data could not be read at all. */
  | "unreadable"
  /** Its event time is no time, or too far ahead. */
  | "time"
  /** Its key is no key. */
  | "key"
  /** What is to be aggregated is no number or text, or is too large. */
  | "input"
  /** The step has as many keys, events or bytes as it may have. */
  | "full"
  /** A lookup failed. */
  | "lookup"
  /** Publications are lost: no longer kept when they were to be read. No event's fate. */
  | "gap"
  /** A sink refused it for good, or the output is no more. */
  | "refused";

/** What a dead letter says. */
export interface DeadLetter {
  readonly reason: DeadReason;
  readonly step: string;
  readonly error?: string;
  readonly channel: string;
  readonly timeMs: number;
  /** Absent if it cannot be said in 16 kB of JSON. */
  readonly value?: unknown;
}

/** Where the steps before a lookup find what it asks for. */
export interface Tables {
  /** `failed`: nobody could say. Undefined: there is none. */
  find(table: number, key: string): { readonly value: unknown } | "failed" | undefined;
}

const LETTER_LENGTH_MAX = 16_384;
const ERROR_LENGTH_MAX = 500;
const NOWHERE: About<never> = { channel: "", params: {} as never, timeMs: 0 };
/** The source of results. */
export const RESULT = -1;

/** Counters of things that are told, and that are no fates. */
export interface Told {
  /** Events that were in time for some of their windows only. */
  partlyLate: number;
  /** Keys that a dedupe or throttle step forgot before their time. */
  forgotten: number;
  /** Publications that are lost: no longer kept when they were to be read. */
  lost: number;
  gaps: number;
}

export class Run {
  readonly events = noFates();
  readonly results = noFates();
  readonly told: Told = { partlyLate: 0, forgotten: 0, lost: 0, gaps: 0 };
  /** Dead letters by reason. */
  readonly deadBy: Partial<Record<DeadReason, number>> = {};
  /** Names of channels, by source number. */
  readonly channels: string[] = [];
  /** The source's pattern: the channel of results. */
  readonly pattern: string;
  fates: Fates = this.events;
  about: About<never> = NOWHERE;
  /** Number of the channel that the event in hand came from. */
  source = RESULT;
  /** Its place in that channel; for samples. */
  offset = 0;
  /** The partition has as much state as can be kept: no new keys. */
  isFull = false;
  tables: Tables = { find: () => undefined };
  lateOutput: number | undefined;
  deadOutput: number | undefined;
  #emitted: Emitted[] = [];

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  emit(output: number, value: unknown): void {
    const { key = "", timeMs, params } = this.about;
    this.#emitted.push({ output, key, timeMs, value, params });
  }

  /** What was emitted since the last call. */
  take(): Emitted[] {
    const emitted = this.#emitted;
    if (emitted.length > 0) this.#emitted = [];
    return emitted;
  }

  /** Hands on a result of a window or detector; the event in hand is the same afterwards. */
  result(next: { push(value: unknown): void }, value: unknown, about: About<never>): void {
    const { about: before, fates, source } = this;
    this.about = about;
    this.fates = this.results;
    this.source = RESULT;
    this.results.received += 1;
    next.push(value);
    this.about = before;
    this.fates = fates;
    this.source = source;
  }

  late(value: unknown): void {
    this.fates.late += 1;
    if (this.lateOutput !== undefined) this.emit(this.lateOutput, value);
  }

  dead(value: unknown, step: string, reason: DeadReason, error?: unknown): void {
    this.fates.dead += 1;
    this.letter(value, step, reason, error);
  }

  /** A dead letter of something that has no fate, such as a record that a sink refused. */
  letter(
    value: unknown,
    step: string,
    reason: DeadReason,
    error?: unknown,
    isSilent = false,
  ): void {
    this.deadBy[reason] = (this.deadBy[reason] ?? 0) + 1;
    if (this.deadOutput === undefined || isSilent) return;
    const { channel, timeMs } = this.about;
    const letter: DeadLetter = {
      reason,
      step,
      ...(error === undefined ? {} : { error: textOf(error) }),
      channel,
      timeMs,
      ...(isShort(value) ? { value } : {}),
    };
    this.emit(this.deadOutput, letter);
  }
}

function textOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message : String(error);
    return text.slice(0, ERROR_LENGTH_MAX);
  } catch {
    return "an error without text";
  }
}

function isShort(value: unknown): boolean {
  try {
    const text = JSON.stringify(value) as string | undefined;
    return text !== undefined && text.length <= LETTER_LENGTH_MAX;
  } catch {
    return false;
  }
}
