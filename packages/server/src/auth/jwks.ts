// Owns: keys from a JWKS URL: fetched when needed, kept, refreshed, and bounded in size, time and
// frequency.
import { createLocalJWKSet, type JSONWebKeySet } from "jose";
import { AuthConfigError } from "./config-error.ts";
import { candidates, type KeyHint, type KeyLookup } from "./keys.ts";

export interface JwksOptions {
  /** http or https. Redirects are not followed. */
  readonly url: string;
  /** Age at which keys are fetched again, in the background. Default 10 minutes. */
  readonly freshMs?: number;
  /** Age up to which keys are used while the endpoint fails. Default 24 hours. */
  readonly staleMs?: number;
  /** Least time between two fetches for key ids that are not in the set. Default 30 seconds. */
  readonly cooldownMs?: number;
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
  /**
   * Never rejects. `unknown` when the answer depends on a fetch that failed or that may not be made
   * yet.
   */
  find(hint: KeyHint): Promise<KeyLookup>;
}

const KEYS_MAX = 100;
const BACKOFF_FIRST_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
/** Key ids that were asked for and not found; the oldest is forgotten first. */
const MISSES_MAX = 256;

interface FetchedKeys {
  readonly local: ReturnType<typeof createLocalJWKSet>;
  readonly size: number;
}

interface KeySet extends FetchedKeys {
  readonly fetchedAtMs: number;
  /** Counts fetches that succeeded, from 1. */
  readonly sequence: number;
}

/** `nowMs` never goes back. Nothing is fetched before the first token comes. */
export function createJwksSource(options: JwksOptions, nowMs: () => number): JwksSource {
  const {
    url,
    freshMs = 600_000,
    staleMs = 86_400_000,
    cooldownMs = 30_000,
    timeoutMs = 5_000,
    bytesMax = 262_144,
  } = options;
  const address = checkUrl(url);
  let current: KeySet | undefined;
  let pending: Promise<void> | undefined;
  let failures = 0;
  let retryAtMs = 0;
  const misses = new Map<string, { readonly atMs: number; readonly sequence: number }>();

  const refresh = (): Promise<void> => {
    pending ??= fetchKeys(address, timeoutMs, bytesMax)
      .then(
        (set) => {
          current = { ...set, fetchedAtMs: nowMs(), sequence: (current?.sequence ?? 0) + 1 };
          failures = 0;
          retryAtMs = 0;
          options.onFetch?.("ok", { keys: set.size });
        },
        (cause: unknown) => {
          retryAtMs =
            nowMs() + Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
          failures += 1;
          options.onFetch?.("failed", { cause });
        },
      )
      .finally(() => {
        pending = undefined;
      });
    return pending;
  };

  const outOfReach = (): KeyLookup => ({
    kind: "unknown",
    message: "the keys that verify tokens cannot be fetched now",
    retryMs: Math.max(BACKOFF_FIRST_MS, Math.ceil(retryAtMs - nowMs())),
  });

  /** A set that is not older than `staleMs`, or undefined while the endpoint fails. */
  const usable = async (): Promise<KeySet | undefined> => {
    const ageMs = current === undefined ? Number.POSITIVE_INFINITY : nowMs() - current.fetchedAtMs;
    if (ageMs < freshMs) return current;
    const mayFetch = nowMs() >= retryAtMs || pending !== undefined;
    if (ageMs < staleMs) {
      if (mayFetch) void refresh();
      return current;
    }
    if (mayFetch) await refresh();
    return current !== undefined && nowMs() - current.fetchedAtMs < staleMs ? current : undefined;
  };

  /**
   * Whether the set was fetched after its key id was first asked for, so that its silence settles
   * the matter.
   */
  const isSettled = (
    hint: KeyHint,
    asked: { readonly atMs: number; readonly sequence: number },
    set: KeySet,
  ): boolean => {
    const miss = `${hint.alg} ${hint.kid ?? ""}`;
    let first = misses.get(miss);
    if (first === undefined || asked.atMs - first.atMs > 2 * cooldownMs) {
      first = asked;
      misses.delete(miss);
      misses.set(miss, first);
      const oldest = misses.keys().next();
      if (misses.size > MISSES_MAX && !oldest.done) misses.delete(oldest.value);
    }
    return set.sequence > first.sequence;
  };

  return {
    async find(hint) {
      const asked = { atMs: nowMs(), sequence: current?.sequence ?? 0 };
      const set = await usable();
      if (set === undefined) return outOfReach();
      const keys = await candidates(set.local, hint);
      if (keys.length > 0) return { kind: "keys", keys };
      if (isSettled(hint, asked, set)) return { kind: "none" };
      // A new key may have been published since. One fetch settles it for everyone; until it may be
      // made, nobody is refused for good.
      const waitMs = Math.max(set.fetchedAtMs + cooldownMs, retryAtMs) - nowMs();
      if (waitMs > 0 && pending === undefined) {
        return {
          kind: "unknown",
          message: "the token names a key that is not known yet",
          retryMs: Math.ceil(waitMs),
        };
      }
      await refresh();
      if (current === undefined || current.sequence === set.sequence) return outOfReach();
      const found = await candidates(current.local, hint);
      return found.length > 0 ? { kind: "keys", keys: found } : { kind: "none" };
    },
  };
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new AuthConfigError("jwt.jwks.url", "expected an http or https URL");
  }
  return url;
}

/** Rejects with anything; the text is for the log. */
async function fetchKeys(url: URL, timeoutMs: number, bytesMax: number): Promise<FetchedKeys> {
  const response = await fetch(url, {
    headers: { accept: "application/jwk-set+json, application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await readText(response, bytesMax);
  if (response.status !== 200) throw new JwksError(`status ${response.status}`);
  const set: unknown = JSON.parse(text);
  const keys = (set as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length > KEYS_MAX)
    throw new JwksError(`not a key set of at most ${KEYS_MAX} keys`);
  return { local: createLocalJWKSet(set as JSONWebKeySet), size: keys.length };
}

async function readText(response: Response, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // A bun stream is iterable; leaving the loop cancels it.
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
