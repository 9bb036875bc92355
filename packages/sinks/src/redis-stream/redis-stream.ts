// Owns: the sink that adds to a stream of Redis or Valkey.
import {
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkErrorCode,
  type SinkRecord,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import { ClientPool } from "../client-pool.ts";
import { clientSink } from "../client-sink.ts";
import { faultOf, secretOf } from "../faults.ts";
import { needed, type OptionRules, problemsOf, secretName, whole } from "../options.ts";
import { isTemplate, nameFor } from "../template.ts";
import { type TlsOptions, tlsOf, tlsRule } from "../tls.ts";

/** Options of `redisStream`. */
export interface RedisStreamOptions {
  /** Variable with the URL: `redis://user:password@host:6379/0`, or `rediss:`. */
  readonly urlFrom: string;
  /** Key of the stream, or a template such as `heat:{site}`. */
  readonly stream: string;
  /** The stream keeps about so many of the newest entries. Absent: all. */
  readonly entriesMax?: number;
  /** How long ids are known, so that what comes again is left out. Default ten minutes. */
  readonly onceMs?: number;
  /** With `rediss:`. */
  readonly tls?: TlsOptions;
}

const IN_KEY = /^[^{}\p{C}]{1,200}$/u;

const RULES: OptionRules = {
  urlFrom: needed(secretName),
  stream: needed({
    expected: "a key, or a template such as heat:{site}",
    isRight: (value) =>
      typeof value === "string" && value !== "" && value.length <= 500 && isTemplate(value),
  }),
  entriesMax: whole(1, Number.MAX_SAFE_INTEGER),
  onceMs: whole(1_000, 86_400_000),
  tls: tlsRule,
};

/**
 * KEYS: stream, ids. ARGV: how long ids are known, entries at most or 0, then id, key, time and
 * value of each record. The first write is one that a server refuses at its memory limit.
 */
const ADD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[2], 'XX', 0, '')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - tonumber(ARGV[1])))
for at = 3, #ARGV, 4 do
  if redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), ARGV[at]) == 1 then
    local fields = {'*', 'id', ARGV[at], 'key', ARGV[at + 1], 'time', ARGV[at + 2], 'value', ARGV[at + 3]}
    if ARGV[2] == '0' then redis.call('XADD', KEYS[1], unpack(fields))
    else redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], unpack(fields)) end
  end
end
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', tonumber(ARGV[1]) * 2))
return 1
`;

interface Client {
  sendCommand(command: readonly string[]): Promise<unknown>;
  destroy(): void;
}

export function redisStreamAdapter(): SinkAdapter {
  const clients = new ClientPool<Client>(async (client) => client.destroy());
  return {
    kind: "redisStream",
    problems: (options) => problemsOf("redisStream", RULES, options),
    open(definition, context) {
      const options = definition.options as unknown as RedisStreamOptions;
      const url = (): string => secretOf(context, options.urlFrom);
      return clientSink(context, {
        clients,
        name: () => `${context.timeoutMs} ${JSON.stringify(options.tls ?? {})} ${url()}`,
        open: () => openClient(url(), options, context),
        put: (client, batch) => put(client, options, batch),
        faultOf: redisFault,
      });
    },
  };
}

async function openClient(
  url: string,
  options: RedisStreamOptions,
  { timeoutMs, secret }: SinkContext,
): Promise<Client> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url))
    throw new SinkError("refused", "the variable holds no redis: or rediss: URL");
  const { createClient } = await import("@redis/client");
  const tls = url.startsWith("rediss:") ? await tlsOf(options.tls, secret) : undefined;
  const socket = { reconnectStrategy: false as const, connectTimeout: timeoutMs };
  const client = createClient({
    url,
    socket: tls === undefined ? socket : { ...socket, ...tls, tls: true as const },
    disableOfflineQueue: true,
  });
  // Calls are rejected with the same: nothing more is to be told.
  client.on("error", () => {});
  await client.connect();
  return client as unknown as Client;
}

/** One script for each stream of the batch, in the order of first records. */
async function put(
  client: Client,
  { stream, entriesMax = 0, onceMs = 600_000 }: RedisStreamOptions,
  batch: SinkBatch,
): Promise<SinkRefusals | undefined> {
  const refused: { readonly index: number; readonly reason: string }[] = [];
  const byStream = new Map<string, SinkRecord[]>();
  for (const [index, record] of batch.records.entries()) {
    const name = nameFor(stream, record, batch, IN_KEY);
    const known = name === undefined ? undefined : byStream.get(name);
    if (name === undefined) refused.push({ index, reason: "its stream would not be a legal key" });
    else if (known === undefined) byStream.set(name, [record]);
    else known.push(record);
  }
  for (const [name, records] of byStream) {
    const args = records.flatMap(({ id, key, timeMs, value }) => [
      id,
      key,
      String(timeMs),
      JSON.stringify(value),
    ]);
    const head = ["EVAL", ADD, "2", name, idsOf(name), String(onceMs), String(entriesMax)];
    await client.sendCommand([...head, ...args]);
  }
  return refused.length === 0 ? undefined : { refused };
}

/** In the slot of the stream, also on a cluster. Templates keep braces out of streams. */
const idsOf = (stream: string): string => `{${stream}}:ids`;

const MEANINGS: Readonly<Record<string, SinkErrorCode>> = {
  OOM: "busy",
  BUSY: "busy",
  NOAUTH: "refused",
  WRONGPASS: "refused",
  NOPERM: "refused",
  WRONGTYPE: "refused",
  MOVED: "refused",
  CROSSSLOT: "refused",
  ERR: "internal",
};

function redisFault(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const word = /^(?:-)?([A-Z]{2,12})(?= |$)/.exec(error instanceof Error ? error.message : "")?.[1];
  if (word === undefined) return faultOf(error, "the server is out of reach");
  // A script's error has the server's word behind its own.
  return new SinkError(MEANINGS[word] ?? "unavailable", `the server refused it (${word})`);
}
