// Owns: which resume tokens are refused although their signature is valid.
import type { Clock } from "../ports.ts";

/** Most entries kept. At the limit the oldest is dropped: its tokens expire first. */
const ENTRIES_MAX = 10_000;

/**
 * How far the clock of the node that issued a token may be ahead of the one that ordered the
 * revocation.
 */
export const CLOCK_SKEW_MS = 60_000;

/**
 * Users and sessions whose resume tokens issued up to a time are refused. An entry is kept for as
 * long as such a token could live.
 */
export class Revocations {
  readonly #clock: Clock;
  readonly #entries = new Map<string, { readonly beforeMs: number; readonly addedMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(who: { readonly user?: string; readonly session?: string }, beforeMs: number): void {
    const key = who.user === undefined ? `s${who.session ?? ""}` : `u${who.user}`;
    this.#entries.delete(key);
    this.#entries.set(key, { beforeMs, addedMs: this.#clock.nowMs() });
    if (this.#entries.size > ENTRIES_MAX)
      for (const oldest of this.#entries.keys()) return void this.#entries.delete(oldest);
  }

  revoked(session: string, user: string | undefined, issuedAtMs: number): boolean {
    if (this.#entries.size === 0) return false;
    const bySession = this.#entries.get(`s${session}`);
    const byUser = user === undefined ? undefined : this.#entries.get(`u${user}`);
    const beforeMs = Math.max(
      bySession?.beforeMs ?? Number.NEGATIVE_INFINITY,
      byUser?.beforeMs ?? Number.NEGATIVE_INFINITY,
    );
    return issuedAtMs <= beforeMs + CLOCK_SKEW_MS;
  }

  /** Forgets entries older than any resume token. */
  sweep(resumeTtlMs: number): void {
    const nowMs = this.#clock.nowMs();
    for (const [key, { addedMs }] of this.#entries) {
      if (nowMs - addedMs <= resumeTtlMs + CLOCK_SKEW_MS) return;
      this.#entries.delete(key);
    }
  }
}
