// Owns: a stream of NATS JetStream as a source.
import type { JsMsg } from "@nats-io/jetstream";
import { faultOf, secretOf } from "../faults.ts";
import type { NatsOptions } from "../nats/nats.ts";
import { type Source, type SourceContext, SourceError, type SourceReading } from "./source.ts";

/** Options of a source in NATS. */
export interface NatsSourceOptions
  extends Pick<NatsOptions, "servers" | "tls" | "usernameFrom" | "passwordFrom" | "tokenFrom"> {
  readonly stream: string;
  /** Subjects of the stream; default all. Wildcards are allowed. */
  readonly subjects?: readonly string[];
  /** Records that are given at once. Default 500. */
  readonly recordsMax?: number;
}

/** A stream has one order: it is one partition, and a position is the stream's sequence. */
const PARTITION = "0";

export const natsSource = (options: NatsSourceOptions, context: SourceContext): Source => ({
  async read(reading) {
    const [{ connect }, { jetstream }] = await Promise.all([
      import("@nats-io/transport-node"),
      import("@nats-io/jetstream"),
    ]);
    const connection = await connect({
      ...accountOf(options, context),
      servers: [...options.servers],
      ...(options.tls === true ? { tls: {} } : {}),
      name: "holdfast",
      reconnect: false,
      timeout: context.timeoutMs,
    }).catch((error: unknown) => {
      throw sourceError(error);
    });
    const end = (): void => void connection.close();
    reading.signal.addEventListener("abort", end, { once: true });
    if (reading.signal.aborted) end();
    const gone = connection.closed().then((): never => {
      throw new SourceError("unavailable", "the connection was lost");
    });
    gone.catch(() => {});
    try {
      const last = Number(reading.positions[PARTITION] ?? 0);
      const consumer = await jetstream(connection).consumers.get(options.stream, {
        opt_start_seq: last + 1,
        ...(options.subjects === undefined ? {} : { filter_subjects: [...options.subjects] }),
      });
      for (;;) {
        const batch = await consumer.fetch({
          max_messages: options.recordsMax ?? 500,
          expires: 1_000,
        });
        const found: JsMsg[] = [];
        await Promise.race([gone, gather(batch, found)]);
        if (reading.signal.aborted) return;
        if (found.length > 0) await pass(found, reading);
      }
    } catch (error) {
      if (!reading.signal.aborted) throw sourceError(error);
    } finally {
      reading.signal.removeEventListener("abort", end);
      await connection.close();
    }
  },
});

async function gather(batch: AsyncIterable<JsMsg>, found: JsMsg[]): Promise<void> {
  for await (const message of batch) found.push(message);
}

const pass = (messages: readonly JsMsg[], { take }: SourceReading): Promise<void> =>
  take(
    messages.map((message) => ({
      partition: PARTITION,
      position: String(message.seq),
      name: message.subject,
      key: message.subject.split(".").at(-1) ?? "",
      timeMs: message.info.timestampNanos / 1e6,
      data: Uint8Array.from(message.data),
    })),
  );

function accountOf(options: NatsSourceOptions, context: SourceContext) {
  const named = { ...context, pipeline: "", partition: 0, output: 0 };
  const { usernameFrom, passwordFrom, tokenFrom } = options;
  return {
    ...(usernameFrom === undefined ? {} : { user: secretOf(named, usernameFrom) }),
    ...(passwordFrom === undefined ? {} : { pass: secretOf(named, passwordFrom) }),
    ...(tokenFrom === undefined ? {} : { token: secretOf(named, tokenFrom) }),
  };
}

/** Errors of `take` have no name of NATS: they pass. */
function sourceError(error: unknown): unknown {
  const name = error instanceof Error ? error.name : "";
  if (/Authorization|Authentication|Permission|UserAuth/i.test(name))
    return new SourceError("refused", "name, password, token or rights are wrong");
  if (/NotFound/i.test(name)) return new SourceError("refused", "there is no such stream");
  if (/Closed|Connection|Draining|Timeout|NoResponders|JetStream/i.test(name))
    return new SourceError("unavailable", "the server is out of reach");
  return isOfSystem(error) ? new SourceError("unavailable", faultOf(error, "away").message) : error;
}

const isOfSystem = (error: unknown): boolean =>
  /^E[A-Z]+$/.test(String((error as { readonly code?: unknown } | null)?.code));
