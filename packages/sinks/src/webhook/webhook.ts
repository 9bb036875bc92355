// Owns: the sink that posts batches to an HTTP endpoint, signed.
import { createHash } from "node:crypto";
import {
  type Sink,
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  type SinkDefinition,
  SinkError,
  type SinkRecord,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import { faultOf, secretOf } from "../faults.ts";
import { named, needed, type OptionRules, problemsOf, secretName } from "../options.ts";
import { inParts, Refusal } from "../parts.ts";
import { type TlsOptions, tlsOf, tlsRule } from "../tls.ts";
import { signatureOf } from "./signature.ts";

/** Options of `webhook`. */
export interface WebhookOptions {
  /** http or https, without a password. */
  readonly url: string;
  /** Variable with the secret that signs; `whsec_` and base64, or any text. */
  readonly secretFrom?: string;
  /** More headers, as they are. */
  readonly headers?: Readonly<Record<string, string>>;
  /** More headers, each with the variable that holds its value. */
  readonly headersFrom?: Readonly<Record<string, string>>;
  /** With `https:`. */
  readonly tls?: TlsOptions;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const VALUE = /^[\t\x20-\x7e]{0,1000}$/;

const RULES: OptionRules = {
  url: needed({ expected: "an http or https URL without a password", isRight: isPlainUrl }),
  secretFrom: secretName,
  headers: named("headers by name", TOKEN, VALUE),
  headersFrom: named("names of variables by header", TOKEN, /^[A-Za-z_][A-Za-z0-9_]{0,127}$/),
  tls: tlsRule,
};

function isPlainUrl(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

/** What is used of the platform; a test may replace it. */
export interface WebhookNeeds {
  readonly fetch: (url: string, init: BunFetchRequestInit) => Promise<Response>;
  readonly wallMs: () => number;
}

const NEEDS: WebhookNeeds = { fetch: (url, init) => fetch(url, init), wallMs: () => Date.now() };

/** Largest answer that is read. */
const ANSWER_BYTES_MAX = 64 * 1024;
/** The batch, or a record in it, is what they do not take: 400, 413, 415, 422. */
const FINAL = new Set([400, 413, 415, 422]);
const BUSY = new Set([408, 425, 429, 503]);

export function webhookAdapter(needs: WebhookNeeds = NEEDS): SinkAdapter {
  return {
    kind: "webhook",
    problems: (options) => problemsOf("webhook", RULES, options),
    open: ({ options }: SinkDefinition<unknown>, context) =>
      new Webhook(options as unknown as WebhookOptions, context, needs),
  };
}

class Webhook implements Sink {
  readonly #options: WebhookOptions;
  readonly #context: SinkContext;
  readonly #needs: WebhookNeeds;
  readonly #ending = new AbortController();

  constructor(options: WebhookOptions, context: SinkContext, needs: WebhookNeeds) {
    this.#options = options;
    this.#context = context;
    this.#needs = needs;
  }

  /** All parts of a batch share the time of one write. */
  async write(batch: SinkBatch): Promise<SinkRefusals | undefined> {
    const late = AbortSignal.timeout(this.#context.timeoutMs);
    const signal = AbortSignal.any([late, this.#ending.signal]);
    const told: { readonly index: number; readonly reason: string }[] = [];
    const refusals = await inParts(batch.records, async (part, from) => {
      const answer = await this.#post(batch, part, { signal, late });
      if (answer instanceof Refusal) return answer;
      for (const { index, reason } of answer) told.push({ index: from + index, reason });
      return undefined;
    });
    const refused = [...(refusals?.refused ?? []), ...told];
    return refused.length === 0 ? undefined : { refused };
  }

  async close(): Promise<void> {
    this.#ending.abort();
  }

  /** What single records are refused with, or that all of it is. */
  async #post(
    batch: SinkBatch,
    part: readonly SinkRecord[],
    { signal, late }: { readonly signal: AbortSignal; readonly late: AbortSignal },
  ): Promise<SinkRefusals["refused"] | Refusal> {
    try {
      const response = await this.#needs.fetch(this.#options.url, {
        method: "POST",
        redirect: "manual",
        signal,
        ...(await this.#tls()),
        ...this.#message(batch, part),
      });
      const answer = await readSome(response);
      if (response.ok) return refusedIn(answer, part.length);
      if (FINAL.has(response.status)) return new Refusal(`the target answered ${response.status}`);
      throw errorOf(response, this.#needs.wallMs());
    } catch (error) {
      if (late.aborted)
        throw new SinkError("timeout", `no answer within ${this.#context.timeoutMs} ms`);
      throw faultOf(error, "the endpoint is out of reach");
    }
  }

  /** Read for each request: a certificate that was renewed counts from then on. */
  async #tls(): Promise<Pick<BunFetchRequestInit, "tls">> {
    const found = await tlsOf(this.#options.tls, this.#context.secret);
    if (found === undefined) return {};
    const { servername, ...tls } = found;
    return { tls: { ...tls, ...(servername === undefined ? {} : { serverName: servername }) } };
  }

  #message(batch: SinkBatch, part: readonly SinkRecord[]): Pick<RequestInit, "body" | "headers"> {
    const { pipeline, partition, output } = batch;
    const records = part.map(({ id, key, timeMs, value, params }) => ({
      id,
      key,
      timeMs,
      value,
      params,
    }));
    const body = JSON.stringify({ pipeline, partition, output, records });
    const { secretFrom, headers = {}, headersFrom = {} } = this.#options;
    const id = createHash("sha256")
      .update(records.map((one) => one.id).join("\n"))
      .digest("hex");
    const timestamp = Math.floor(this.#needs.wallMs() / 1_000);
    const hidden = Object.entries(headersFrom).map(([name, from]) => [
      name,
      secretOf(this.#context, from),
    ]);
    const signed =
      secretFrom === undefined
        ? {}
        : {
            "webhook-signature": signatureOf(secretOf(this.#context, secretFrom), {
              id,
              timestamp,
              body,
            }),
          };
    return {
      body,
      headers: {
        ...headers,
        ...Object.fromEntries(hidden),
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        ...signed,
      },
    };
  }
}

function errorOf(response: Response, wallMs: number): SinkError {
  const { status } = response;
  const retryMs = retryAfterMs(response.headers.get("retry-after"), wallMs);
  const more = retryMs === undefined ? {} : { retryMs };
  const words = `the target answered ${status}`;
  if (BUSY.has(status)) return new SinkError("busy", words, more);
  // A redirect is not followed: the signature would go to somebody whom nobody named.
  if (status < 500) return new SinkError("refused", words, more);
  return new SinkError("unavailable", words, more);
}

/** Seconds, or a date. */
export function retryAfterMs(header: string | null, wallMs: number): number | undefined {
  if (header === null || header.length > 64) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - wallMs);
}

/** What it says about single records, if it says that. */
function refusedIn(answer: string, count: number): SinkRefusals["refused"] {
  let found: unknown;
  try {
    found = JSON.parse(answer);
  } catch {
    return [];
  }
  const { refused } = (found ?? {}) as { readonly refused?: unknown };
  if (!Array.isArray(refused)) return [];
  const byIndex = new Map<number, string>();
  for (const one of refused) {
    const { index, reason } = (one ?? {}) as {
      readonly index?: unknown;
      readonly reason?: unknown;
    };
    if (!Number.isInteger(index) || Number(index) < 0 || Number(index) >= count)
      throw new SinkError("internal", "the target refused a record that it was not sent");
    byIndex.set(Number(index), typeof reason === "string" ? reason.slice(0, 200) : "refused");
  }
  return [...byIndex].map(([index, reason]) => ({ index, reason }));
}

/** The beginning of an answer; the rest is not read. */
async function readSome(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let found = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return found;
    bytes += value.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      await reader.cancel();
      return "";
    }
    found += decoder.decode(value, { stream: true });
  }
}
