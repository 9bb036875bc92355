// Owns: the port of sinks: what a pipeline hands over, and what an adapter promises.

/** One result on its way to a sink. */
export interface SinkRecord {
  /**
   * The same on every repetition, and of no other record: an idempotency key, at most 256
   * characters of ASCII. A sink that knows the id has nothing left to do for it.
   */
  readonly id: string;
  /** From 1, one more for each record of this output and partition. */
  readonly sequence: number;
  /** Key of the window or detector that it comes from; empty if it has none. */
  readonly key: string;
  /** Event time in ms since the Unix epoch: of a window, its end. */
  readonly timeMs: number;
  /** Plain data: what JSON can say. */
  readonly value: unknown;
  /** For templates like `heat:{site}`: parameters of the source's channel, or parts of the key. */
  readonly params: Readonly<Record<string, string>>;
}

/** Records of one output and partition, in order, at least one. */
export interface SinkBatch {
  readonly pipeline: string;
  readonly partition: number;
  /** Which of the pipeline's outputs, from 0. */
  readonly output: number;
  readonly records: readonly SinkRecord[];
  /** From 1. Above 1: an earlier attempt failed or came too late; some of it may be there. */
  readonly attempt: number;
}

/** Records that the target will never take. They become dead letters; the others are delivered. */
export interface SinkRefusals {
  readonly refused: readonly { readonly index: number; readonly reason: string }[];
}

/**
 * One opened sink of one output. It belongs to one partition, which calls `write` again only after
 * the call before has settled.
 */
export interface Sink {
  /**
   * MUST resolve only when the target has all records, in their order, but for those that are
   * refused. Rejects with a `SinkError`; the same batch then comes again, with a higher attempt.
   * MUST settle within `SinkContext.timeoutMs` and hold nothing back after it has settled.
   */
  write(batch: SinkBatch): Promise<SinkRefusals | undefined>;
  /** Frees what is open. Never rejects. Calls of `write` that run MAY be cut. */
  close(): Promise<void>;
}

/** Why a sink did not take a batch. The pipeline repeats after a growing pause, without end. */
export type SinkErrorCode =
  /** Out of reach. It may have been done. */
  | "unavailable"
  /** It did not answer in time. It may have been done. */
  | "timeout"
  /** It is full, or asks for patience (`retryMs`). Nothing was done. */
  | "busy"
  /** Credentials, rights or the target's name are wrong: an operator must act. */
  | "refused"
  /** Its answer was not a legal one. */
  | "internal";

/** A batch that was not taken whole. `code` is stable; the text is for people. */
export class SinkError extends Error {
  readonly code: SinkErrorCode;
  /** Not before so many ms. */
  readonly retryMs: number | undefined;
  constructor(
    code: SinkErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly retryMs?: number },
  ) {
    super(message, options);
    this.name = "SinkError";
    this.code = code;
    this.retryMs = options?.retryMs;
  }
}

/** How many records a sink gets at once. */
export interface SinkBatching {
  /** Records at most. Default 500. */
  readonly recordsMax?: number;
  /** Bytes of their values as JSON at most; a single record may be larger. Default 1 MiB. */
  readonly bytesMax?: number;
  /** How long a record waits at most for others to come with it, in ms. Default 0. */
  readonly waitMs?: number;
}

/**
 * What a pipeline declares: `.to(postgres("readings_10s"))`. Plain data, so that YAML can say the
 * same. `Value` is the type of values that the sink takes.
 */
export interface SinkDefinition<in Value = never> {
  /** Which adapter: `channel`, `postgres`, `kafka` and so on. */
  readonly sink: string;
  /** The adapter's own options, checked by it when the node starts. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly batching?: SinkBatching;
  /** Never there: it carries the type. */
  readonly takes?: (value: Value) => void;
}

/** What an adapter gets of the node. */
export interface SinkContext {
  readonly pipeline: string;
  readonly partition: number;
  readonly output: number;
  /** How long one `write` may take. */
  readonly timeoutMs: number;
  /** Values of the environment that options name, such as a password. */
  readonly secret: (name: string) => string | undefined;
}

/** An adapter of the port. */
export interface SinkAdapter {
  /** The `sink` of the definitions that it opens. */
  readonly kind: string;
  /**
   * What is wrong with the options, each as one text: "Cannot use sink ...: found ..., expected
   * ...". Empty: nothing. Pure.
   */
  problems(options: Readonly<Record<string, unknown>>): readonly string[];
  /** Opens it. MUST NOT wait for the target: the first `write` does. Options have no problems. */
  open(definition: SinkDefinition, context: SinkContext): Sink;
}
