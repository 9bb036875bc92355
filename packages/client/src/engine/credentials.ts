// Owns: what a client shows to a node: the resume token, the application's token, and fetching
// fresh ones.

import type { EngineContext } from "./engine-context.ts";
import { cannot, errorFromWire, HoldfastError } from "./errors.ts";

/** `getToken` gets this long. */
const TOKEN_TIMEOUT_MS = 30_000;
const REFRESH_RETRY_MS = 2_000;
const REFRESH_RETRY_MAX_MS = 30_000;
/**
 * Refresh between 70 % and 80 % of a token's lifetime, but this long before its end if that is in
 * the second half: browsers run the timers of a hidden page once a minute.
 */
const REFRESH_FROM = 0.7;
const REFRESH_SPREAD = 0.1;
const REFRESH_MARGIN_MS = 90_000;
/** No timer can be longer (2^31-1 ms). */
const TIMER_MAX_MS = 2_147_483_647;

/**
 * Why a token is wanted: the first connection; the token in use expires soon; it has expired; the
 * resume token was refused.
 */
export type TokenReason = "connect" | "refresh" | "expired" | "rejected";

/**
 * Fetches a token. A rejection is retried with backoff, unless it is permanent: an error with
 * `permanent: true`, or a HoldfastError whose `retry` is `never`.
 */
export type GetToken = (request: { readonly reason: TokenReason }) => Promise<string> | string;

export const isPermanent = (error: unknown): boolean =>
  error instanceof HoldfastError
    ? error.retry === "never"
    : (error as { readonly permanent?: unknown } | null | undefined)?.permanent === true;

/** Members of a `connect` frame. */
export interface Shown {
  readonly token?: string;
  readonly resume?: string;
}

/** Tokens live in memory only: the newest resume token is a password of the session. */
export class Credentials {
  readonly #engine: EngineContext;
  readonly #getToken: GetToken | undefined;
  resume: string | undefined;
  #wanted: TokenReason | undefined = "connect";
  #tokenLifetimeMs = 0;
  #cancelRefresh: () => void = () => {};

  constructor(engine: EngineContext, getToken: GetToken | undefined) {
    this.#engine = engine;
    this.#getToken = getToken;
  }

  /** After a goodbye: what the next attempt has to bring. True: a fresh token may be accepted. */
  refused(code: string): boolean {
    const resume = code === "resume_rejected";
    if (resume) this.resume = undefined;
    if (code === "token_expired") this.#wanted = "expired";
    else if (resume || (this.#getToken && /^(token_invalid|unauthorized)$/.test(code)))
      this.#wanted = "rejected";
    else return false;
    return true;
  }

  /**
   * Gives the members of the next `connect` frame: at once when the resume token does or no
   * `getToken` was given, otherwise when that settles. `failed` gets its rejection, or a `timeout`.
   */
  next(done: (shown: Shown) => void, failed: (error: unknown) => void): void {
    const reason = this.#wanted ?? (this.resume === undefined ? "connect" : undefined);
    if (reason && this.#getToken)
      this.#fetch(reason).then((token) => done({ token, ...this.shown() }), failed);
    else done(this.shown());
  }

  /** What can be shown without asking for a token. */
  shown(): Shown {
    return this.resume === undefined ? {} : { resume: this.resume };
  }

  /**
   * A connection is the session's now: refreshes the application's token well before `expiresMs` is
   * over.
   */
  accepted(expiresMs: number | undefined): void {
    const fresh = this.#wanted !== undefined;
    this.#wanted = undefined;
    this.#cancelRefresh();
    if (expiresMs === undefined || !this.#getToken) return;
    this.#tokenLifetimeMs = fresh ? expiresMs : Math.max(this.#tokenLifetimeMs, expiresMs);
    // A resumed session's token is partly used up.
    this.#scheduleRefresh(this.#tokenLifetimeMs, this.#tokenLifetimeMs - expiresMs);
  }

  stop(): void {
    this.#cancelRefresh();
  }

  #scheduleRefresh(lifetimeMs: number, usedMs = 0): void {
    const share = REFRESH_FROM + REFRESH_SPREAD * this.#engine.chance();
    const ageMs = Math.min(lifetimeMs * share, lifetimeMs - REFRESH_MARGIN_MS);
    this.#refreshIn(Math.max(0, Math.max(ageMs, lifetimeMs / 2) - usedMs), 0);
  }

  #refreshIn(delayMs: number, failures: number): void {
    this.#cancelRefresh();
    let live = true;
    const cancel = this.#engine.after(Math.min(delayMs, TIMER_MAX_MS), () => {
      this.#refresh(failures, () => live);
    });
    this.#cancelRefresh = () => {
      live = false;
      cancel();
    };
  }

  /**
   * Fetches a token and hands it to the node. `live` turns false when a newer plan replaced this
   * one.
   */
  #refresh(failures: number, live: () => boolean): void {
    const again = (error: unknown) => {
      if (!live()) return;
      this.#engine.report(error);
      const spreadMs = Math.min(REFRESH_RETRY_MAX_MS, REFRESH_RETRY_MS * 2 ** failures);
      const retryMs = (error instanceof HoldfastError && error.retryAfterMs) || 0;
      this.#refreshIn(retryMs + spreadMs * (0.5 + 0.5 * this.#engine.chance()), failures + 1);
    };
    const hand = (token: string) => {
      const connection = this.#engine.ready();
      if (!live() || !connection) return; // The next connection plans its own.
      connection.request({ t: "refresh", token }, (answer) => {
        if (answer?.t === "err") again(errorFromWire(answer));
        else if (answer?.t === "ok" && live()) {
          this.#tokenLifetimeMs = lifetimeFrom(answer.data) ?? this.#tokenLifetimeMs;
          this.#scheduleRefresh(this.#tokenLifetimeMs);
          // The pong brings a resume token that lives as long as the new token.
          connection.send({ t: "ping", id: this.#engine.nextId() });
        }
      });
    };
    this.#fetch("refresh").then(hand, again);
  }

  #fetch(reason: TokenReason): Promise<string> {
    return new Promise((resolve, reject) => {
      const cancel = this.#engine.after(TOKEN_TIMEOUT_MS, () =>
        reject(
          cannot("timeout", "get a token", `getToken did not settle within ${TOKEN_TIMEOUT_MS} ms`),
        ),
      );
      const attempt = async () => {
        const token: unknown = await this.#getToken?.({ reason });
        if (typeof token === "string" && token !== "") return token;
        throw cannot(
          "unauthorized",
          "use the token",
          `getToken gave ${typeof token}, expected a string that is not empty`,
        );
      };
      attempt().then(resolve, reject).finally(cancel);
    });
  }
}

/** The new token's lifetime, if the node tells it in its answer to `refresh`. */
function lifetimeFrom(data: unknown): number | undefined {
  const { expiresMs } = (data ?? {}) as { readonly expiresMs?: unknown };
  return typeof expiresMs === "number" ? expiresMs : undefined;
}
