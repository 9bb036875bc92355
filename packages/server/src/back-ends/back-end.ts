// Owns: one back end of the application: requests to it, how many wait, and when it is left alone.
import { randomUUID } from "node:crypto";
import { UnavailableError } from "@holdfast/contract";
import type { Random } from "@holdfast/core";
import { SinkBreaker } from "@holdfast/pipelines";
import { ByteRoom } from "../ingest/byte-room.ts";
import type { BackEndSettings } from "../options/back-ends.ts";
import { answerOf, type BackEndAnswer, bodyOf, type Question } from "./message.ts";
import { signatureOf } from "./signature.ts";

/** How a question ended. */
export type BackEndOutcome =
  | "ok"
  | "rejected"
  | "refused"
  | "failed"
  | "timeout"
  | "unreachable"
  | "unreadable"
  | "open"
  | "full"
  | "cancelled";

/** What a back end needs. */
export interface BackEndNeeds {
  readonly fetch: (url: string, init: BunFetchRequestInit) => Promise<Response>;
  readonly random: Random;
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** Called once for each question. */
  readonly asked: (type: Question["type"], outcome: BackEndOutcome, ms: number) => void;
  /** It answers no more, or again. */
  readonly changed: (state: "away" | "back", reason: string) => void;
  /** The secret itself, if requests are signed. */
  readonly secret: string | undefined;
  readonly ca: string | undefined;
}

/** Of requests under way. A party may have as much as is still free. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** What a request takes beside its body. */
const REQUEST_BYTES = 16 * 1024;
const ANSWER_BYTES_MAX = 1024 * 1024;
const ROOM_RETRY_MS = 1_000;
/** Which questions may be asked again if nothing came back: they change nothing by themselves. */
const REPEATABLE: ReadonlySet<Question["type"]> = new Set(["connect", "subscribe", "publish"]);

/**
 * Asks with a deadline. Five failures in a row (no answer, 429, 5xx) leave the back end alone for a
 * time that grows to 30 s; then one question tries. Whatever it does not answer is an
 * UnavailableError; an answer that it must not give is a plain Error.
 */
export class BackEnd {
  readonly #settings: BackEndSettings;
  readonly #needs: BackEndNeeds;
  readonly #breaker: SinkBreaker;
  readonly #room = new ByteRoom(ROOM_BYTES);

  constructor(settings: BackEndSettings, needs: BackEndNeeds) {
    this.#settings = settings;
    this.#needs = needs;
    this.#breaker = new SinkBreaker(needs.random, { backoffMs: 500 });
  }

  /** It is left alone. */
  get isAway(): boolean {
    return this.#breaker.state !== "closed";
  }

  async ask(question: Question, signal?: AbortSignal): Promise<BackEndAnswer> {
    const startedMs = this.#needs.nowMs();
    const told = (outcome: BackEndOutcome): void =>
      this.#needs.asked(question.type, outcome, this.#needs.nowMs() - startedMs);
    const body = bodyOf(question);
    const who = {};
    const waitMs = this.#breaker.waitMs(who, startedMs);
    if (waitMs > 0) {
      told("open");
      throw new UnavailableError("the back end is away", { retryMs: Math.ceil(waitMs) });
    }
    const reservation = this.#room.reserve(partyOf(question));
    if (!reservation.grow(Buffer.byteLength(body) + REQUEST_BYTES)) {
      this.#breaker.left(who);
      told("full");
      throw new UnavailableError("too many requests wait for it", { retryMs: ROOM_RETRY_MS });
    }
    try {
      const answer = await this.#send(question.type, body, signal);
      this.#succeeded(who);
      told(answer.reject === undefined ? "ok" : "rejected");
      return answer;
    } catch (error) {
      const failure = error instanceof Failure ? error : undefined;
      told(failure?.outcome ?? "failed");
      throw this.#asThrown(who, failure, error);
    } finally {
      reservation.release();
    }
  }

  #succeeded(who: object): void {
    const wasAway = this.isAway;
    this.#breaker.succeeded(who);
    if (wasAway) this.#needs.changed("back", "it answers");
  }

  /** What the asker gets. Whoever answers is there, also if the answer is wrong. */
  #asThrown(who: object, failure: Failure | undefined, error: unknown): unknown {
    if (failure === undefined || failure.outcome === "cancelled") {
      this.#breaker.left(who);
      return error;
    }
    if (failure.outcome === "refused" || failure.outcome === "unreadable") {
      this.#succeeded(who);
      return failure;
    }
    const wasAway = this.isAway;
    const { retryMs } = failure;
    const pauseMs = this.#breaker.failed(who, {
      code: "unavailable",
      attempt: 1,
      nowMs: this.#needs.nowMs(),
      ...(retryMs === undefined ? {} : { retryMs }),
    });
    if (!wasAway && this.isAway) this.#needs.changed("away", failure.message);
    return new UnavailableError(failure.message, { retryMs: Math.ceil(pauseMs) });
  }

  async #send(
    type: Question["type"],
    body: string,
    cancelled: AbortSignal | undefined,
  ): Promise<BackEndAnswer> {
    const { timeoutMs } = this.#settings;
    const late = AbortSignal.timeout(timeoutMs);
    const signal = cancelled === undefined ? late : AbortSignal.any([late, cancelled]);
    const init = this.#request(body, signal);
    try {
      const response = await this.#fetch(init).catch((error: unknown) => {
        if (signal.aborted || !REPEATABLE.has(type)) throw error;
        return this.#fetch(init);
      });
      return await readAnswer(response);
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (late.aborted) throw new Failure("timeout", `no answer within ${timeoutMs} ms`);
      if (cancelled?.aborted === true) throw new Failure("cancelled", "the caller went away");
      // The runtime's text may name the address: the log has the back end's name.
      throw new Failure("unreachable", `no connection (${codeOf(error)})`);
    }
  }

  #fetch(init: BunFetchRequestInit): Promise<Response> {
    return this.#needs.fetch(this.#settings.url, init);
  }

  #request(body: string, signal: AbortSignal): BunFetchRequestInit {
    const { secret, ca, wallMs } = this.#needs;
    const id = randomUUID();
    const timestamp = Math.floor(wallMs() / 1000);
    return {
      method: "POST",
      redirect: "manual",
      signal,
      body,
      headers: {
        "content-type": "application/json",
        "holdfast-timeout-ms": String(this.#settings.timeoutMs),
        "webhook-id": id,
        "webhook-timestamp": String(timestamp),
        ...(secret === undefined
          ? {}
          : { "webhook-signature": signatureOf(secret, { id, timestamp, body }) }),
      },
      ...(ca === undefined ? {} : { tls: { ca } }),
    };
  }
}

/** Why there is no answer. */
class Failure extends Error {
  readonly code = "back_end_failed";
  readonly outcome: BackEndOutcome;
  readonly retryMs: number | undefined;
  constructor(outcome: BackEndOutcome, message: string, retryMs?: number) {
    super(message);
    this.name = "BackEndFailure";
    this.outcome = outcome;
    this.retryMs = retryMs;
  }
}

async function readAnswer(response: Response): Promise<BackEndAnswer> {
  const text = await textOf(response);
  const { status } = response;
  if (status === 429 || status >= 500) {
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    const retryMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined;
    throw new Failure("failed", `it answered ${status}`, retryMs);
  }
  if (!response.ok) throw new Failure("refused", `it answered ${status}`);
  const answer = text === undefined ? undefined : answerOf(text);
  if (answer === undefined)
    throw new Failure("unreadable", "its answer is no JSON object of at most 1 MiB");
  return answer;
}

/** Undefined if it is too long. */
async function textOf(response: Response): Promise<string | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      await reader.cancel();
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

/** As for clients' own bytes: the user, or the address. */
function partyOf({ session }: Question): string {
  if (session === undefined) return "";
  return session.user === undefined ? `a:${session.address}` : `u:${session.user}`;
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  return /^[\w-]{1,64}$/.test(code) ? code : "unknown";
}
