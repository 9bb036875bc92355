// Owns: the port of sources: logs of others that are read into channels.
import type { SinkErrorCode } from "@holdfast/pipelines/sink";

/** One record of a log. */
export interface SourceRecord {
  /** Part of the log that has an order of its own. */
  readonly partition: string;
  /** Place in the partition, the same whenever it is read: digits without leading zeros. */
  readonly position: string;
  /** Topic or subject. */
  readonly name: string;
  readonly key: string;
  /** When the log took it, in ms since the Unix epoch. */
  readonly timeMs: number;
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
   * Gets records, those of one partition in order. It is called again only when the promise has
   * resolved: whoever is slow holds back the log.
   */
  readonly take: (records: readonly SourceRecord[]) => Promise<void>;
  readonly signal: AbortSignal;
}

/** A log that can be read again from any place that it still has. */
export interface Source {
  /**
   * Reads until the signal aborts, then resolves. MUST reject with a `SourceError` if the log
   * cannot be read on, or with what `take` rejected with. Nothing of it is open then, and it may be
   * called again.
   */
  read(reading: SourceReading): Promise<void>;
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
