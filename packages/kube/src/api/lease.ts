// Owns: who leads: one Lease of coordination.k8s.io that candidates acquire, renew and release.
import { at, type Json, number, text } from "../reading.ts";
import type { KubeApi } from "./kube-api.ts";
import { KubeApiError, unanswered } from "./kube-api-error.ts";
import { nextEpoch, recordedMs, specOf } from "./lease-record.ts";
import { type KubePorts, machinePorts, pause, quietly } from "./ports.ts";

/** What happened, for logs and metrics. */
export type LeaseEvent =
  | { readonly type: "leads"; readonly epoch: number }
  | { readonly type: "lost"; readonly because: string }
  | { readonly type: "holder"; readonly holder: string }
  | { readonly type: "failed"; readonly error: unknown }
  /** A try to take, renew or read the Lease was answered. */
  | { readonly type: "answered" };

export interface LeaseOptions extends Partial<KubePorts> {
  readonly api: Pick<KubeApi, "get" | "create" | "replace">;
  readonly namespace: string;
  readonly name: string;
  /** Such as the pod's name. A suffix by chance tells two runs of one pod apart. */
  readonly identity: string;
  /** Others take the lease so long after its last change; default 15 s. */
  readonly durationMs?: number;
  /** The leader gives up so long after it began its last renewal; default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between two tries; default 2 s. */
  readonly retryMs?: number;
  /** A new term began. Each has an epoch of its own, higher than all before. */
  readonly onLead: (epoch: number) => void;
  /** The term is over: nothing more may be done. `stop` waits for the result. */
  readonly onLose: (because: string) => void | Promise<void>;
  readonly tell?: (event: LeaseEvent) => void;
}

const DURATION_MS = 15_000;
const RENEW_DEADLINE_MS = 10_000;
const RETRY_MS = 2000;
/** As in client-go: a candidate's wait is up to so much longer. */
const JITTER = 1.2;

interface Term {
  readonly epoch: number;
  /** When the last renewal that was answered began. */
  provedMs: number;
  cancelDeadline: () => void;
}

interface Seen {
  readonly spec: string;
  readonly holder: string;
  readonly sinceMs: number;
}

/**
 * Compares by its own clock alone: from when it saw the record change. What the record says of
 * times is written for people.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #ports: KubePorts;
  readonly #tell: (event: LeaseEvent) => void;
  readonly #identity: string;
  readonly #path: string;
  #running: AbortController | undefined;
  #loop: Promise<void> | undefined;
  #term: Term | undefined;
  /** The Lease as it was last answered; undefined: to be read. */
  #held: Json | undefined;
  #seen: Seen | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#ports = { ...machinePorts, ...options };
    this.#tell = quietly(options.tell);
    const suffix = Math.floor(this.#ports.random.next() * 2 ** 32).toString(16);
    this.#identity = `${options.identity}_${suffix.padStart(8, "0")}`;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  get identity(): string {
    return this.#identity;
  }

  /**
   * Whether this candidate may act now. Asks the clock, so that a process that was stopped for a
   * while knows before its timers do.
   */
  get isLeader(): boolean {
    return this.#term !== undefined && this.#remainingMs(this.#term) > 0;
  }

  /** Of the term that runs; undefined without one. */
  get epoch(): number | undefined {
    return this.isLeader ? this.#term?.epoch : undefined;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    this.#loop = this.#run(this.#running.signal);
  }

  /** Ends the term, then hands the lease back, so that the next one leads at once. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    this.#running = undefined;
    running.abort();
    const untilMs = this.#term === undefined ? 0 : this.#remainingMs(this.#term);
    const wasLeader = this.#term !== undefined;
    const over = this.#lose("stopped");
    await this.#loop;
    if (!wasLeader || untilMs <= 0) return;
    const limit = new AbortController();
    const settled = over.then(() => "settled" as const);
    const won = await Promise.race([settled, pause(this.#ports.clock, untilMs, limit.signal)]);
    limit.abort();
    // Work that does not end may still write: then the others wait for the lease to run out.
    if (won === "settled") await this.#release();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#ports;
    while (!signal.aborted) {
      await this.#attempt(signal);
      const { retryMs = RETRY_MS } = this.#options;
      const jitter = this.#term === undefined ? 1 + JITTER * random.next() : 1;
      await pause(clock, retryMs * jitter, signal);
    }
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    for (const isLast of [false, true]) {
      try {
        await this.#step(signal);
        return this.#tell({ type: "answered" });
      } catch (error) {
        this.#held = undefined;
        // Somebody else wrote. Who leads reads at once whether it still does.
        const isOvertaken =
          error instanceof KubeApiError &&
          (error.isConflict || error.isAlreadyExists || error.isNotFound);
        if (!isOvertaken || isLast) this.#tell({ type: "failed", error });
        if (!isOvertaken || this.#term === undefined) return;
      }
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const held = this.#held ?? (await this.#read());
    if (signal.aborted) return;
    if (held === undefined) {
      // Somebody removed it: the next one to make it leads.
      if (this.#term !== undefined) void this.#lose("removed");
      return await this.#write(undefined, signal);
    }
    const holder = text(at(held, "spec", "holderIdentity")) ?? "";
    if (this.#term !== undefined && holder === this.#identity)
      return await this.#write(held, signal);
    if (this.#term !== undefined) void this.#lose(`taken by ${holder}`);
    const seen = this.#observe(held, holder);
    this.#held = undefined;
    const isFree = holder === "" || holder === this.#identity;
    const waitMs = Math.max(this.#durationMs, recordedMs(held));
    if (isFree || clock.nowMs() - seen.sinceMs >= waitMs) await this.#write(held, signal);
  }

  /** The record, and since when this candidate knows it as it is. */
  #observe(held: Json, holder: string): Seen {
    const spec = JSON.stringify(at(held, "spec"));
    if (this.#seen?.holder !== holder) this.#tell({ type: "holder", holder });
    if (this.#seen?.spec !== spec)
      this.#seen = { spec, holder, sinceMs: this.#ports.clock.nowMs() };
    return this.#seen;
  }

  async #read(): Promise<Json | undefined> {
    try {
      return await this.#within(this.#options.api.get(`${this.#path}/${this.#options.name}`));
    } catch (error) {
      if (error instanceof KubeApiError && error.isNotFound) return undefined;
      throw error;
    }
  }

  /** Acquires if there is no term, else renews. */
  async #write(held: Json | undefined, signal: AbortSignal): Promise<void> {
    const term = this.#term;
    const startedMs = this.#ports.clock.nowMs();
    const epoch = term?.epoch ?? nextEpoch(held, this.#ports.clock.wallMs());
    const written = await this.#put(held, this.#identity, epoch);
    this.#held = written;
    // Acquired while it was stopped.
    if (signal.aborted && term === undefined) return await this.#release();
    // The term may have ended while the answer was on its way; the next step acquires anew.
    if (this.#term !== term) return;
    const { renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    if (this.#ports.clock.nowMs() - startedMs >= renewDeadlineMs) return;
    if (term === undefined) {
      this.#term = { epoch, provedMs: startedMs, cancelDeadline: () => {} };
      this.#watchDeadline(this.#term);
      this.#tell({ type: "leads", epoch });
      this.#options.onLead(epoch);
    } else {
      term.provedMs = startedMs;
      this.#watchDeadline(term);
    }
  }

  async #put(held: Json | undefined, holder: string, epoch: number): Promise<Json> {
    const { api, namespace, name } = this.#options;
    const spec = specOf(held, {
      ...{ holder, epoch, durationMs: this.#durationMs, wallMs: this.#ports.clock.wallMs() },
      isNew: this.#term === undefined && holder !== "",
    });
    if (held !== undefined)
      return await this.#within(api.replace(`${this.#path}/${name}`, { ...held, spec }));
    return await this.#within(
      api.create(this.#path, {
        ...{ apiVersion: "coordination.k8s.io/v1", kind: "Lease", spec },
        metadata: { name, namespace },
      }),
    );
  }

  #watchDeadline(term: Term): void {
    term.cancelDeadline();
    term.cancelDeadline = this.#ports.clock.after(Math.max(this.#remainingMs(term), 0), () => {
      if (this.#term === term) void this.#lose("not renewed in time");
    });
  }

  #remainingMs(term: Term): number {
    const { renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    return term.provedMs + renewDeadlineMs - this.#ports.clock.nowMs();
  }

  async #lose(because: string): Promise<void> {
    const term = this.#term;
    if (term === undefined) return;
    term.cancelDeadline();
    this.#term = undefined;
    this.#tell({ type: "lost", because });
    try {
      await this.#options.onLose(because);
    } catch (error) {
      this.#tell({ type: "failed", error });
    }
  }

  async #release(): Promise<void> {
    try {
      const held = this.#held ?? (await this.#read());
      this.#held = undefined;
      if (held === undefined || at(held, "spec", "holderIdentity") !== this.#identity) return;
      await this.#put(held, "", number(at(held, "spec", "leaseTransitions")) ?? 0);
    } catch (error) {
      this.#tell({ type: "failed", error });
    }
  }

  get #durationMs(): number {
    return this.#options.durationMs ?? DURATION_MS;
  }

  /** A request that hangs must leave time for another before the deadline. */
  async #within<T>(answer: Promise<T>): Promise<T> {
    const limit = new AbortController();
    const { renewDeadlineMs = RENEW_DEADLINE_MS } = this.#options;
    try {
      const tooLong = pause(this.#ports.clock, renewDeadlineMs * 0.4, limit.signal);
      return await Promise.race([
        answer,
        tooLong.then(() => {
          throw unanswered(`hold the lease ${this.#options.name}`, "Timeout");
        }),
      ]);
    } finally {
      limit.abort();
    }
  }
}
