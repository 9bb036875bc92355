// Owns: topics of Kafka as a source.
import { randomUUID } from "node:crypto";
import type { LogSourceDefinition } from "@holdfast/pipelines/source";
import type { Consumer, Message, MessagesStream } from "@platformatic/kafka";
import { secretOf } from "../faults.ts";
import { apiIdOf } from "../kafka/faults.ts";
import { BROKER, type KafkaOptions, kafkaTls, withoutStrayErrors } from "../kafka/kafka.ts";
import {
  needed,
  type OptionRules,
  oneOf,
  problemsOf,
  secretName,
  text,
  texts,
  whole,
} from "../options.ts";
import { tlsOf, tlsRule } from "../tls.ts";
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

/** Options of a source in Kafka. */
export interface KafkaSourceOptions
  extends Pick<KafkaOptions, "brokers" | "tls" | "usernameFrom" | "passwordFrom" | "mechanism"> {
  /** Names of topics, or patterns such as `readings.{site}`. */
  readonly topics: readonly string[];
  /**
   * Prefix of the group that each reader joins alone, as the client needs one. Positions are not
   * committed there. Default `holdfast`.
   */
  readonly group?: string;
  /** Records that are given at once. Default 500. */
  readonly recordsMax?: number;
  /** Bytes of values that are fetched at once; one record may be larger. Default 1 MiB. */
  readonly bytesMax?: number;
}

const RULES: OptionRules = {
  brokers: needed(texts("a list of host:port", BROKER, 20)),
  topics: needed({
    expected: "a list of topics, or of patterns such as readings.{site}",
    isRight: (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.length <= 100 &&
      value.every(
        (one) =>
          typeof one === "string" &&
          /^[A-Za-z0-9._{}*-]{1,249}$/.test(one) &&
          namePattern(one) !== undefined,
      ),
  }),
  tls: tlsRule,
  usernameFrom: secretName,
  passwordFrom: secretName,
  mechanism: oneOf("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
  group: text("a group", /^[A-Za-z0-9._-]{1,200}$/),
  recordsMax: whole(1, 10_000),
  bytesMax: whole(1_024, 100_000_000),
};

export const kafkaSourceAdapter: SourceAdapter = {
  kind: "kafka",
  problems: (options) => [
    ...problemsOf("kafka", RULES, options, "source"),
    ...((options.usernameFrom === undefined) === (options.passwordFrom === undefined)
      ? []
      : ["Cannot use source kafka: found usernameFrom or passwordFrom alone, expected both"]),
  ],
  open: ({ options }: LogSourceDefinition, context) =>
    openKafkaSource(options as unknown as KafkaSourceOptions, context),
};

type Bytes = Consumer<Buffer, Buffer, Buffer, Buffer>;
type Stream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;

/** Topics and partitions that are new are found so often; the lag is looked at as well. */
const LOOK_MS = 5_000;
const PARTITIONS_MAX = 1_000;
const EARLIEST = -2n;
const LATEST = -1n;

/** One reader has all partitions of the topics. */
export const openKafkaSource = (options: KafkaSourceOptions, context: SourceContext): Source => ({
  read: (reading) => new KafkaReading(options, context, reading).run(),
});

class KafkaReading {
  readonly #options: KafkaSourceOptions;
  readonly #context: SourceContext;
  readonly #reading: SourceReading;
  readonly #patterns: readonly NamePattern[];
  /** The last one that was taken, by partition. */
  readonly #positions: Record<string, string>;
  #stream: Stream | undefined;
  /** The topics or their partitions have changed: the stream begins anew. */
  #isStale = false;

  constructor(options: KafkaSourceOptions, context: SourceContext, reading: SourceReading) {
    this.#options = options;
    this.#context = context;
    this.#reading = reading;
    this.#patterns = namePatterns(options.topics);
    this.#positions = { ...reading.positions };
  }

  async run(): Promise<void> {
    const { signal, startsNew = false } = this.#reading;
    const end = (): void => void this.#stream?.destroy();
    signal.addEventListener("abort", end, { once: true });
    let consumer: Bytes | undefined;
    try {
      consumer = await openConsumer(this.#options, this.#context);
      for (let isFirst = true; !signal.aborted; isFirst = false) {
        const topics = await this.#topics();
        if (isFirst && startsNew) await this.#beginAtEnds(consumer, topics);
        await this.#readTopics(consumer, topics);
      }
    } catch (error) {
      const reason = readingError(error, signal);
      if (reason !== undefined) throw reason;
    } finally {
      signal.removeEventListener("abort", end);
      this.#stream?.destroy();
      await consumer?.close(true).catch(() => {});
    }
  }

  /** Until the topics change, or the signal aborts. */
  async #readTopics(consumer: Bytes, topics: readonly string[]): Promise<void> {
    const { signal } = this.#reading;
    const looks = this.#lookAfter(consumer, topics);
    try {
      if (topics.length === 0) return await looks.changed;
      const { bytesMax = BYTES_MAX, recordsMax = RECORDS_MAX } = this.#options;
      const stream: Stream = await consumer.consume({
        topics: [...topics],
        mode: "manual",
        offsets: await this.#offsets(consumer, topics),
        autocommit: false,
        // What is not there any more must not become "from the end" in silence.
        fallbackMode: "fail",
        maxBytes: bytesMax,
        highWaterMark: recordsMax,
      });
      this.#stream = stream;
      if (signal.aborted) return void stream.destroy();
      await this.#pass(stream);
    } catch (error) {
      // A stream that is destroyed while it is read ends with an error.
      if (!this.#isStale) throw error;
    } finally {
      looks.end();
      this.#stream?.destroy();
      this.#stream = undefined;
    }
  }

  async #topics(): Promise<readonly string[]> {
    if (this.#patterns.every(({ isPlain }) => isPlain))
      return this.#patterns.map(({ text }) => text);
    const { Admin } = await import("@platformatic/kafka");
    const admin = withoutStrayErrors(new Admin(await clientOptions(this.#options, this.#context)));
    try {
      const all = await admin.listTopics();
      return all.filter((name) => paramsOf(this.#patterns, name) !== undefined).sort();
    } finally {
      await admin.close().catch(() => {});
    }
  }

  async #beginAtEnds(consumer: Bytes, topics: readonly string[]): Promise<void> {
    if (topics.length === 0) return this.#reading.begin?.({});
    const ends = await consumer.listOffsets({ topics: [...topics], timestamp: LATEST });
    for (const [topic, offsets] of ends)
      for (const [partition, end] of offsets.entries())
        if (end > 0n) this.#positions[`${topic}/${partition}`] = String(end - 1n);
    await this.#reading.begin?.({ ...this.#positions });
  }

  /** Every partition has a place to begin: behind its position, or the oldest that is kept. */
  async #offsets(consumer: Bytes, topics: readonly string[]) {
    const oldest = await consumer.listOffsets({ topics: [...topics], timestamp: EARLIEST });
    const ends = await consumer.listOffsets({ topics: [...topics], timestamp: LATEST });
    const offsets = topics.flatMap((topic) =>
      (oldest.get(topic) ?? []).map((first, partition) => {
        const id = `${topic}/${partition}`;
        const position = this.#positions[id];
        if (position === undefined) return { topic, partition, offset: first };
        const next = BigInt(position) + 1n;
        if (next > (ends.get(topic)?.[partition] ?? next)) throw madeAnew(id, position);
        if (next < first) this.#reading.lost?.(id, Number(first - next));
        return { topic, partition, offset: next > first ? next : first };
      }),
    );
    if (offsets.length > PARTITIONS_MAX)
      throw new SourceError(
        "refused",
        `the topics have ${offsets.length} partitions, expected at most ${PARTITIONS_MAX}`,
      );
    return offsets;
  }

  /** What has arrived goes together; the stream waits while it is taken. */
  async #pass(stream: Stream): Promise<void> {
    const { take, signal } = this.#reading;
    const { bytesMax = BYTES_MAX, recordsMax = RECORDS_MAX } = this.#options;
    let some: Message<Buffer, Buffer, Buffer, Buffer>[] = [];
    let bytes = 0;
    for await (const message of stream) {
      if (signal.aborted) return;
      some.push(message);
      bytes += message.value?.byteLength ?? 0;
      const isFull = some.length >= recordsMax || bytes >= bytesMax;
      if (!isFull && stream.readableLength > 0) continue;
      const records = some.map((one) => this.#recordOf(one));
      some = [];
      bytes = 0;
      await take(records);
      for (const { partition, position } of records) this.#positions[partition] = position;
      if (this.#isStale) return;
    }
    if (!signal.aborted && !this.#isStale)
      throw new SourceError("unavailable", "the brokers ended the stream");
  }

  #recordOf({
    topic,
    partition,
    offset,
    key,
    value,
    timestamp,
  }: Message<Buffer, Buffer, Buffer, Buffer>) {
    return {
      partition: `${topic}/${partition}`,
      position: String(offset),
      name: topic,
      params: paramsOf(this.#patterns, topic) ?? {},
      key: key?.toString() ?? "",
      timeMs: Number(timestamp),
      data: Uint8Array.from(value ?? []),
    };
  }

  /** Tells the lag, and notices topics and partitions that are new. */
  #lookAfter(consumer: Bytes, topics: readonly string[]) {
    let isEnded = false;
    let changed = (): void => {};
    const whenChanged = new Promise<void>((resolve) => {
      changed = resolve;
    });
    const { signal } = this.#reading;
    signal.addEventListener("abort", changed, { once: true });
    const known = new Set<string>();
    const look = async (): Promise<void> => {
      const found = await this.#topics();
      const ends =
        found.length === 0
          ? new Map<string, bigint[]>()
          : await consumer.listOffsets({ topics: [...found], timestamp: LATEST });
      if (isEnded) return;
      const partitions = [...ends].flatMap(([topic, offsets]) =>
        offsets.map((end, partition) => ({ id: `${topic}/${partition}`, end })),
      );
      const isNew = partitions.some(({ id }) => !known.has(id)) && known.size > 0;
      for (const { id } of partitions) known.add(id);
      if (isNew || found.some((topic) => !topics.includes(topic))) {
        this.#isStale = true;
        this.#stream?.destroy();
        return changed();
      }
      const left = partitions.map(({ id, end }) =>
        Math.max(0, Number(end - BigInt(this.#positions[id] ?? -1)) - 1),
      );
      this.#reading.behind?.(left.reduce((sum, one) => sum + one, 0));
    };
    this.#isStale = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (): void => {
      // What fails here fails in the stream as well, which tells it.
      void look()
        .catch(() => {})
        .finally(() => {
          if (!isEnded) timer = setTimeout(again, LOOK_MS);
        });
    };
    again();
    return {
      changed: whenChanged,
      end: (): void => {
        isEnded = true;
        clearTimeout(timer);
        signal.removeEventListener("abort", changed);
      },
    };
  }
}

const RECORDS_MAX = 500;
const BYTES_MAX = 1024 * 1024;

async function clientOptions(options: KafkaSourceOptions, context: SourceContext) {
  const { brokers, usernameFrom, passwordFrom, mechanism } = options;
  const { timeoutMs } = context;
  const tls = await tlsOf(options.tls, context.secret);
  return {
    clientId: "holdfast",
    bootstrapBrokers: [...brokers],
    retries: 0,
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    timeout: timeoutMs,
    autocreateTopics: false,
    ...(tls === undefined ? {} : kafkaTls(tls)),
    ...(usernameFrom === undefined || passwordFrom === undefined
      ? {}
      : {
          sasl: {
            mechanism: mechanism ?? ("SCRAM-SHA-512" as const),
            username: secretOf(context, usernameFrom),
            password: secretOf(context, passwordFrom),
          },
        }),
  };
}

async function openConsumer(options: KafkaSourceOptions, context: SourceContext): Promise<Bytes> {
  const { Consumer } = await import("@platformatic/kafka");
  return withoutStrayErrors(
    new Consumer({
      ...(await clientOptions(options, context)),
      // Its own: the group of a reader that died waits for it until the session times out.
      groupId: `${options.group ?? "holdfast"}-${randomUUID()}`,
      autocommit: false,
    }) as Bytes,
  );
}

const REFUSED = /AUTH|UNKNOWN_TOPIC|PLT_KFK_USER/;

/** Errors of `take` pass; those of the client are told by their codes alone. */
function readingError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return undefined;
  const own = told(error);
  if (own !== undefined) return own;
  const id = apiIdOf(error);
  if (id !== undefined)
    return new SourceError(
      REFUSED.test(id) ? "refused" : "unavailable",
      `Kafka refused it (${id})`,
    );
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (typeof code === "string" && code.startsWith("PLT_KFK_"))
    return new SourceError("unavailable", `the brokers are out of reach (${code})`);
  return error;
}
