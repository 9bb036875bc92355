// Owns: the sessions that connections of this node have: their leases, and who must give one up.
import type { BusMessage, Clock, StateStore } from "@holdfast/core";
import type { Keeper } from "./keeper.ts";

/** What it needs of the node. */
export interface LeasesNeeds {
  readonly states: Pick<StateStore, "renew">;
  readonly clock: Pick<Clock, "after">;
  readonly nodeId: string;
  /** Tells every node, this one as well. */
  tell(message: BusMessage): void;
  bug(error: unknown): void;
}

/** One connection that has a session. */
export interface Tenant {
  readonly keeper: Keeper;
  /** Another connection has it now. */
  takenOver(): void;
}

/** How long a node that says nothing holds its sessions. Another one may take them at any time. */
export const LEASE_MS = 60_000;
const RENEW_MS = LEASE_MS / 3;
const RENEW_PAGE = 1000;
/** Another connection has the session of this owner now. */
export const TAKEN = "mqtt.taken";

export class Leases {
  readonly #needs: LeasesNeeds;
  readonly #byOwner = new Map<string, Tenant>();
  #cancel: (() => void) | undefined;

  constructor(needs: LeasesNeeds) {
    this.#needs = needs;
  }

  add(tenant: Tenant): void {
    this.#byOwner.set(tenant.keeper.hold.owner, tenant);
    this.#cancel ??= this.#needs.clock.after(RENEW_MS, () => void this.#renew());
  }

  remove(tenant: Tenant): void {
    const { owner } = tenant.keeper.hold;
    if (this.#byOwner.get(owner) === tenant) this.#byOwner.delete(owner);
    if (this.#byOwner.size > 0) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The owner before is on this node, or on another: it is told at once. */
  taken(owner: string): void {
    const here = this.#byOwner.get(owner);
    if (here !== undefined) here.takenOver();
    else this.#needs.tell({ kind: TAKEN, from: this.#needs.nodeId, owner });
  }

  heard({ owner }: BusMessage): void {
    if (typeof owner === "string") this.#byOwner.get(owner)?.takenOver();
  }

  async #renew(): Promise<void> {
    const tenants = [...this.#byOwner.values()];
    for (let from = 0; from < tenants.length; from += RENEW_PAGE) {
      const page = tenants.slice(from, from + RENEW_PAGE);
      const holds = page.map(({ keeper: { key, hold } }) => ({ key, ...hold }));
      try {
        const ended = new Set(await this.#needs.states.renew(holds, LEASE_MS));
        for (const tenant of page)
          if (ended.has(tenant.keeper.key) && this.#isHere(tenant)) tenant.takenOver();
      } catch (error) {
        // The broker is away: the state outlives the lease, and the next round renews it.
        if ((error as { name?: unknown } | null)?.name !== "BrokerError") this.#needs.bug(error);
      }
    }
    this.#cancel =
      this.#byOwner.size === 0
        ? undefined
        : this.#needs.clock.after(RENEW_MS, () => void this.#renew());
  }

  #isHere(tenant: Tenant): boolean {
    return this.#byOwner.get(tenant.keeper.hold.owner) === tenant;
  }
}
