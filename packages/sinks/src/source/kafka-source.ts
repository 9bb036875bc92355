// Owns: topics of Kafka as a source.
import type { Consumer, Message, MessagesStream } from "@platformatic/kafka";
import { secretOf } from "../faults.ts";
import { apiIdOf } from "../kafka/faults.ts";
import type { KafkaOptions } from "../kafka/kafka.ts";
import { type Source, type SourceContext, SourceError, type SourceReading } from "./source.ts";

/** Options of a source in Kafka; `topic` is a name, not a template. */
export interface KafkaSourceOptions
  extends Pick<
    KafkaOptions,
    "brokers" | "topic" | "tls" | "usernameFrom" | "passwordFrom" | "mechanism"
  > {
  /** The group that this reader joins alone; its positions are not committed there. */
  readonly group?: string;
  /** Records that are given at once. Default 500. */
  readonly recordsMax?: number;
}

type Bytes = Consumer<Buffer, Buffer, Buffer, Buffer>;

/** One reader has all partitions of the topic. */
export const kafkaSource = (options: KafkaSourceOptions, context: SourceContext): Source => ({
  async read(reading) {
    const consumer = await open(options, context);
    let stream: MessagesStream<Buffer, Buffer, Buffer, Buffer> | undefined;
    const end = (): void => void stream?.destroy();
    try {
      stream = await start(consumer, options, reading);
      reading.signal.addEventListener("abort", end, { once: true });
      await pass(stream, options.recordsMax ?? 500, reading);
    } catch (error) {
      throw readingError(error, reading.signal);
    } finally {
      reading.signal.removeEventListener("abort", end);
      stream?.destroy();
      await consumer.close(true).catch(() => {});
    }
  },
});

async function open(options: KafkaSourceOptions, context: SourceContext): Promise<Bytes> {
  const { Consumer } = await import("@platformatic/kafka");
  const { brokers, tls = false, usernameFrom, passwordFrom, mechanism, group, topic } = options;
  const named = { ...context, pipeline: "", partition: 0, output: 0 };
  const { timeoutMs } = context;
  return new Consumer({
    clientId: "holdfast",
    groupId: group ?? `holdfast-${topic}`,
    bootstrapBrokers: [...brokers],
    retries: 0,
    connectTimeout: timeoutMs,
    requestTimeout: timeoutMs,
    timeout: timeoutMs,
    autocommit: false,
    ...(tls ? { tls: {} } : {}),
    ...(usernameFrom === undefined || passwordFrom === undefined
      ? {}
      : {
          sasl: {
            mechanism: mechanism ?? ("SCRAM-SHA-512" as const),
            username: secretOf(named, usernameFrom),
            password: secretOf(named, passwordFrom),
          },
        }),
  }) as Bytes;
}

const EARLIEST = -2n;

/** Every partition has a place to begin: behind its position, or the oldest that is kept. */
async function start(
  consumer: Bytes,
  { topic }: KafkaSourceOptions,
  { positions }: SourceReading,
): Promise<MessagesStream<Buffer, Buffer, Buffer, Buffer>> {
  const oldest = await consumer.listOffsets({ topics: [topic], timestamp: EARLIEST });
  const offsets = (oldest.get(topic) ?? []).map((first, partition) => {
    const position = positions[String(partition)];
    const next = position === undefined ? first : BigInt(position) + 1n;
    return { topic, partition, offset: next > first ? next : first };
  });
  return consumer.consume({ topics: [topic], mode: "manual", offsets, autocommit: false });
}

/** What has arrived goes together; the stream waits while it is taken. */
async function pass(
  stream: MessagesStream<Buffer, Buffer, Buffer, Buffer>,
  recordsMax: number,
  { take, signal }: SourceReading,
): Promise<void> {
  let some: Message<Buffer, Buffer, Buffer, Buffer>[] = [];
  for await (const message of stream) {
    if (signal.aborted) return;
    some.push(message);
    if (some.length < recordsMax && stream.readableLength > 0) continue;
    const records = some.map(({ topic, partition, offset, key, value, timestamp }) => ({
      partition: String(partition),
      position: String(offset),
      name: topic,
      key: key?.toString() ?? "",
      timeMs: Number(timestamp),
      data: Uint8Array.from(value ?? []),
    }));
    some = [];
    await take(records);
  }
  if (!signal.aborted) throw new SourceError("unavailable", "the brokers ended the stream");
}

const REFUSED = /AUTH|UNKNOWN_TOPIC|PLT_KFK_USER/;

/** Errors of `take` pass; those of the client are told by their codes alone. */
function readingError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return undefined;
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
