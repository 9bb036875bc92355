// Owns: keys that wait for work: each once, never two workers on one, later again after a failure.
import { KubeApiError } from "./kube-api-error.ts";
import { type BackoffLimits, backoffMs, type KubePorts, machinePorts, quietly } from "./ports.ts";

/** What happened, for logs and metrics. */
export type WorkQueueEvent =
  | { readonly type: "done"; readonly key: string; readonly tookMs: number }
  | {
      readonly type: "failed";
      readonly key: string;
      readonly error: unknown;
      readonly failures: number;
      readonly retryMs: number;
    }
  /** More than `keysMax` keys: this one was not taken. */
  | { readonly type: "refused"; readonly key: string };

export interface WorkQueueOptions extends Partial<KubePorts> {
  /** Resolves with the milliseconds after which the key is due again; undefined: not by itself. */
  readonly work: (key: string) => Promise<number | undefined | void>;
  /** Keys that are worked on at the same time; default 1. */
  readonly workers?: number;
  /**
   * Between the end of a key's work and its next; default 50 ms. Work that wakes itself leaves time
   * for everything else.
   */
  readonly gapMs?: number;
  /** Keys that wait or are worked on; default 10,000. */
  readonly keysMax?: number;
  /** After failures in a row; default 500 ms to 30 s. */
  readonly backoff?: BackoffLimits;
  readonly tell?: (event: WorkQueueEvent) => void;
}

interface Entry {
  state: "ready" | "later" | "working";
  /** Of `later`. */
  dueMs: number;
  cancel: () => void;
  /** Of `working`: added meanwhile, to be done again. */
  isAgain: boolean;
  /** Of `working`: the earliest time that was asked for meanwhile. */
  againMs: number | undefined;
  sinceMs: number;
  failures: number;
}

const GAP_MS = 50;
const KEYS_MAX = 10_000;
const BACKOFF: BackoffLimits = { firstMs: 500, maxMs: 30_000 };

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #ports: KubePorts;
  readonly #tell: (event: WorkQueueEvent) => void;
  readonly #entries = new Map<string, Entry>();
  readonly #ready: string[] = [];
  readonly #working = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#ports = { ...machinePorts, ...options };
    this.#tell = quietly(options.tell);
  }

  /** Keys that wait, also those that wait for a time, and those that are worked on. */
  get size(): number {
    return this.#entries.size;
  }

  /** Keys that are due and wait for a worker. */
  get waiting(): number {
    return this.#ready.length;
  }

  get working(): number {
    return this.#working.size;
  }

  /** How long the oldest piece of work has run; 0 if none runs. */
  oldestMs(nowMs: number): number {
    let oldest = 0;
    for (const { state, sinceMs } of this.#entries.values())
      if (state === "working") oldest = Math.max(oldest, nowMs - sinceMs);
    return oldest;
  }

  /**
   * The key is due now. After a failure it waits for its backoff all the same: else a worker that
   * fails and writes what it failed at would wake itself.
   */
  add(key: string): boolean {
    return this.addAfter(key, 0);
  }

  /** Due after `delayMs`. The earliest time that was asked for counts. */
  addAfter(key: string, delayMs: number): boolean {
    if (this.#isStopped) return false;
    const dueMs = this.#ports.clock.nowMs() + Math.max(delayMs, 0);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#entries.size >= (this.#options.keysMax ?? KEYS_MAX)) {
        this.#tell({ type: "refused", key });
        return false;
      }
      this.#schedule(key, this.#entryFor(key), dueMs);
    } else if (entry.state === "working") {
      if (delayMs <= 0) entry.isAgain = true;
      else entry.againMs = Math.min(entry.againMs ?? dueMs, dueMs);
    } else if (entry.state === "later" && entry.failures === 0 && dueMs < entry.dueMs)
      this.#schedule(key, entry, dueMs);
    return true;
  }

  /** Takes no more, and resolves when the work that runs has ended; work has limits of its own. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const entry of this.#entries.values()) entry.cancel();
    this.#ready.length = 0;
    await Promise.all(this.#working);
    this.#entries.clear();
  }

  #entryFor(key: string): Entry {
    const entry: Entry = {
      ...{ state: "later", dueMs: 0, cancel: () => {}, isAgain: false, againMs: undefined },
      ...{ sinceMs: 0, failures: 0 },
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #schedule(key: string, entry: Entry, dueMs: number): void {
    entry.cancel();
    entry.state = "later";
    entry.dueMs = dueMs;
    const delayMs = dueMs - this.#ports.clock.nowMs();
    if (delayMs <= 0) this.#makeReady(key, entry);
    else entry.cancel = this.#ports.clock.after(delayMs, () => this.#makeReady(key, entry));
  }

  #makeReady(key: string, entry: Entry): void {
    if (this.#isStopped) return;
    entry.state = "ready";
    this.#ready.push(key);
    this.#begin();
  }

  #begin(): void {
    while (this.#working.size < (this.#options.workers ?? 1)) {
      const key = this.#ready.shift();
      const entry = key === undefined ? undefined : this.#entries.get(key);
      if (key === undefined || entry === undefined) return;
      entry.state = "working";
      entry.sinceMs = this.#ports.clock.nowMs();
      const running: Promise<void> = this.#work(key, entry).finally(() => {
        this.#working.delete(running);
        if (!this.#isStopped) this.#begin();
      });
      this.#working.add(running);
    }
  }

  async #work(key: string, entry: Entry): Promise<void> {
    const { clock, random } = this.#ports;
    let againMs: number | undefined;
    try {
      // Never inside of the call that added the key.
      await undefined;
      // What was added until here is done by this work.
      entry.isAgain = false;
      entry.againMs = undefined;
      const afterMs = (await this.#options.work(key)) ?? undefined;
      const nowMs = clock.nowMs();
      entry.failures = 0;
      againMs = entry.isAgain
        ? nowMs
        : earliest(entry.againMs, afterMs === undefined ? undefined : nowMs + afterMs);
      this.#tell({ type: "done", key, tookMs: nowMs - entry.sinceMs });
    } catch (error) {
      entry.failures += 1;
      const asked = error instanceof KubeApiError ? (error.retryAfterMs ?? 0) : 0;
      const limits = this.#options.backoff ?? BACKOFF;
      const retryMs = Math.max(backoffMs(limits, entry.failures, random), asked);
      againMs = clock.nowMs() + retryMs;
      this.#tell({ type: "failed", key, error, failures: entry.failures, retryMs });
    }
    if (this.#isStopped) return;
    if (againMs === undefined) this.#entries.delete(key);
    else {
      const soonestMs = clock.nowMs() + (this.#options.gapMs ?? GAP_MS);
      this.#schedule(key, entry, Math.max(againMs, soonestMs));
    }
  }
}

function earliest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other);
}
