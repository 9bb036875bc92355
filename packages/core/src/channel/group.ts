// Owns: one codec's live subscriptions of a large channel as groups of the transport, a bounded
// part of them written in one turn of the event loop.
import type { Encoded } from "@holdfast/protocol";
import type { Clock, Groups } from "../ports.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Members of one part. A write to a socket costs about 8 us in the kernel. So one part delays
 * everything else by some 16 ms; a room of 20,000 at once would delay it by 160 ms.
 */
const PART_MEMBERS_MAX = 2000;
/** Most messages that wait for a part's turn. At the limit all of them are sent at once. */
const WAITING_MAX = 64;

/** What a group needs of the node. */
export interface GroupNeeds {
  readonly groups: Groups;
  readonly clock: Pick<Clock, "defer">;
}

interface Part {
  readonly name: string;
  members: number;
  /** Published to earlier parts already, in order. */
  waiting: Encoded[];
}

/**
 * The first part gets a message at once, each further one a turn later, so that a broadcast to many
 * does not stop the node for the time of all its writes. What waits for a part goes out
 * before anybody joins or leaves it: members get exactly what was published while they were
 * members, in order.
 */
export class Group {
  readonly #name: string;
  readonly #ports: GroupNeeds;
  readonly #membersMax: number;
  readonly #parts: Part[] = [];
  #isScheduled = false;
  #served = 0;

  /** `membersMax`: of one part. */
  constructor(name: string, ports: GroupNeeds, membersMax = PART_MEMBERS_MAX) {
    this.#membersMax = membersMax;
    this.#name = name;
    this.#ports = ports;
  }

  /**
   * What was queued for the connection goes first: a group's messages do not pass through its
   * outbox.
   */
  join(subscription: Subscription): void {
    let place = this.#parts.findIndex(({ members }) => members < this.#membersMax);
    if (place < 0)
      place =
        this.#parts.push({ name: `${this.#name} ${this.#parts.length}`, members: 0, waiting: [] }) -
        1;
    const part = this.#parts[place] as Part;
    this.#catchUp(part);
    part.members += 1;
    subscription.part = place;
    subscription.connection.flush();
    subscription.connection.link.join(part.name);
  }

  leave(subscription: Subscription): void {
    const part = this.#parts[subscription.part];
    if (part === undefined) return;
    this.#catchUp(part);
    part.members -= 1;
    subscription.part = -1;
    subscription.connection.link.leave(part.name);
  }

  publish(message: Encoded): void {
    for (const [place, part] of this.#parts.entries()) {
      if (place === 0) this.#ports.groups.publish(part.name, message);
      else if (part.members > 0 && part.waiting.push(message) >= WAITING_MAX) this.#catchUp(part);
    }
    if (this.#parts.length > 1) this.#schedule();
  }

  /** Sends to one part in each turn, one after the other. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#ports.clock.defer(() => {
      this.#isScheduled = false;
      const due = this.#parts.findIndex(
        ({ waiting }, place) => place > this.#served && waiting.length > 0,
      );
      const place = due < 0 ? this.#parts.findIndex(({ waiting }) => waiting.length > 0) : due;
      const part = this.#parts[place];
      if (part === undefined) return;
      this.#served = place;
      this.#catchUp(part);
      if (this.#parts.some(({ waiting }) => waiting.length > 0)) this.#schedule();
    });
  }

  #catchUp(part: Part): void {
    for (const message of part.waiting.splice(0)) this.#ports.groups.publish(part.name, message);
  }
}
