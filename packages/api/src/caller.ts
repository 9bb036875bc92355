// Owns: carrying one request out: time limits, repetitions, answers and refusals.

import { readAnswer } from "./answer.ts";
import { HoldfastApiError } from "./api-error.ts";
import { linesOf, type StreamLine } from "./lines.ts";
import { OPERATIONS, type Operations, PASSING_CODES } from "./operations.ts";

/** For one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Of one attempt, until its answer is read. Default: that of the client. */
  readonly timeoutMs?: number;
  /** Of all attempts together. Default: that of the client. 0: one attempt. */
  readonly totalMs?: number;
}

export interface CallerSettings {
  readonly url: string;
  readonly apiKey: string;
  readonly timeoutMs: number;
  readonly totalMs: number;
  readonly fetch: typeof globalThis.fetch;
}

/** One request as it is sent. */
interface Request_ {
  readonly name: keyof typeof OPERATIONS;
  readonly url: string;
  readonly init: RequestInit;
  /** Whether it may be sent again if nobody knows what became of it. */
  readonly isRepeatable: boolean;
}

const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 5_000;
/** Answers of proxies that mean: not now. */
const PASSING_STATUSES = new Set([408, 429, 502, 503, 504]);
/** Codes that say that nothing was done. */
const UNTOUCHED_CODES = new Set(["try_later", "rate_limited", "rpc_limit"]);

export class Caller {
  readonly #settings: CallerSettings;

  constructor(settings: CallerSettings) {
    this.#settings = settings;
  }

  /** Resolves with the answer of the node. Rejects with a HoldfastApiError. */
  async call<Name extends keyof Operations>(
    name: Name,
    input: Operations[Name]["input"],
    options: CallOptions & { readonly idempotencyKey?: string; readonly repeats?: boolean } = {},
  ): Promise<Operations[Name]["output"]> {
    const request = this.#request(name, input, options);
    const totalMs = options.totalMs ?? this.#settings.totalMs;
    const endMs = performance.now() + totalMs;
    for (let attempts = 1; ; attempts++) {
      const outcome = await this.#attempt(request, options, attempts);
      if (outcome.ok) return outcome.value as Operations[Name]["output"];
      const waitMs = Math.max(backoffMs(attempts), outcome.error.retryMs ?? 0);
      const mayRepeat = outcome.isPassing && (request.isRepeatable || outcome.isUntouched);
      if (!mayRepeat || performance.now() + waitMs >= endMs) throw outcome.error;
      await pause(waitMs, options.signal, outcome.error);
    }
  }

  /**
   * The events of one stream, until its end. Throws a HoldfastApiError if it was refused, broke,
   * was silent for too long, or ended with an error.
   */
  async *stream(
    name: "history_stream",
    input: object,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StreamLine, undefined> {
    const { url, init } = this.#request(name, input, {});
    const headers = { ...(init.headers as object), accept: "application/x-ndjson" };
    const controller = new AbortController();
    const abort = () => controller.abort();
    const fail = (code: string, text: string, details: object = {}) =>
      new HoldfastApiError(code, `Cannot ${name}: ${text}`, { attempts: 1, ...details });
    let isLate = false;
    const late = () => {
      isLate = true;
      abort();
    };
    let timer = setTimeout(late, this.#settings.timeoutMs);
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(late, SILENCE_MS);
    };
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      const response = await this.#settings.fetch(url, {
        ...init,
        headers,
        signal: controller.signal,
      });
      const type = response.headers.get("content-type") ?? "";
      if (!response.ok || response.body === null || !type.startsWith("application/x-ndjson")) {
        const answer = await readAnswer(response);
        if (answer.kind === "problem")
          throw fail(answer.code, `${answer.code}: ${answer.text}`, answer.details);
        throw fail("answer_invalid", answer.kind === "foreign" ? answer.text : "no stream", {
          status: response.status,
        });
      }
      heard();
      for await (const line of linesOf(response.body, heard)) {
        if (line === undefined) throw fail("answer_invalid", "found a line that is not a node's");
        if (line.event === "error") throw problemOf(line.data, fail);
        // The loop around may take its time with what it was given: that is no silence.
        clearTimeout(timer);
        yield line;
        heard();
        if (line.event === "end") return undefined;
      }
      throw fail("unreachable", "the stream broke off");
    } catch (cause) {
      if (cause instanceof HoldfastApiError) throw cause;
      if (isLate) throw fail("timeout", "the stream was silent for too long", { cause });
      if (signal?.aborted) throw fail("aborted", "the caller gave it up", { cause });
      throw fail("unreachable", `the connection failed (${reasonOf(cause)})`, { cause });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      abort();
    }
  }

  /** Before the next attempt. Rejects if the caller gives up meanwhile. */
  wait(attempts: number, error: HoldfastApiError, signal: AbortSignal | undefined): Promise<void> {
    return pause(Math.max(backoffMs(attempts), error.retryMs ?? 0), signal, error);
  }

  #request(
    name: keyof typeof OPERATIONS,
    input: object,
    { idempotencyKey, repeats }: { readonly idempotencyKey?: string; readonly repeats?: boolean },
  ): Request_ {
    const { method, path, repeat } = OPERATIONS[name];
    const { url, apiKey } = this.#settings;
    const headers: Record<string, string> = {
      accept: "application/json",
      authorization: `Bearer ${apiKey}`,
    };
    const isRepeatable =
      repeats ?? (repeat === "always" || (repeat === "keyed" && idempotencyKey !== undefined));
    if (idempotencyKey !== undefined) headers["idempotency-key"] = idempotencyKey;
    // A redirection could hand the key to somebody else, or make a POST a GET.
    const common = { method, headers, redirect: "manual" as const };
    if (method === "GET")
      return { name, url: `${url}${path}${queryOf(input)}`, init: common, isRepeatable };
    headers["content-type"] = "application/json";
    return {
      name,
      url: url + path,
      init: { ...common, body: JSON.stringify(input) },
      isRepeatable,
    };
  }

  async #attempt(
    { name, url, init }: Request_,
    { signal, timeoutMs = this.#settings.timeoutMs }: CallOptions,
    attempts: number,
  ): Promise<Outcome> {
    const fail = (code: string, text: string, details: object, kind: Kind = {}): Outcome => ({
      ok: false,
      error: new HoldfastApiError(code, `Cannot ${name}: ${text}`, { attempts, ...details }),
      isPassing: kind.isPassing ?? false,
      isUntouched: kind.isUntouched ?? false,
    });
    if (signal?.aborted) return fail("aborted", "the caller gave it up", { cause: signal.reason });
    const controller = new AbortController();
    const abort = () => controller.abort();
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      abort();
    }, timeoutMs);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const response = await this.#settings.fetch(url, { ...init, signal: controller.signal });
      const answer = await readAnswer(response);
      if (answer.kind === "value") return { ok: true, value: answer.value };
      if (answer.kind === "problem")
        return fail(answer.code, `${answer.code}: ${answer.text}`, answer.details, {
          isPassing: PASSING_CODES.has(answer.code),
          isUntouched: UNTOUCHED_CODES.has(answer.code),
        });
      return fail("answer_invalid", answer.text, answer.details, {
        isPassing: PASSING_STATUSES.has(response.status),
      });
    } catch (cause) {
      if (isLate)
        return fail("timeout", `no answer in ${timeoutMs} ms`, { cause }, { isPassing: true });
      if (signal?.aborted) return fail("aborted", "the caller gave it up", { cause });
      const text = `no connection to ${new URL(url).origin} (${reasonOf(cause)})`;
      return fail("unreachable", text, { cause }, { isPassing: true });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** Three times as long as a node is silent. */
const SILENCE_MS = 45_000;

function problemOf(
  data: unknown,
  fail: (code: string, text: string, details: object) => HoldfastApiError,
): HoldfastApiError {
  const { code = "internal", detail = "", ...details } = data as Record<string, string>;
  return fail(code, `${code}: ${detail}`, details);
}

interface Kind {
  readonly isPassing?: boolean;
  readonly isUntouched?: boolean;
}

type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | {
      readonly ok: false;
      readonly error: HoldfastApiError;
      /** Whether the same request may succeed a little later. */
      readonly isPassing: boolean;
      /** Whether it is certain that nothing was done. */
      readonly isUntouched: boolean;
    };

/**
 * Doubles with each attempt, up to 5 s. Half of it is chance, so that callers do not come back
 * together.
 */
function backoffMs(attempts: number): number {
  const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempts - 1));
  return fullMs * (0.5 + Math.random() / 2);
}

/** Waits. Rejects with the error of the last attempt if the caller gives up meanwhile. */
function pause(
  ms: number,
  signal: AbortSignal | undefined,
  error: HoldfastApiError,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = () => {
      clearTimeout(timer);
      const { attempts } = error;
      reject(
        new HoldfastApiError("aborted", `${error.message}; the caller gave it up`, {
          attempts,
          cause: error,
        }),
      );
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", give);
      resolve();
    }, ms);
    if (signal?.aborted) give();
    else signal?.addEventListener("abort", give, { once: true });
  });
}

function queryOf(input: object): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input))
    if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  // Node's fetch says only that it failed; why is in the cause.
  const inner = cause.cause;
  return inner instanceof Error && inner.message !== "" ? inner.message : cause.message;
}
