// Owns: the sink that sends batches to a topic of Kafka.

import {
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkRecord,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import type { Producer } from "@platformatic/kafka";
import { ClientPool } from "../client-pool.ts";
import { clientSink } from "../client-sink.ts";
import { faultOf, secretOf } from "../faults.ts";
import {
  needed,
  type OptionRules,
  oneOf,
  problemsOf,
  secretName,
  texts,
  whole,
} from "../options.ts";
import { inParts, Refusal } from "../parts.ts";
import { isTemplate, nameFor } from "../template.ts";
import { type TlsOption, type TlsParts, tlsOf, tlsRule } from "../tls.ts";
import { apiIdOf, meaningOf } from "./faults.ts";

/** Options of `kafka`. */
export interface KafkaOptions {
  /** Some brokers, `host:port`; they name the others. */
  readonly brokers: readonly string[];
  /** A topic, or a template such as `heat.{site}`. It is not created. */
  readonly topic: string;
  readonly tls?: TlsOption;
  /** Variables with name and password, for SASL. */
  readonly usernameFrom?: string;
  readonly passwordFrom?: string;
  /** Default SCRAM-SHA-512. */
  readonly mechanism?: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly compression?: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  /**
   * Bytes of records in one request at most; below the brokers' `message.max.bytes`. Default 512
   * KiB. A request that is too large for a broker is sent in halves, and then some of it twice.
   */
  readonly requestBytes?: number;
}

export const BROKER = /^[A-Za-z0-9._-]{1,253}:\d{1,5}$/;
/** What a topic's name may consist of. */
const IN_TOPIC = /^[A-Za-z0-9._-]{1,200}$/;

const RULES: OptionRules = {
  brokers: needed(texts("a list of host:port", BROKER, 20)),
  topic: needed({
    expected: "a topic, or a template such as heat.{site}",
    isRight: (value) =>
      typeof value === "string" && /^[A-Za-z0-9._{}-]{1,249}$/.test(value) && isTemplate(value),
  }),
  tls: tlsRule,
  usernameFrom: secretName,
  passwordFrom: secretName,
  mechanism: oneOf("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
  requestBytes: whole(1_024, 100_000_000),
  compression: oneOf("none", "gzip", "snappy", "lz4", "zstd"),
};

type Client = Producer<Buffer, Buffer, Buffer, Buffer>;

export function kafkaAdapter(): SinkAdapter {
  const clients = new ClientPool<Client>((producer) => producer.close(true));
  return {
    kind: "kafka",
    problems: (options) => [
      ...problemsOf("kafka", RULES, options),
      ...((options.usernameFrom === undefined) === (options.passwordFrom === undefined)
        ? []
        : ["Cannot use sink kafka: found usernameFrom or passwordFrom alone, expected both"]),
    ],
    open(definition, context) {
      const options = definition.options as unknown as KafkaOptions;
      return clientSink(context, {
        clients,
        name: () => JSON.stringify([settingsOf(options, context), context.timeoutMs]),
        open: () => openProducer(options, context),
        put: (producer, batch) => put(producer, options, batch),
        faultOf: (error) => kafkaFault(error),
      });
    },
  };
}

function settingsOf(options: KafkaOptions, context: SinkContext) {
  const { brokers, tls = false, usernameFrom, passwordFrom, mechanism } = options;
  if (usernameFrom === undefined || passwordFrom === undefined) return { brokers, tls };
  return {
    brokers,
    tls,
    sasl: {
      mechanism: mechanism ?? ("SCRAM-SHA-512" as const),
      username: secretOf(context, usernameFrom),
      password: secretOf(context, passwordFrom),
    },
  };
}

async function openProducer(options: KafkaOptions, context: SinkContext): Promise<Client> {
  const { Producer } = await import("@platformatic/kafka");
  const { brokers, sasl } = settingsOf(options, context);
  const tls = await tlsOf(options.tls, context.secret);
  const { timeoutMs } = context;
  return withoutStrayErrors(
    new Producer({
      clientId: "holdfast",
      bootstrapBrokers: [...brokers],
      // The delivery repeats: here nothing goes on behind its back.
      retries: 0,
      connectTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      timeout: timeoutMs,
      autocreateTopics: false,
      ...(tls === undefined ? {} : kafkaTls(tls)),
      ...(sasl === undefined ? {} : { sasl }),
    }) as Client,
  );
}

interface Emitter {
  on(event: string, listener: (payload: unknown) => void): unknown;
}

/**
 * The client listens to the first error of a connection alone. A second one, as of a broker that
 * hangs up during the handshake, would end the process. Calls are rejected in any case.
 */
export function withoutStrayErrors<T>(client: T): T {
  const emitter = client as unknown as Emitter;
  for (const event of ["client:broker:connect", "client:broker:failed"])
    emitter.on(event, (payload) => {
      const { connection } = (payload ?? {}) as { readonly connection?: Emitter };
      connection?.on("error", () => {});
    });
  return client;
}

/** As the client takes it: the name that is asked for is its own option. */
export const kafkaTls = (tls: TlsParts) => ({ tls, tlsServerName: tls.servername ?? true });

/** One request after the other, each to all brokers that it concerns. */
async function put(
  producer: Client,
  options: KafkaOptions,
  batch: SinkBatch,
): Promise<SinkRefusals | undefined> {
  const refused: { readonly index: number; readonly reason: string }[] = [];
  const sent: Sent[] = [];
  for (const [index, record] of batch.records.entries()) {
    const topic = nameFor(options.topic, record, batch, IN_TOPIC);
    if (topic === undefined) refused.push({ index, reason: "its topic would not be a legal name" });
    else sent.push({ index, message: messageOf(record, topic) });
  }
  for (const some of requestsOf(sent, options.requestBytes ?? REQUEST_BYTES))
    refused.push(...(await send(producer, options, some)));
  refused.sort((one, other) => one.index - other.index);
  return refused.length === 0 ? undefined : { refused };
}

interface Sent {
  readonly index: number;
  readonly message: ReturnType<typeof messageOf>;
}

const REQUEST_BYTES = 512 * 1024;
/** What a record takes besides key, value and id, from above. */
const RECORD_BYTES = 64;

function* requestsOf(sent: readonly Sent[], bytesMax: number): Generator<readonly Sent[]> {
  let some: Sent[] = [];
  let bytes = 0;
  for (const one of sent) {
    const { key, value } = one.message;
    const more = (key?.byteLength ?? 0) + value.byteLength + RECORD_BYTES;
    if (some.length > 0 && bytes + more > bytesMax) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(one);
    bytes += more;
  }
  if (some.length > 0) yield some;
}

async function send(
  producer: Client,
  options: KafkaOptions,
  sent: readonly Sent[],
): Promise<SinkRefusals["refused"]> {
  const found = await inParts(sent, async (part) => {
    try {
      await producer.send({
        messages: part.map(({ message }) => message),
        acks: -1,
        ...(options.compression === undefined ? {} : { compression: options.compression }),
      });
      return undefined;
    } catch (error) {
      const meaning = meaningOf(apiIdOf(error));
      if (meaning instanceof Refusal) return meaning;
      throw error;
    }
  });
  return (found?.refused ?? []).map(({ index, reason }) => ({
    index: sent[index]?.index ?? 0,
    reason,
  }));
}

const messageOf = ({ id, key, timeMs, value }: SinkRecord, topic: string) => ({
  topic,
  ...(key === "" ? {} : { key: Buffer.from(key) }),
  value: Buffer.from(JSON.stringify(value)),
  timestamp: BigInt(Math.floor(timeMs)),
  headers: new Map([[Buffer.from("id"), Buffer.from(id)]]),
});

function kafkaFault(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const id = apiIdOf(error);
  const meaning = meaningOf(id);
  if (meaning instanceof SinkError) return meaning;
  return faultOf(error, "the brokers are out of reach");
}
