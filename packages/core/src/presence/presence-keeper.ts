// Owns: keeping the broker's list of this node's members true even if calls fail (H7). No member
// stays listed after it left, and none that is here is forgotten.

import { backoffMs } from "../backoff.ts";
import type { Clock, PresenceStore, Random } from "../ports.ts";
import type { Connection } from "../session/connection.ts";
import type { NodeSettings } from "../settings.ts";
import { allMembers } from "./all-members.ts";

/** What keeping presence true needs of the node. */
export interface KeeperNeeds {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  readonly random: Pick<Random, "next">;
  readonly broker: { readonly presence: Omit<PresenceStore, "renew"> };
  readonly sessions: {
    readonly connections: Iterable<Connection>;
    get(session: string): Connection | undefined;
    leavePresence(connection: Connection, channel: string): void;
  };
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

/**
 * Most leaves that wait to be repeated. At the limit the oldest is dropped: its member stays until
 * this node's lease ends.
 */
const LEAVES_MAX = 10_000;
const RETRY = { firstMs: 500, mostMs: 10_000 };
/** Leaves repeated, and channels compared, in one go, and the pause between two. */
const BATCH = 100;
const PAUSE_MS = 25;

interface Departure {
  readonly channel: string;
  readonly member: string;
  readonly owner: string;
  readonly endsAtMs: number;
}

export class PresenceKeeper {
  readonly #parts: () => KeeperNeeds;
  readonly #departures = new Set<Departure>();
  #attempts = 0;
  #cancelRetry: (() => void) | undefined;
  #comparing = false;
  #compareAgain = false;
  #stopped = false;

  constructor(parts: () => KeeperNeeds) {
    this.#parts = parts;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
    this.#departures.clear();
  }

  /**
   * Ends a membership after the grace. A call that fails is repeated: while this node renews its
   * lease, nobody else ends the entry.
   */
  leave(channel: string, connection: Connection, graceMs: number): void {
    const endsAtMs = this.#parts().clock.nowMs() + graceMs;
    this.#depart({ channel, member: connection.session, owner: connection.owner, endsAtMs });
  }

  /**
   * Enters again the members that are here and that the broker has forgotten, because it lost its
   * data or this node's lease. A member that another owner entered has moved.
   */
  compare(): void {
    if (this.#comparing) {
      this.#compareAgain = true;
      return;
    }
    this.#comparing = true;
    this.#parts().background("presence compare", this.#compareAll());
  }

  /**
   * The broker says that a member left, but it is entered here. This happens if a node stood still:
   * with a request from before the member moved, it took the entry over, and then it lost the old
   * connection. The member is entered again.
   */
  heardLeave(channel: string, member: string): void {
    const connection = this.#parts().sessions.get(member);
    if (connection?.phase === "open" && connection.entries?.has(channel) === true) this.compare();
  }

  #depart(departure: Departure): void {
    const { broker, clock } = this.#parts();
    const graceMs = Math.max(0, departure.endsAtMs - clock.nowMs());
    broker.presence.leave(departure.channel, departure.member, departure.owner, graceMs).then(
      () => {
        this.#attempts = 0;
      },
      () => this.#keep(departure),
    );
  }

  #keep(departure: Departure): void {
    if (this.#stopped) return;
    this.#departures.add(departure);
    const [oldest] = this.#departures;
    if (this.#departures.size > LEAVES_MAX && oldest !== undefined) this.#departures.delete(oldest);
    if (this.#cancelRetry !== undefined) return;
    this.#cancelRetry = this.#parts().clock.after(this.#backoffMs(), () => this.#retry());
  }

  #retry(): void {
    this.#cancelRetry = undefined;
    let count = 0;
    for (const departure of this.#departures) {
      if (count++ >= BATCH) break;
      this.#departures.delete(departure);
      this.#depart(departure);
    }
    if (this.#departures.size > 0)
      this.#cancelRetry ??= this.#parts().clock.after(PAUSE_MS, () => this.#retry());
  }

  async #compareAll(): Promise<void> {
    do {
      this.#compareAgain = false;
      for (const [index, channel] of [...this.#channels()].entries()) {
        if (index % BATCH === BATCH - 1) await this.#pause(PAUSE_MS);
        const done = await this.#compareOne(channel).catch(() => false);
        if (done || this.#stopped) continue;
        this.#compareAgain = true;
        await this.#pause(this.#backoffMs());
        break;
      }
    } while (this.#compareAgain && !this.#stopped);
    this.#comparing = false;
  }

  async #compareOne(channel: string): Promise<boolean> {
    const { broker, sessions } = this.#parts();
    const known = await allMembers(broker.presence, channel);
    for (const connection of this.#enteredIn(channel)) {
      if (known.has(connection.session) || connection.phase === "ended") continue;
      const { user } = connection.identity;
      const data = connection.entries?.get(channel);
      const member = {
        member: connection.session,
        ...(user === undefined ? {} : { user }),
        ...(data === undefined ? {} : { data }),
      };
      await broker.presence.enter(channel, member, connection.owner, {
        membersMax: this.#parts().settings().limits.membersMax,
        party: connection.party,
        isBack: true,
      });
      // The member left while it was being entered: its leave may have come first.
      if (connection.entries?.has(channel) !== true) sessions.leavePresence(connection, channel);
    }
    this.#attempts = 0;
    return true;
  }

  #channels(): ReadonlySet<string> {
    const channels = new Set<string>();
    for (const { entries } of this.#parts().sessions.connections)
      for (const channel of entries?.keys() ?? []) channels.add(channel);
    return channels;
  }

  #enteredIn(channel: string): Connection[] {
    return [...this.#parts().sessions.connections].filter(
      ({ entries }) => entries?.has(channel) === true,
    );
  }

  #backoffMs(): number {
    this.#attempts += 1;
    return backoffMs(this.#attempts - 1, this.#parts().random, RETRY);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts().clock.after(ms, resolve));
  }
}
