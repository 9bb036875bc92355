// Owns: copies of `latest` channels on this node, for joins: bounded, filled by taps.
import type { PubEntry } from "@holdfast/protocol";
import type { LatestTables } from "../partition/lookups.ts";
import type { RunnerPorts, RunnerTap } from "./ports.ts";

const TAP_LIMITS = {
  batchBytesMax: 64 * 1024,
  batchWaitMs: 5,
  bufferBytesMax: 128 * 1024,
  handleMsMax: 60_000,
};
/** How long a partition waits for its tables at its start. */
const FILL_MS_MAX = 5000;

interface Table {
  readonly values: Map<string, { readonly value: unknown }>;
  readonly keysMax: number;
  tap: RunnerTap | string;
  /** A batch has come, or nothing is there. */
  isFilled: boolean;
}

export class ChannelTables implements LatestTables {
  readonly #ports: RunnerPorts;
  readonly #tables = new Map<string, Table>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  find(channel: string, key: string): { readonly value: unknown } | undefined {
    return this.#tables.get(channel)?.values.get(key);
  }

  /** Begins to read it, unless it is read already. */
  open(channel: string, keysMax: number): void {
    if (this.#tables.has(channel)) return;
    const table: Table = { values: new Map(), keysMax, tap: "", isFilled: false };
    this.#tables.set(channel, table);
    table.tap = this.#ports.tap(channel, {
      ...TAP_LIMITS,
      from: "oldest",
      consumer: {
        handle: async ({ events }) => {
          for (const event of events)
            if (event.kind === "publication") this.#put(table, event.entry);
          table.isFilled = true;
        },
      },
    });
  }

  /** Resolves when the tables have what their channels had, or after a while. */
  async filled(channels: readonly string[]): Promise<void> {
    const { clock } = this.#ports;
    const untilMs = clock.nowMs() + FILL_MS_MAX;
    for (const channel of channels) {
      const table = this.#tables.get(channel);
      if (table === undefined || typeof table.tap === "string") continue;
      const page = await this.#ports.history(channel, { limit: 1 }).catch(() => undefined);
      if (page !== undefined && page.head === 0) continue;
      while (clock.nowMs() < untilMs && !(table.isFilled && table.tap.lag === 0))
        await new Promise<void>((resolve) => void clock.after(20, resolve));
    }
  }

  close(): void {
    for (const { tap } of this.#tables.values()) if (typeof tap !== "string") tap.close();
    this.#tables.clear();
  }

  #put({ values, keysMax }: Table, { k: key = "", data }: PubEntry): void {
    values.delete(key);
    try {
      values.set(key, { value: this.#ports.values.toValue(data) });
    } catch {
      return;
    }
    if (values.size > keysMax) values.delete(values.keys().next().value ?? "");
  }
}
