// Owns: how long a session waits that is refused again and again, because it belongs on a node of
// another revision.

/** It comes back after about this, and the balancer may have a better place then. */
const AGAIN_MS = 150;
/** So often it waits for that. Then it waits twice as long each time, up to the longest. */
const TIMES_AT_FIRST = 6;
const AGAIN_MS_MAX = 5000;
/** It tries at least so often until the order's window is over. */
const ATTEMPTS_LEFT = 8;
/** Whoever is away for longer went elsewhere. */
const FORGOTTEN_MS = 20_000;
/** Sessions remembered; the one that it was longest ago is forgotten first, and begins anew. */
const SESSIONS_MAX = 10_000;

/** Bounded: 10,000 sessions, each for 20 s. */
export class Refusals {
  readonly #times = new Map<string, { readonly times: number; readonly untilMs: number }>();

  get size(): number {
    return this.#times.size;
  }

  /** Counts a refusal. Ms after which the session should come again. */
  refused(session: string, at: { readonly nowMs: number; readonly leftMs: number }): number {
    const { nowMs, leftMs } = at;
    const known = this.#times.get(session);
    const times = known === undefined || known.untilMs <= nowMs ? 0 : known.times;
    this.#times.delete(session);
    this.#times.set(session, { times: times + 1, untilMs: nowMs + FORGOTTEN_MS });
    if (this.#times.size > SESSIONS_MAX) this.#forgetOldest();
    const waitMs = AGAIN_MS * 2 ** Math.min(16, Math.max(0, times + 1 - TIMES_AT_FIRST));
    return Math.min(waitMs, AGAIN_MS_MAX, Math.max(AGAIN_MS, leftMs / ATTEMPTS_LEFT));
  }

  /** Forgets those that stayed away. Called a few times a second. */
  sweep(nowMs: number): void {
    // The oldest are first: each refusal moves its session to the end.
    for (const [session, { untilMs }] of this.#times) {
      if (untilMs > nowMs) return;
      this.#times.delete(session);
    }
  }

  #forgetOldest(): void {
    for (const oldest of this.#times.keys()) return void this.#times.delete(oldest);
  }
}
