// Owns: this node's lease on its presence entries: it is renewed in time, and the node acts if it
// ran out.

import type { Observer } from "../observer.ts";
import type { Clock, PresenceStore } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";

/** What keeping the lease needs of the node. */
export interface LeaseNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly broker: { readonly presence: Pick<PresenceStore, "renew"> };
  readonly observer: Pick<Observer, "leaseRenewed">;
  readonly presenceKeeper: { compare(): void };
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

export class Lease {
  readonly #parts: LeaseNeeds;
  #askedMs = 0;
  #renewedMs = 0;

  constructor(parts: LeaseNeeds) {
    this.#parts = parts;
  }

  /** The first one. Rejects with BrokerError. */
  async begin(): Promise<void> {
    const { broker, clock, settings } = this.#parts;
    const { nodeId, timeouts } = settings();
    await broker.presence.renew(nodeId, timeouts.presenceLeaseMs);
    this.#askedMs = clock.nowMs();
    this.#renewedMs = this.#askedMs;
  }

  /** Renews when a third of the lease is over. Called by the engine's sweep. */
  renewIfDue(nowMs: number): void {
    if ((nowMs - this.#askedMs) * 3 < this.#parts.settings().timeouts.presenceLeaseMs) return;
    this.#parts.background("lease", this.#renew(nowMs));
  }

  async #renew(nowMs: number): Promise<void> {
    const { broker, clock, observer, presenceKeeper, settings } = this.#parts;
    const { nodeId, timeouts } = settings();
    this.#askedMs = nowMs;
    try {
      await broker.presence.renew(nodeId, timeouts.presenceLeaseMs);
    } catch {
      // The broker is out of reach: the next sweep asks again, long before the lease is over.
      this.#askedMs = Number.NEGATIVE_INFINITY;
      observer.leaseRenewed("failed");
      return;
    }
    // The lease ran out meanwhile: the broker has ended this node's members.
    const lapsed = clock.nowMs() - this.#renewedMs >= timeouts.presenceLeaseMs;
    this.#renewedMs = nowMs;
    observer.leaseRenewed(lapsed ? "late" : "ok");
    if (lapsed) presenceKeeper.compare();
  }
}
