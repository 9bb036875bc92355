// Owns: the sink that publishes to a subject of NATS JetStream.

import {
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkRecord,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import type { JetStreamClient } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { ClientPool } from "../client-pool.ts";
import { clientSink } from "../client-sink.ts";
import { codeOf, faultOf, secretOf } from "../faults.ts";
import { needed, type OptionRules, problemsOf, secretName, texts } from "../options.ts";
import { isTemplate, nameFor } from "../template.ts";
import { type TlsOption, tlsOf, tlsRule } from "../tls.ts";

/** Options of `nats`. */
export interface NatsOptions {
  /** Some servers, `host:port`; they name the others. */
  readonly servers: readonly string[];
  /** A subject that a stream takes, or a template such as `heat.{site}.{key}`. */
  readonly subject: string;
  readonly tls?: TlsOption;
  /** Variables with name and password, or with a token. */
  readonly usernameFrom?: string;
  readonly passwordFrom?: string;
  readonly tokenFrom?: string;
}

export const SERVER = /^[A-Za-z0-9._-]{1,253}:\d{1,5}$/;
/** One part of a subject. */
const IN_SUBJECT = /^[^\s.*>\p{C}]{1,200}$/u;

const RULES: OptionRules = {
  servers: needed(texts("a list of host:port", SERVER, 20)),
  subject: needed({
    expected: "a subject, or a template such as heat.{site}",
    isRight: (value) =>
      typeof value === "string" &&
      /^[^\s*>]{1,250}$/.test(value) &&
      value.split(".").every((part) => part !== "") &&
      isTemplate(value),
  }),
  tls: tlsRule,
  usernameFrom: secretName,
  passwordFrom: secretName,
  tokenFrom: secretName,
};

interface Client {
  readonly connection: NatsConnection;
  readonly stream: JetStreamClient;
}

export function natsAdapter(): SinkAdapter {
  const clients = new ClientPool<Client>(({ connection }) => connection.close());
  return {
    kind: "nats",
    problems: (options) => problemsOf("nats", RULES, options),
    open(definition, context) {
      const options = definition.options as unknown as NatsOptions;
      return clientSink(context, {
        clients,
        name: () => JSON.stringify([settingsOf(options, context), context.timeoutMs]),
        open: () => openClient(options, context),
        put: (client, batch) => put(client, { options, batch, timeoutMs: context.timeoutMs }),
        faultOf: natsFault,
      });
    },
  };
}

function settingsOf(options: NatsOptions, context: SinkContext) {
  const { servers, tls = false, usernameFrom, passwordFrom, tokenFrom } = options;
  return {
    servers: [...servers],
    tls,
    ...(usernameFrom === undefined ? {} : { user: secretOf(context, usernameFrom) }),
    ...(passwordFrom === undefined ? {} : { pass: secretOf(context, passwordFrom) }),
    ...(tokenFrom === undefined ? {} : { token: secretOf(context, tokenFrom) }),
  };
}

async function openClient(options: NatsOptions, context: SinkContext): Promise<Client> {
  const [{ connect }, { jetstream }] = await Promise.all([
    import("@nats-io/transport-node"),
    import("@nats-io/jetstream"),
  ]);
  // The delivery connects again: a client that does it by itself sends old messages late.
  const { tls: _, ...settings } = settingsOf(options, context);
  const connection = await connect({
    ...settings,
    ...(await natsTls(options.tls, context.secret)),
    name: "holdfast",
    reconnect: false,
    timeout: context.timeoutMs,
  });
  return { connection, stream: jetstream(connection) };
}

/** As the client takes it, or nothing: then a server that wants TLS gets it all the same. */
export async function natsTls(
  option: TlsOption | undefined,
  secret: (name: string) => string | undefined,
) {
  const tls = await tlsOf(option, secret);
  return tls === undefined ? {} : { tls };
}

/**
 * Records with one key follow one another, each acknowledged before the next is sent. Those with
 * other keys go beside them. The id makes the server leave out what comes again within the stream's
 * window.
 */
async function put(
  { connection, stream }: Client,
  { options, batch, timeoutMs }: { options: NatsOptions; batch: SinkBatch; timeoutMs: number },
): Promise<SinkRefusals | undefined> {
  const refused: { readonly index: number; readonly reason: string }[] = [];
  const bytesMax = (connection.info?.max_payload ?? Number.POSITIVE_INFINITY) - 1_024;
  const lanes = new Map<string, { readonly index: number; readonly record: SinkRecord }[]>();
  for (const [index, record] of batch.records.entries()) {
    const lane = lanes.get(record.key);
    if (lane === undefined) lanes.set(record.key, [{ index, record }]);
    else lane.push({ index, record });
  }
  const send = async (index: number, record: SinkRecord): Promise<void> => {
    const subject = nameFor(options.subject, record, batch, IN_SUBJECT);
    if (subject === undefined)
      return void refused.push({ index, reason: "its subject would not be a legal one" });
    const data = new TextEncoder().encode(JSON.stringify(record.value));
    if (data.byteLength > bytesMax)
      return void refused.push({ index, reason: `it has ${data.byteLength} bytes` });
    try {
      await stream.publish(subject, data, { msgID: record.id, timeout: timeoutMs });
    } catch (error) {
      // 10054: larger than the stream takes.
      if (errorNumber(error) !== 10_054) throw error;
      refused.push({ index, reason: "it is larger than the stream takes" });
    }
  };
  await Promise.all(
    [...lanes.values()].map(async (lane) => {
      for (const { index, record } of lane) await send(index, record);
    }),
  );
  refused.sort((one, other) => one.index - other.index);
  return refused.length === 0 ? undefined : { refused };
}

/** The number of an error of JetStream. */
function errorNumber(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** No room in the stream, or in the account. */
const FULL = new Set([10_023, 10_047, 10_077, 10_122]);

function natsFault(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const number = errorNumber(error);
  if (number !== undefined)
    return FULL.has(number)
      ? new SinkError("busy", `the stream is full (${number})`)
      : new SinkError("internal", `JetStream refused it (${number})`);
  const name = error instanceof Error ? error.name : "";
  if (/Authorization|Authentication|Permission|UserAuth/i.test(name))
    return new SinkError("refused", "name, password, token or rights are wrong");
  if (/Timeout/i.test(name)) return new SinkError("timeout", "the server did not answer");
  if (/NoResponders/i.test(name) || codeOf(error) === "503")
    return new SinkError("unavailable", "no stream takes the subject");
  return faultOf(error, "the server is out of reach");
}
