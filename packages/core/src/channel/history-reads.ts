// Owns: one channel's reads of history. They are bounded, and concurrent reads of the same place
// are one read. They leave out what was removed meanwhile.
import type { ChannelRules } from "@holdfast/contract";
import type { DeliveryClass } from "@holdfast/protocol";
import type { Broker, HistoryPage } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { type OutgoingPage, outgoing } from "./ring.ts";

/** What reading history needs of the node. */
export interface ReadNeeds {
  readonly broker: Pick<Broker, "history">;
  /** Bounds how many reads run at once. */
  readonly reads: { run<T>(read: () => Promise<T>): Promise<T> };
  settings(): NodeSettings;
}

const PAGE_MAX = 500;

export class HistoryReads {
  readonly #rules: ChannelRules;
  readonly #ports: ReadNeeds;
  readonly #running = new Map<number, Promise<OutgoingPage>>();
  /** Up to here the history was removed. */
  #removed = { epoch: "", offset: 0 };

  constructor(rules: ChannelRules, ports: ReadNeeds) {
    this.#rules = rules;
    this.#ports = ports;
  }

  removed(offset: number, epoch: string): void {
    this.#removed = { epoch, offset: Math.max(this.removedTo(epoch), offset) };
  }

  /** Up to here nothing of this epoch may be given to anybody; 0: nothing was removed. */
  removedTo(epoch: string): number {
    return epoch === this.#removed.epoch ? this.#removed.offset : 0;
  }

  /** Publications after `offset`. Concurrent reads of the same place are one read. */
  shared(offset: number): Promise<OutgoingPage> {
    const running = this.#running.get(offset);
    if (running !== undefined) return running;
    const read = this.own(offset).finally(() => this.#running.delete(offset));
    this.#running.set(offset, read);
    return read;
  }

  /** A read that begins now. */
  async own(offset: number): Promise<OutgoingPage> {
    const { broker, reads, settings } = this.#ports;
    const { channel, stream } = this.#rules;
    const bounds = { limit: PAGE_MAX, bytesMax: 4 * settings().flow.chunkBytes };
    const found = await reads.run(() =>
      broker.history(channel, stream, { after: offset, ...bounds }),
    );
    const { publications, ...page } = found;
    // Leave out what was removed while the page was on its way.
    const removedTo = this.removedTo(found.epoch);
    return {
      ...page,
      oldest: Math.max(page.oldest, removedTo + 1),
      entries: publications.filter((publication) => publication.offset > removedTo).map(outgoing),
      complete: isComplete(stream.cls, found),
    };
  }
}

/**
 * A short page that ends before the head is followed by another one. Keys of `latest` may leave the
 * newest offsets empty.
 */
function isComplete(cls: DeliveryClass, { head, publications, more }: HistoryPage): boolean {
  const last = publications.at(-1);
  return last === undefined || (!more && (cls === "latest" || last.offset >= head));
}
