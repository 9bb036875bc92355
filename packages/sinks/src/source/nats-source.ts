// Owns: a stream of NATS JetStream as a source.
import type { LogSourceDefinition } from "@holdfast/pipelines/source";
import type { JsMsg } from "@nats-io/jetstream";
import { faultOf, secretOf } from "../faults.ts";
import { type NatsOptions, natsTls, SERVER } from "../nats/nats.ts";
import {
  needed,
  type OptionRules,
  problemsOf,
  secretName,
  text,
  texts,
  whole,
} from "../options.ts";
import { tlsRule } from "../tls.ts";
import { type NamePattern, namePattern, namePatterns, paramsOf } from "./name-pattern.ts";
import {
  madeAnew,
  type Source,
  type SourceAdapter,
  type SourceContext,
  SourceError,
  type SourceReading,
  told,
} from "./source.ts";

/** Options of a source in NATS. */
export interface NatsSourceOptions
  extends Pick<NatsOptions, "servers" | "tls" | "usernameFrom" | "passwordFrom" | "tokenFrom"> {
  readonly stream: string;
  /** Subjects of the stream, or patterns such as `readings.{site}.{device}`; default all. */
  readonly subjects?: readonly string[];
  /** Records that are given at once. Default 500. */
  readonly recordsMax?: number;
  /** Bytes that are fetched at once, by the largest message of the fetch before. Default 1 MiB. */
  readonly bytesMax?: number;
}

const RULES: OptionRules = {
  servers: needed(texts("a list of host:port", SERVER, 20)),
  stream: needed(text("a stream", /^[^\s.*>/\\]{1,255}$/)),
  subjects: {
    expected: "a list of subjects, or of patterns such as readings.{site}",
    isRight: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= 100 &&
      value.every((one) => typeof one === "string" && isSubject(one)),
  },
  tls: tlsRule,
  usernameFrom: secretName,
  passwordFrom: secretName,
  tokenFrom: secretName,
  recordsMax: whole(1, 10_000),
  bytesMax: whole(1_024, 100_000_000),
};

/** A wildcard of NATS stands for a whole part. */
const isSubject = (subject: string): boolean =>
  /^[^\s>*]{1,500}$/.test(subject.replace(/\*\}$/, "}")) &&
  namePattern(subject) !== undefined &&
  subject.split(".").every((part) => !part.includes("{") || /^\{[^{}]+\}$/.test(part));

/** What the server filters by. */
const filterOf = (pattern: string): string =>
  pattern
    .split(".")
    .map((part) => (part.endsWith("*}") ? ">" : part.startsWith("{") ? "*" : part))
    .join(".");

/** One as a text: servers before 2.10 take no list. */
function filtersOf(patterns: readonly NamePattern[]) {
  const filters = patterns.map(({ text }) => filterOf(text));
  if (filters.length === 0) return {};
  return { filter_subjects: filters.length === 1 ? (filters[0] ?? "") : filters };
}

export const natsSourceAdapter: SourceAdapter = {
  kind: "nats",
  problems: (options) => problemsOf("nats", RULES, options, "source"),
  open: ({ options }: LogSourceDefinition, context) =>
    openNatsSource(options as unknown as NatsSourceOptions, context),
};

/** A stream has one order: it is one partition, and a position is the stream's sequence. */
const PARTITION = "0";
const RECORDS_MAX = 500;
const BYTES_MAX = 1024 * 1024;
/** Messages of the first fetch, whose sizes are not known. */
const FIRST_RECORDS = 32;
/** A fetch that found less waits for more so long. */
const FETCH_MS = 5_000;

export const openNatsSource = (options: NatsSourceOptions, context: SourceContext): Source => ({
  async read(reading) {
    const { signal } = reading;
    const [{ connect }, { jetstream, jetstreamManager }] = await Promise.all([
      import("@nats-io/transport-node"),
      import("@nats-io/jetstream"),
    ]);
    const connection = await (async () =>
      connect({
        ...accountOf(options, context),
        ...(await natsTls(options.tls, context.secret)),
        servers: [...options.servers],
        name: "holdfast",
        reconnect: false,
        timeout: context.timeoutMs,
      }))().catch((error: unknown) => {
      const found = sourceError(error);
      if (found instanceof SourceError) throw found;
      const { code, message } = faultOf(error, "the server is out of reach");
      throw new SourceError(code, message);
    });
    const end = (): void => void connection.close();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    const gone = connection.closed().then((): never => {
      throw new SourceError("unavailable", "the connection was lost");
    });
    gone.catch(() => {});
    let passing: Promise<number> | undefined;
    try {
      const manager = await jetstreamManager(connection);
      const { state } = await manager.streams.info(options.stream);
      const last = await placeToBegin(state, reading);
      const patterns = namePatterns(options.subjects ?? []);
      const consumer = await jetstream(connection).consumers.get(options.stream, {
        opt_start_seq: last + 1,
        ...filtersOf(patterns),
      });
      // The client fetches by count. So the count follows from the sizes of the fetch before.
      let max_messages = Math.min(FIRST_RECORDS, options.recordsMax ?? RECORDS_MAX);
      while (!signal.aborted) {
        const messages = await consumer.fetch({ max_messages, expires: FETCH_MS });
        passing = pass(messages, { options, reading, patterns });
        passing.catch(() => {});
        const largest = await Promise.race([gone, passing]);
        max_messages = nextCount(max_messages, largest, options);
      }
    } catch (error) {
      if (!signal.aborted) throw sourceError(error);
    } finally {
      signal.removeEventListener("abort", end);
      await connection.close();
      // What is being taken is of this reading.
      await passing?.catch(() => {});
    }
  },
});

interface State {
  readonly first_seq: number;
  readonly last_seq: number;
}

/** The sequence behind which to read. */
async function placeToBegin(
  { first_seq, last_seq }: State,
  { positions, startsNew = false, begin, lost }: SourceReading,
): Promise<number> {
  const position = positions[PARTITION];
  if (position === undefined) {
    if (!startsNew) return 0;
    await begin?.({ [PARTITION]: String(last_seq) });
    return last_seq;
  }
  const last = Number(position);
  if (last > last_seq) throw madeAnew(PARTITION, position);
  // With other subjects in the stream, not all of them were for this source.
  if (first_seq > last + 1) lost?.(PARTITION, first_seq - last - 1);
  return last;
}

interface Passing {
  readonly options: NatsSourceOptions;
  readonly reading: SourceReading;
  readonly patterns: readonly NamePattern[];
}

/** At most twice as many as before: sizes may grow. */
const nextCount = (before: number, largest: number, options: NatsSourceOptions): number => {
  const { recordsMax = RECORDS_MAX, bytesMax = BYTES_MAX } = options;
  const fitting = Math.floor(bytesMax / Math.max(1, largest));
  return Math.max(1, Math.min(recordsMax, before * 2, fitting));
};

/**
 * What has arrived goes together, as soon as nothing more is there. Answers with the bytes of the
 * largest.
 */
async function pass(
  messages: AsyncIterable<JsMsg>,
  { options, reading, patterns }: Passing,
): Promise<number> {
  const { take, behind, signal } = reading;
  const { recordsMax = RECORDS_MAX, bytesMax = BYTES_MAX } = options;
  const iterator = messages[Symbol.asyncIterator]();
  let next = iterator.next();
  let largest = 0;
  for (;;) {
    const some: JsMsg[] = [];
    let bytes = 0;
    let found = await next;
    while (found.done !== true) {
      some.push(found.value);
      bytes += found.value.data.byteLength;
      largest = Math.max(largest, found.value.data.byteLength);
      next = iterator.next();
      if (some.length >= recordsMax || bytes >= bytesMax) break;
      const more = await Promise.race([next, soon()]);
      if (more === undefined) break;
      found = more;
    }
    if (signal.aborted) return largest;
    if (some.length > 0) await take(some.map((message) => recordOf(message, patterns)));
    const pending = some.at(-1)?.info.pending;
    if (pending !== undefined) behind?.(pending);
    if (found.done === true) return largest;
  }
}

const soon = (): Promise<undefined> =>
  new Promise((resolve) => {
    setImmediate(() => resolve(undefined));
  });

const recordOf = (message: JsMsg, patterns: readonly NamePattern[]) => ({
  partition: PARTITION,
  position: String(message.seq),
  name: message.subject,
  params: paramsOf(patterns, message.subject) ?? {},
  key: message.subject.split(".").at(-1) ?? "",
  timeMs: message.info.timestampNanos / 1e6,
  data: Uint8Array.from(message.data),
});

function accountOf(options: NatsSourceOptions, context: SourceContext) {
  const { usernameFrom, passwordFrom, tokenFrom } = options;
  return {
    ...(usernameFrom === undefined ? {} : { user: secretOf(context, usernameFrom) }),
    ...(passwordFrom === undefined ? {} : { pass: secretOf(context, passwordFrom) }),
    ...(tokenFrom === undefined ? {} : { token: secretOf(context, tokenFrom) }),
  };
}

/** Errors of `take` have no name of NATS: they pass. */
function sourceError(error: unknown): unknown {
  const own = told(error);
  if (own !== undefined) return own;
  const name = error instanceof Error ? error.name : "";
  if (/Authorization|Authentication|Permission|UserAuth/i.test(name))
    return new SourceError("refused", "name, password, token or rights are wrong");
  if (/InvalidArgument/.test(name))
    return new SourceError("refused", "several subjects need nats-server 2.10 or newer");
  if (/NotFound/i.test(name)) return new SourceError("refused", "there is no such stream");
  if (isApiError(error, 10_059)) return new SourceError("refused", "there is no such stream");
  const fault = faultOf(error, "the server is out of reach");
  if (/Closed|Connection|Draining|Timeout|NoResponders|JetStream|Request/i.test(name))
    return new SourceError(fault.code, fault.message);
  return isOfSystem(error) ? new SourceError(fault.code, fault.message) : error;
}

const isApiError = (error: unknown, number: number): boolean =>
  (error as { readonly code?: unknown } | null)?.code === number;

const isOfSystem = (error: unknown): boolean =>
  /^(E[A-Z]+|ERR_[A-Z_]+|[A-Z_]*CERT[A-Z_]*|[A-Z_]*SELF_SIGNED[A-Z_]*)$/.test(
    String((error as { readonly code?: unknown } | null)?.code),
  );
