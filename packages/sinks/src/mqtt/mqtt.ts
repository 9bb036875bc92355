// Owns: the sink that publishes to an MQTT broker upstream.

import {
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkRecord,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import type { MqttClient } from "mqtt";
import { ClientPool } from "../client-pool.ts";
import { clientSink } from "../client-sink.ts";
import { faultOf, secretOf } from "../faults.ts";
import { flag, needed, type OptionRules, problemsOf, secretName } from "../options.ts";
import { isTemplate, nameFor } from "../template.ts";
import { type TlsOptions, tlsOf, tlsRule } from "../tls.ts";

/** Options of `mqtt`. */
export interface MqttOptions {
  /** `mqtt://host:1883`, `mqtts:`, `ws:` or `wss:`, without a password. */
  readonly url: string;
  /** A topic, or a template such as `heat/{site}/{key}`. */
  readonly topic: string;
  /** 1 (default) or 2. With 0 nobody says that a record has arrived. */
  readonly qos?: 1 | 2;
  /** The broker keeps the last one of each topic. */
  readonly retain?: boolean;
  readonly usernameFrom?: string;
  readonly passwordFrom?: string;
  /** With `mqtts:` and `wss:`. */
  readonly tls?: TlsOptions;
}

/** One level of a topic. */
const IN_TOPIC = /^[^/+#\p{C}]{1,200}$/u;

const RULES: OptionRules = {
  url: needed({
    expected: "an mqtt:, mqtts:, ws: or wss: URL without a password",
    isRight: isPlainUrl,
  }),
  topic: needed({
    expected: "a topic, or a template such as heat/{site}",
    isRight: (value) =>
      typeof value === "string" && /^[^+#\0]{1,500}$/.test(value) && isTemplate(value),
  }),
  qos: { expected: "1 or 2", isRight: (value) => value === 1 || value === 2 },
  retain: flag,
  tls: tlsRule,
  usernameFrom: secretName,
  passwordFrom: secretName,
};

function isPlainUrl(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^(mqtts?|wss?):$/.test(protocol) && username === "" && password === "";
}

/** Records under way at most; a broker may say fewer. */
const WINDOW_MAX = 100;

interface Client {
  readonly client: MqttClient;
  readonly windowMax: number;
}

export function mqttAdapter(): SinkAdapter {
  const clients = new ClientPool<Client>(({ client }) => client.endAsync(true));
  return {
    kind: "mqtt",
    problems: (options) => problemsOf("mqtt", RULES, options),
    open(definition, context) {
      const options = definition.options as unknown as MqttOptions;
      return clientSink(context, {
        clients,
        name: () =>
          JSON.stringify([
            options.url,
            options.tls,
            accountOf(options, context),
            context.timeoutMs,
          ]),
        open: () => openClient(options, context),
        put: (client, batch) => put(client, options, batch),
        faultOf: mqttFault,
      });
    },
  };
}

const accountOf = ({ usernameFrom, passwordFrom }: MqttOptions, context: SinkContext) => ({
  ...(usernameFrom === undefined ? {} : { username: secretOf(context, usernameFrom) }),
  ...(passwordFrom === undefined ? {} : { password: secretOf(context, passwordFrom) }),
});

async function openClient(options: MqttOptions, context: SinkContext): Promise<Client> {
  const { connect } = await import("mqtt");
  const client = connect(options.url, {
    ...accountOf(options, context),
    ...(await tlsOf(options.tls, context.secret)),
    protocolVersion: 5,
    clean: true,
    // The delivery connects again: a client that does it by itself sends old messages late.
    reconnectPeriod: 0,
    connectTimeout: context.timeoutMs,
    keepalive: 30,
  });
  return new Promise((resolve, reject) => {
    client.on("error", (error) => {
      reject(error);
      client.end(true);
    });
    client.on("close", () => reject(new SinkError("unavailable", "the broker is out of reach")));
    client.on("connect", ({ properties }) => {
      const windowMax = Math.min(WINDOW_MAX, properties?.receiveMaximum ?? WINDOW_MAX);
      resolve({ client, windowMax });
    });
  });
}

/** In their order on one connection, several under way; each is acknowledged. */
async function put(
  { client, windowMax }: Client,
  options: MqttOptions,
  batch: SinkBatch,
): Promise<SinkRefusals | undefined> {
  const refused: { readonly index: number; readonly reason: string }[] = [];
  const underWay = new Set<Promise<void>>();
  const gone = new Promise<never>((_, reject) => {
    client.once("close", () => reject(new SinkError("unavailable", "the connection was lost")));
  });
  gone.catch(() => {});
  for (const [index, record] of batch.records.entries()) {
    const topic = nameFor(options.topic, record, batch, IN_TOPIC);
    if (topic === undefined) {
      refused.push({ index, reason: "its topic would not be a legal name" });
      continue;
    }
    while (underWay.size >= windowMax) await Promise.race([...underWay, gone]);
    const sending = publish(client, { options, topic, record })
      .then((reason) => {
        if (reason !== undefined) refused.push({ index, reason });
      })
      .finally(() => underWay.delete(sending));
    // Looked at below, or by the race above.
    sending.catch(() => {});
    underWay.add(sending);
  }
  await Promise.race([Promise.all(underWay), gone]);
  refused.sort((one, other) => one.index - other.index);
  return refused.length === 0 ? undefined : { refused };
}

/** Topic name invalid, packet too large, payload format invalid. */
const RECORD_CODES = new Set([0x90, 0x95, 0x99]);

/** Why the broker will never take it, or undefined. */
async function publish(
  client: MqttClient,
  what: { readonly options: MqttOptions; readonly topic: string; readonly record: SinkRecord },
): Promise<string | undefined> {
  const { options, topic, record } = what;
  try {
    await client.publishAsync(topic, JSON.stringify(record.value), {
      qos: options.qos ?? 1,
      retain: options.retain ?? false,
      properties: {
        contentType: "application/json",
        userProperties: { id: record.id, key: record.key, time: String(record.timeMs) },
      },
    });
    return undefined;
  } catch (error) {
    const code = reasonOf(error);
    if (code !== undefined && RECORD_CODES.has(code)) return `the broker refused it (${code})`;
    throw error;
  }
}

/** The reason code of MQTT. */
function reasonOf(error: unknown): number | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "number" ? code : undefined;
}

/** Bad name or password, not authorised, banned; 4 and 5 are those of MQTT 3.1.1. */
const ACCOUNT_CODES = new Set([0x04, 0x05, 0x86, 0x87, 0x8a, 0x8c]);
/** Server busy, receive maximum exceeded, quota exceeded, connection rate exceeded. */
const BUSY_CODES = new Set([0x89, 0x93, 0x97, 0x9f]);

function mqttFault(error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  const code = reasonOf(error);
  if (code === undefined) return faultOf(error, "the broker is out of reach");
  const words = `the broker refused it (${code})`;
  if (ACCOUNT_CODES.has(code)) return new SinkError("refused", words);
  return new SinkError(BUSY_CODES.has(code) ? "busy" : "unavailable", words);
}
