// Owns: keys from a JWKS URL: fetched when needed, kept, refreshed, and bounded in size, time and
// frequency.
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { AuthConfigError } from "./config-error.ts";
import { candidates, type KeyHint, type KeyLookup, type Otherwise } from "./keys.ts";

export interface JwksOptions {
  /** http or https. Redirects are not followed. */
  readonly url: string;
  /** Age at which keys are fetched again, in the background. Default 10 minutes. */
  readonly freshMs?: number;
  /** Age up to which keys are used while the endpoint fails. Default 24 hours. */
  readonly staleMs?: number;
  /** Least time between two fetches for key ids that are not in the set. Default 30 seconds. */
  readonly cooldownMs?: number;
  /**
   * How long a cache between here and the provider may show an old set. Default: what the answer's
   * Cache-Control says, from 1 to 15 minutes; 5 minutes if it says nothing.
   */
  readonly cacheMs?: number;
  /** Default 5 seconds. */
  readonly timeoutMs?: number;
  /** Default 256 KiB. */
  readonly bytesMax?: number;
  /** Told after every fetch. `cause` never holds a token. */
  readonly onFetch?: (
    outcome: "ok" | "failed",
    detail: { readonly keys?: number; readonly cause?: unknown },
  ) => void;
}

export interface JwksSource {
  /** Never rejects. */
  find(hint: KeyHint): Promise<KeyLookup>;
}

const KEYS_MAX = 100;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
const CACHE_MS = { fallback: 300_000, min: 60_000, max: 900_000 };
/**
 * Most key ids remembered that were not found, or were withdrawn. The oldest is forgotten first.
 */
const REMEMBERED_MAX = 256;

interface KeySet {
  readonly local: ReturnType<typeof createLocalJWKSet>;
  readonly ids: ReadonlySet<string>;
  readonly size: number;
  /** How long a cache may still show this set. */
  readonly cacheMs: number;
}

interface HeldSet extends KeySet {
  readonly fetchedAtMs: number;
  /** Counts fetches that succeeded, from 1. */
  readonly sequence: number;
}

/** `nowMs` never goes back. Nothing is fetched before the first token comes. */
export function createJwksSource(options: JwksOptions, nowMs: () => number): JwksSource {
  return new Source(options, nowMs);
}

class Source implements JwksSource {
  readonly #options: Required<Omit<JwksOptions, "onFetch" | "cacheMs" | "url">> & JwksOptions;
  readonly #url: URL;
  readonly #nowMs: () => number;
  readonly #misses = new Map<string, { readonly atMs: number; readonly sequence: number }>();
  /** Ids of keys that an earlier set had and the present one has not. */
  readonly #withdrawn = new Set<string>();
  #set: HeldSet | undefined;
  #pending: Promise<void> | undefined;
  #failures = 0;
  #retryAtMs = 0;

  constructor(options: JwksOptions, nowMs: () => number) {
    this.#options = {
      freshMs: 600_000,
      staleMs: 86_400_000,
      cooldownMs: 30_000,
      timeoutMs: 5_000,
      bytesMax: 262_144,
      ...options,
    };
    this.#url = checkUrl(options.url);
    this.#nowMs = nowMs;
  }

  async find(hint: KeyHint): Promise<KeyLookup> {
    const asked = { atMs: this.#nowMs(), sequence: this.#set?.sequence ?? 0 };
    const set = await this.#usable();
    if (set === undefined) return { keys: [], otherwise: this.#outOfReach() };
    const keys = await candidates(set.local, hint);
    if (keys.length === 0) return this.#askAgain(hint, { asked, set, what: "unknown" });
    // The provider may have replaced the key and kept its id, or given its keys no ids at all.
    const again = () => this.#askAgain(hint, { asked, set, what: "unsigned" });
    return { keys, otherwise: { kind: "again", again } };
  }

  /**
   * No key of the set verifies the token. A newer set may have such a key: until one can be
   * fetched, no token is refused for this.
   */
  async #askAgain(
    hint: KeyHint,
    { asked, set, what }: { asked: Asked; set: HeldSet; what: "unknown" | "unsigned" },
  ): Promise<KeyLookup> {
    if (hint.kid !== undefined && this.#withdrawn.has(hint.kid)) {
      return { keys: [], otherwise: { kind: "withdrawn" } };
    }
    // A named key that does not verify is a forgery, as soon as one newer set has the same key.
    const graceMs = what === "unsigned" && hint.kid !== undefined ? 0 : this.#cacheMs(set);
    const first = this.#firstMiss(`${what} ${hint.alg} ${hint.kid ?? ""}`, asked, graceMs);
    const isOver = (held: HeldSet): boolean =>
      held.sequence > first.sequence && this.#nowMs() - first.atMs >= graceMs;
    if (isOver(set)) return { keys: [], otherwise: { kind: "refuse" } };
    const waitMs = this.#waitMs(set);
    if (waitMs > 0 && this.#pending === undefined) return { keys: [], otherwise: later(waitMs) };
    await this.#refresh();
    const newer = this.#set ?? set;
    if (newer.sequence === set.sequence) {
      return { keys: [], otherwise: this.#outOfReach() };
    }
    const keys = await candidates(newer.local, hint);
    if (hint.kid !== undefined && this.#withdrawn.has(hint.kid)) {
      return { keys, otherwise: { kind: "withdrawn" } };
    }
    return {
      keys,
      otherwise: isOver(newer) ? { kind: "refuse" } : later(this.#waitMs(newer)),
    };
  }

  /** When a key was first missed. A miss is forgotten after twice the time for which it counts. */
  #firstMiss(miss: string, asked: Asked, graceMs: number): Asked {
    const keptMs = 2 * Math.max(graceMs, this.#options.cooldownMs);
    const known = this.#misses.get(miss);
    if (known !== undefined && asked.atMs - known.atMs <= keptMs) return known;
    this.#misses.set(miss, asked);
    forgetOldest(this.#misses);
    return asked;
  }

  /** How long until a fetch for a key that is missing may be made. */
  #waitMs(set: HeldSet): number {
    const { cooldownMs } = this.#options;
    return Math.max(set.fetchedAtMs + cooldownMs, this.#retryAtMs) - this.#nowMs();
  }

  #cacheMs(set: KeySet): number {
    return this.#options.cacheMs ?? set.cacheMs;
  }

  /** A set that is not older than `staleMs`, or undefined while the endpoint fails. */
  async #usable(): Promise<HeldSet | undefined> {
    const { freshMs, staleMs } = this.#options;
    const ageMs = (): number =>
      this.#set === undefined ? Number.POSITIVE_INFINITY : this.#nowMs() - this.#set.fetchedAtMs;
    if (ageMs() < freshMs) return this.#set;
    const mayFetch = this.#nowMs() >= this.#retryAtMs || this.#pending !== undefined;
    if (ageMs() < staleMs) {
      if (mayFetch) void this.#refresh();
      return this.#set;
    }
    if (mayFetch) await this.#refresh();
    return ageMs() < staleMs ? this.#set : undefined;
  }

  /** One fetch at a time, for everyone who waits. Never rejects. */
  #refresh(): Promise<void> {
    this.#pending ??= fetchKeys(this.#url, this.#options)
      .then(
        (set) => this.#take(set),
        (cause: unknown) => {
          const delayMs = BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 10);
          this.#retryAtMs = this.#nowMs() + Math.min(BACKOFF_MAX_MS, delayMs);
          this.#failures += 1;
          this.#options.onFetch?.("failed", { cause });
        },
      )
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }

  #take(set: KeySet): void {
    for (const id of this.#set?.ids ?? []) this.#withdrawn.add(id);
    for (const id of set.ids) this.#withdrawn.delete(id);
    forgetOldest(this.#withdrawn);
    const sequence = (this.#set?.sequence ?? 0) + 1;
    this.#set = { ...set, fetchedAtMs: this.#nowMs(), sequence };
    this.#failures = 0;
    this.#options.onFetch?.("ok", { keys: set.size });
  }

  #outOfReach(): Otherwise {
    return {
      kind: "later",
      message: "Cannot check the token: the keys that verify tokens cannot be fetched now",
      retryMs: Math.max(BACKOFF_FIRST_MS, Math.ceil(this.#retryAtMs - this.#nowMs())),
    };
  }
}

interface Asked {
  readonly atMs: number;
  readonly sequence: number;
}

function later(waitMs: number): Otherwise {
  const message = "Cannot check the token: none of the keys known so far verifies it";
  return { kind: "later", message, retryMs: Math.max(1, Math.ceil(waitMs)) };
}

function forgetOldest(memory: Map<string, unknown> | Set<string>): void {
  for (const oldest of memory.keys()) {
    if (memory.size <= REMEMBERED_MAX) return;
    memory.delete(oldest);
  }
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new AuthConfigError("jwt.jwks.url", "expected an http or https URL");
  }
  return url;
}

/** Rejects with anything; the text is for the log. */
async function fetchKeys(
  url: URL,
  { timeoutMs, bytesMax }: { readonly timeoutMs: number; readonly bytesMax: number },
): Promise<KeySet> {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await readText(response, bytesMax);
  if (response.status !== 200) throw new JwksError(`status ${response.status}`);
  const set: unknown = JSON.parse(text);
  const keys = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length > KEYS_MAX) {
    throw new JwksError(`not a key set of at most ${KEYS_MAX} keys`);
  }
  return {
    local: createLocalJWKSet(set as JSONWebKeySet),
    ids: new Set(
      keys.flatMap(({ kid }: { kid?: unknown }) => (typeof kid === "string" ? kid : [])),
    ),
    size: keys.length,
    cacheMs: cacheMsOf(response.headers.get("cache-control")),
  };
}

/** RFC 9111 section 5.2.2: the longest that a cache may show the answer. */
function cacheMsOf(cacheControl: string | null): number {
  const seconds = /(?:^|[\s,])(?:s-maxage|max-age)="?(\d{1,9})/i.exec(cacheControl ?? "")?.[1];
  if (seconds === undefined) return CACHE_MS.fallback;
  return Math.min(CACHE_MS.max, Math.max(CACHE_MS.min, Number(seconds) * 1000));
}

async function readText(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A Bun stream is iterable; leaving the loop cancels it.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new JwksError(`answer over ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

class JwksError extends Error {
  readonly code = "jwks_unusable";
}
