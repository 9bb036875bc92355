// Owns: the port of logs: how an adapter reads one, from where, and what it tells.
import { SinkError, type SinkErrorCode } from "@holdfast/pipelines/sink";
import type { LogSourceDefinition } from "@holdfast/pipelines/source";

/** One record of a log. */
export interface SourceRecord {
  /** Part of the log that has an order of its own. */
  readonly partition: string;
  /** Place in the partition, the same whenever it is read: digits without leading zeros. */
  readonly position: string;
  /** Topic or subject. */
  readonly name: string;
  /** What the declared pattern finds in the name. */
  readonly params: Readonly<Record<string, string>>;
  readonly key: string;
  /** When the log took it, in ms since the Unix epoch. */
  readonly timeMs: number;
  /** Empty: the record has no value. */
  readonly data: Uint8Array;
}

/** The position of the last record that was taken, by partition. */
export type Positions = Readonly<Record<string, string>>;

export interface SourceContext {
  /** How long one request may take. */
  readonly timeoutMs: number;
  /** Values of the environment that options name. */
  readonly secret: (name: string) => string | undefined;
}

export interface SourceReading {
  /** Where to go on: behind these. A partition that is not there is read from its beginning. */
  readonly positions: Positions;
  /**
   * True: nobody has read it yet, and only what comes from now on is wanted. The adapter calls
   * `begin` with the positions of the ends.
   */
  readonly startsNew?: boolean;
  /** Keeps positions before the first record. */
  readonly begin?: (positions: Positions) => Promise<void>;
  /**
   * Gets records, those of one partition in order. It is called again only when the promise has
   * resolved: whoever is slow holds back the log.
   */
  readonly take: (records: readonly SourceRecord[]) => Promise<void>;
  /** So many records of a partition were removed from the log unread. */
  readonly lost?: (partition: string, records: number) => void;
  /** So many records are yet to be read, as of now. */
  readonly behind?: (records: number) => void;
  readonly signal: AbortSignal;
}

/** A log that can be read again from any place that it still has. */
export interface Source {
  /**
   * Reads until the signal aborts, then resolves. MUST reject with a `SourceError` if the log
   * cannot be read on, or with what `take` rejected with. Nothing of it is open then, and it may be
   * called again. MUST NOT leave out a record that the log still has.
   */
  read(reading: SourceReading): Promise<void>;
}

/** An adapter of the port. */
export interface SourceAdapter {
  /** The `source` of the definitions that it opens. */
  readonly kind: string;
  /** What is wrong with the options, each as one text. Empty: nothing. Pure. */
  problems(options: Readonly<Record<string, unknown>>): readonly string[];
  /** Options have no problems. Nothing is opened before `read`. */
  open(definition: LogSourceDefinition, context: SourceContext): Source;
}

/** Why a log cannot be read. Codes are those of sinks; texts hold no secret. */
export class SourceError extends Error {
  readonly code: SinkErrorCode;
  constructor(code: SinkErrorCode, message: string) {
    super(message);
    this.name = "SourceError";
    this.code = code;
  }
}

/** The log ends before what was read of it: it is another one under the same name. */
export const madeAnew = (partition: string, position: string): SourceError =>
  new SourceError(
    "refused",
    `partition ${partition} ends before position ${position}: the log was made anew. Give the source another name to read it from its beginning`,
  );

/** An error that is told already, as one of a source; undefined if it is another. */
export function told(error: unknown): SourceError | undefined {
  if (error instanceof SourceError) return error;
  return error instanceof SinkError ? new SourceError(error.code, error.message) : undefined;
}
