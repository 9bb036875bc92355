// Owns: the way of a log into channels, exactly once: one reader in the cluster, whose positions
// are kept in the broker.
import { createHash } from "node:crypto";
import {
  BrokerError,
  type Clock,
  type HeldState,
  type Random,
  type StateStore,
} from "@holdfast/core";
import type { Positions, Source, SourceRecord } from "./source.ts";

export interface BridgeOptions {
  /** Names it in the cluster: the key of its positions, and part of every idempotency key. */
  readonly name: string;
  readonly source: Source;
  readonly states: StateStore;
  /** Names this life of the node, as `TakeOptions.owner`. */
  readonly owner: string;
  /**
   * Publishes a record. MUST hand the key on as the publication's idempotency key. Rejects if it
   * may be repeated; a record that can never be published is for the caller to count and drop.
   */
  readonly publish: (record: SourceRecord, idempotencyKey: string) => Promise<unknown>;
  /**
   * Resolves when some of the records may be published, with how many from the first, one at least.
   * Absent: all at once.
   */
  readonly admit?: (records: readonly SourceRecord[], signal: AbortSignal) => Promise<number>;
  /** Where to begin if nobody has read it yet. Default `oldest`. */
  readonly start?: "oldest" | "new";
  readonly clock: Clock;
  readonly random: Random;
  /** Another node takes over so long after this one died. Default 5 s. */
  readonly leaseMs?: number;
  /** How long positions are kept while nobody reads. Default: for ever. */
  readonly keepMs?: number;
  /** First and longest pause after a failure. Default 0.1 s and 10 s. */
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
  readonly onEvent?: (event: BridgeEvent) => void;
}

export type BridgeEvent =
  | { readonly kind: "reading"; readonly positions: Positions }
  /** It reads no more, for whatever reason. */
  | { readonly kind: "released" }
  | { readonly kind: "waiting" }
  /** Records were removed from the log unread. */
  | { readonly kind: "lost"; readonly partition: string; readonly records: number }
  /** So many are yet to be read. */
  | { readonly kind: "behind"; readonly records: number }
  | { readonly kind: "taken"; readonly count: number }
  /** It is repeated after so many ms. */
  | { readonly kind: "failed"; readonly error: unknown; readonly againMs: number };

/**
 * Reads a log into channels until it is stopped. On a cluster every node may run it: one reads, the
 * others wait for its lease to end.
 *
 * Records are published with the key `name/partition/position`, and then the positions are written,
 * fenced. After a death the last batch comes again, and the broker knows its keys. So each record
 * is in its channel once, if another node goes on within the broker's window for idempotency.
 */
export class SourceBridge {
  readonly #options: BridgeOptions;
  readonly #leaseMs: number;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? 5_000;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when nothing is read any more and the lease is given back. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  get #key(): string {
    return `source/${this.#options.name}`;
  }

  async #run(): Promise<void> {
    const { backoffMs = 100, backoffMsMax = 10_000, random, onEvent } = this.#options;
    let failures = 0;
    while (!this.#ending.signal.aborted) {
      try {
        const held = await this.#take();
        if (held === undefined) {
          onEvent?.({ kind: "waiting" });
          await this.#pause(this.#leaseMs / 3);
          continue;
        }
        await this.#read(held, () => {
          failures = 0;
        });
      } catch (error) {
        const longestMs = Math.min(backoffMsMax, backoffMs * 2 ** Math.min(failures, 20));
        const againMs = longestMs * (0.5 + random.next() / 2);
        failures += 1;
        onEvent?.({ kind: "failed", error, againMs });
        await this.#pause(againMs);
      }
    }
  }

  #take(): Promise<HeldState | undefined> {
    const { states, owner } = this.#options;
    return states.take(this.#key, { owner, leaseMs: this.#leaseMs, ifFree: true });
  }

  async #read(held: HeldState, succeeded: () => void): Promise<void> {
    const { source, states, onEvent, start, keepMs = Number.POSITIVE_INFINITY } = this.#options;
    const lost = new AbortController();
    const signal = AbortSignal.any([this.#ending.signal, lost.signal]);
    const positions: Record<string, string> = positionsIn(held.value);
    onEvent?.({ kind: "reading", positions: { ...positions } });
    const stopRenewing = this.#renew(held, () => lost.abort());
    const write = (): Promise<void> =>
      states.write(this.#key, held, new TextEncoder().encode(JSON.stringify(positions)), {
        leaseMs: this.#leaseMs,
        keepMs,
      });
    try {
      await source.read({
        positions: { ...positions },
        startsNew: start === "new" && held.value === undefined,
        signal,
        begin: async (ends) => {
          Object.assign(positions, ends);
          await write();
        },
        lost: (partition, records) => onEvent?.({ kind: "lost", partition, records }),
        behind: (records) => onEvent?.({ kind: "behind", records }),
        take: async (records) => {
          if (!(await this.#publish(records, signal))) return;
          for (const { partition, position } of records) positions[partition] = position;
          await write();
          succeeded();
          onEvent?.({ kind: "taken", count: records.length });
        },
      });
    } finally {
      stopRenewing();
      onEvent?.({ kind: "released" });
      // Another node need not wait for the end of the lease.
      await states.release(this.#key, held).catch(() => {});
    }
  }

  /** False: it was stopped, and nobody knows how many are published. */
  async #publish(records: readonly SourceRecord[], signal: AbortSignal): Promise<boolean> {
    const { admit } = this.#options;
    for (let at = 0; at < records.length; ) {
      const rest = at === 0 ? records : records.slice(at);
      const count = admit === undefined ? rest.length : await admit(rest, signal);
      if (signal.aborted) return false;
      await this.#publishSome(rest.slice(0, count));
      at += count;
    }
    return true;
  }

  /**
   * Those of one key one after the other: behind one that fails none of its key goes ahead. Keys go
   * beside one another.
   */
  async #publishSome(records: readonly SourceRecord[]): Promise<void> {
    const { publish, name } = this.#options;
    const lanes = new Map<string, SourceRecord[]>();
    for (const record of records) {
      const lane = lanes.get(`${record.partition}/${record.key}`);
      if (lane === undefined) lanes.set(`${record.partition}/${record.key}`, [record]);
      else lane.push(record);
    }
    const left = lanes.values();
    let failed: { readonly reason: unknown } | undefined;
    const work = async (): Promise<void> => {
      for (const lane of left)
        for (const record of lane) {
          // Nothing begins behind a failure, and nothing goes on behind one that is told.
          if (failed !== undefined) return;
          try {
            await publish(record, idempotencyKey(name, record));
          } catch (reason) {
            failed ??= { reason };
            return;
          }
        }
    };
    await Promise.all(Array.from({ length: Math.min(LANES_MAX, lanes.size) }, work));
    if (failed !== undefined) throw failed.reason;
  }

  /** Keeps the lease while the log is silent. Positions are fenced in any case. */
  #renew(held: HeldState, lost: () => void): () => void {
    const { states, clock } = this.#options;
    let cancel = (): void => {};
    const again = (): void => {
      cancel = clock.after(this.#leaseMs / 3, () => {
        states
          .renew([{ key: this.#key, ...held }], this.#leaseMs)
          .then((ended) => {
            if (ended.length > 0) lost();
          })
          // The broker is away: the next write tells.
          .catch((error: unknown) => {
            if (error instanceof BrokerError && error.code === "closed") lost();
          });
        again();
      });
    };
    again();
    return () => cancel();
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#ending;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.#options.clock.after(Math.ceil(ms), resolve);
      signal.addEventListener(
        "abort",
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });
  }
}

/** Publications under way at once. */
const LANES_MAX = 128;
/** Longest key that brokers take. */
const KEY_LENGTH_MAX = 128;

/** The same whenever the record is read. A long topic is a digest in it. */
export function idempotencyKey(
  name: string,
  { partition, position }: Pick<SourceRecord, "partition" | "position">,
): string {
  const key = `${name}/${partition}/${position}`;
  if (key.length <= KEY_LENGTH_MAX) return key;
  const digest = createHash("sha256").update(partition).digest("hex").slice(0, 32);
  return `${name}/${digest}/${position}`;
}

/** What another version wrote, or nothing, is the beginning. */
function positionsIn(value: Uint8Array | undefined): Record<string, string> {
  if (value === undefined) return {};
  const found: unknown = JSON.parse(new TextDecoder().decode(value));
  if (typeof found !== "object" || found === null) return {};
  return Object.fromEntries(
    Object.entries(found).filter(
      (entry): entry is [string, string] =>
        typeof entry[1] === "string" && /^\d{1,20}$/.test(entry[1]),
    ),
  );
}
