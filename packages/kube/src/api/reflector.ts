// Owns: a copy of the objects of one kind in one place, kept up to date by list and watch, whatever
// the API server or the network does.
import { at, type Json, text } from "../reading.ts";
import type { KubeWatchEvent, KubeWatcher } from "./kube-api.ts";
import { KubeApiError } from "./kube-api-error.ts";
import { type Change, ObjectCache } from "./object-cache.ts";
import {
  type BackoffLimits,
  backoffMs,
  type KubePorts,
  machinePorts,
  pause,
  quietly,
} from "./ports.ts";

/** What happened, for logs and metrics. */
export type ReflectorEvent =
  | { readonly type: "listed"; readonly objects: number }
  | { readonly type: "watching"; readonly resourceVersion: string }
  /** The watch ended; `because` the server ended it, or the error's reason. */
  | { readonly type: "ended"; readonly because: string; readonly retryMs: number }
  /** A list or a watch failed. */
  | { readonly type: "failed"; readonly error: KubeApiError; readonly retryMs: number }
  /** `onChange` or `keep` threw: the fault of whoever gave it. */
  | { readonly type: "threw"; readonly error: unknown };

export interface ReflectorOptions extends Partial<KubePorts> {
  readonly path: string;
  readonly labelSelector?: string;
  /** Trims what is held in memory; metadata keeps name, namespace, uid and resourceVersion. */
  readonly keep?: (object: Json) => Json;
  readonly onChange: (change: Change) => void;
  readonly tell?: (event: ReflectorEvent) => void;
  /**
   * Without an event, a bookmark or a list for so long, it lists again; default 130 s. A watch from
   * a version that the server has not reached is silent, and ends as if all were well.
   */
  readonly silenceMs?: number;
  /** It lists again at the end of a watch if the last list is older; default 10 min. */
  readonly relistMs?: number;
  /** More objects are refused, and the copy stays as it was; default 20,000. */
  readonly objectsMax?: number;
  readonly backoff?: BackoffLimits;
  /** A watch that lasted so long ends the row of failures; default 10 s. */
  readonly healthyMs?: number;
}

/** The server sends a bookmark each minute: two have not come. */
const SILENCE_MS = 130_000;
const RELIST_MS = 600_000;
const OBJECTS_MAX = 20_000;
const HEALTHY_MS = 10_000;
const BACKOFF: BackoffLimits = { firstMs: 500, maxMs: 15_000 };
/** Of the server's own end of a watch, by chance, so that watches do not end together. */
const WATCH_SECONDS = { least: 300, spread: 300 };

/** Why a watch is given up from this side. */
class GivenUp extends KubeApiError {}

export class Reflector {
  readonly #watcher: KubeWatcher;
  readonly #options: ReflectorOptions;
  readonly #ports: KubePorts;
  readonly #cache: ObjectCache;
  readonly #tell: (event: ReflectorEvent) => void;
  #running: AbortController | undefined;
  /** Where the next watch begins; undefined: list first. */
  #resourceVersion: string | undefined;
  #isSynced = false;
  #listedMs = Number.NEGATIVE_INFINITY;
  #heardMs = Number.NEGATIVE_INFINITY;
  #openedMs: number | undefined;
  #failures = 0;

  constructor(watcher: KubeWatcher, options: ReflectorOptions) {
    this.#watcher = watcher;
    this.#options = options;
    this.#ports = { ...machinePorts, ...options };
    this.#tell = quietly(options.tell);
    this.#cache = new ObjectCache(options.objectsMax ?? OBJECTS_MAX);
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    void this.#run(this.#running.signal);
  }

  /** Ends the connection. What was held stays readable. */
  stop(): void {
    this.#running?.abort();
    this.#running = undefined;
  }

  /** Whether it has listed once. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get objects(): Iterable<Json> {
    return this.#cache.objects;
  }

  get size(): number {
    return this.#cache.size;
  }

  get(name: string, namespace?: string): Json | undefined {
    return this.#cache.get(name, namespace);
  }

  /** Since an event, a bookmark or an answered list; infinite before the first. */
  staleMs(nowMs: number): number {
    return nowMs - this.#heardMs;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#openedMs = undefined;
      const { silenceMs = SILENCE_MS } = this.#options;
      if (this.staleMs(this.#ports.clock.nowMs()) >= silenceMs) this.#resourceVersion = undefined;
      let retryMs: number;
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
        if (signal.aborted) return;
        retryMs = this.#wait(undefined);
        this.#tell({ type: "ended", because: "Server", retryMs });
      } catch (error) {
        if (signal.aborted) return;
        retryMs = this.#recover(error);
      }
      const { clock } = this.#ports;
      if (clock.nowMs() - this.#listedMs >= (this.#options.relistMs ?? RELIST_MS))
        this.#resourceVersion = undefined;
      await pause(clock, retryMs, signal);
    }
  }

  #recover(thrown: unknown): number {
    const error =
      thrown instanceof KubeApiError
        ? thrown
        : new KubeApiError("Cannot reflect: a fault of the client", {
            ...{ status: 0, reason: "Fault", cause: thrown },
          });
    const wasOpen = this.#openedMs !== undefined;
    // A server that was away may come back with an older history, in which a newer version's watch
    // stays silent. Only a connection that breaks goes on where it was.
    if (!(wasOpen && error.reason === "Cut") && error.status !== 429)
      this.#resourceVersion = undefined;
    const retryMs = this.#wait(error);
    if (error.isGone || error instanceof GivenUp || (wasOpen && error.reason === "Cut"))
      this.#tell({ type: "ended", because: error.reason, retryMs });
    else this.#tell({ type: "failed", error, retryMs });
    return retryMs;
  }

  /** How long until the next try. A watch that was healthy is followed soon. */
  #wait(error: KubeApiError | undefined): number {
    const { clock, random } = this.#ports;
    const limits = this.#options.backoff ?? BACKOFF;
    const healthyMs = this.#options.healthyMs ?? HEALTHY_MS;
    const lastedMs = this.#openedMs === undefined ? 0 : clock.nowMs() - this.#openedMs;
    this.#failures = lastedMs >= healthyMs ? 0 : this.#failures + 1;
    const waitMs = backoffMs(limits, Math.max(this.#failures, 1), random);
    const askedMs = error?.retryAfterMs;
    return askedMs === undefined ? waitMs : Math.max(waitMs, askedMs * (1 + random.next() / 4));
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { path, labelSelector, objectsMax = OBJECTS_MAX } = this.#options;
    const request = { labelSelector, signal, objectsMax, keep: this.#kept };
    const { items, resourceVersion } = await this.#watcher.listAll(path, request);
    if (signal.aborted) return;
    const changes = this.#cache.replaceAll(items);
    this.#resourceVersion = resourceVersion;
    this.#isSynced = true;
    this.#listedMs = this.#heard();
    this.#tell({ type: "listed", objects: this.#cache.size });
    for (const change of changes) this.#change(change);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#ports;
    const { path, labelSelector, silenceMs = SILENCE_MS } = this.#options;
    const resourceVersion = this.#resourceVersion;
    if (resourceVersion === undefined) return;
    const ending = new AbortController();
    const end = () => ending.abort();
    signal.addEventListener("abort", end);
    let isSilent = false;
    let cancel = () => {};
    const listen = () => {
      cancel();
      cancel = clock.after(Math.max(silenceMs - this.staleMs(clock.nowMs()), 0), () => {
        isSilent = true;
        end();
      });
    };
    try {
      listen();
      await this.#watcher.watch(path, {
        ...{ labelSelector, resourceVersion, signal: ending.signal },
        timeoutSeconds: WATCH_SECONDS.least + Math.floor(random.next() * WATCH_SECONDS.spread),
        onOpen: () => {
          this.#openedMs = clock.nowMs();
          this.#tell({ type: "watching", resourceVersion });
        },
        onEvent: (event) => {
          if (ending.signal.aborted) return;
          this.#heard();
          listen();
          this.#take(event);
        },
      });
      if (isSilent) throw givenUp("Silence");
    } catch (error) {
      throw isSilent ? givenUp("Silence") : error;
    } finally {
      cancel();
      signal.removeEventListener("abort", end);
    }
  }

  #take({ type, object }: KubeWatchEvent): void {
    const resourceVersion = text(at(object, "metadata", "resourceVersion"));
    if (resourceVersion === undefined) throw givenUp("Malformed");
    const isKnown = type !== "BOOKMARK" && this.#cache.knows(type, object);
    // What is held already is a repetition; anything else that is older is another history.
    if (!isBefore(resourceVersion, this.#resourceVersion)) this.#resourceVersion = resourceVersion;
    else if (!isKnown) throw givenUp("History");
    if (type === "BOOKMARK" || isKnown) return;
    const changes = this.#cache.take(type, object, this.#kept);
    if (changes === undefined) throw givenUp("TooLarge");
    for (const change of changes) this.#change(change);
  }

  readonly #kept = (object: Json): Json => {
    try {
      return this.#options.keep?.(object) ?? object;
    } catch (error) {
      this.#tell({ type: "threw", error });
      return object;
    }
  };

  #change(change: Change): void {
    try {
      this.#options.onChange(change);
    } catch (error) {
      this.#tell({ type: "threw", error });
    }
  }

  #heard(): number {
    this.#heardMs = this.#ports.clock.nowMs();
    return this.#heardMs;
  }
}

function givenUp(reason: string): GivenUp {
  return new GivenUp(`Cannot go on with the watch: ${reason}, expected the next event`, {
    ...{ status: 0, reason },
  });
}

/** Versions are compared as numbers if they are numbers. */
function isBefore(one: string, other: string | undefined): boolean {
  const digits = /^\d{1,30}$/;
  if (other === undefined || !digits.test(one) || !digits.test(other)) return false;
  return BigInt(one) < BigInt(other);
}
