// Owns: handing events to listeners: in order, at the end of the turn, never inside a call of the
// broker.
import type { Publication } from "@holdfast/protocol";
import type { BusMessage, ChannelListener, Clock, PresenceChange } from "../ports.ts";

/**
 * One node. It gets the events after `sinceSequence`, which is infinite while the node is cut off.
 */
export interface Place {
  readonly sinceSequence: number;
  hear(message: BusMessage): void;
}

/** One node's subscription to one channel. It gets the events after `sinceSequence`. */
export interface Subscription {
  readonly place: Place;
  readonly listener: ChannelListener;
  readonly sinceSequence: number;
}

/**
 * The event of a channel holds the set of subscriptions itself, so that a subscription that ends
 * before the end of the turn gets nothing.
 */
type FanOutEvent =
  | {
      readonly to: ReadonlySet<Subscription>;
      readonly sequence: number;
      readonly publication: Publication;
      readonly epoch: string;
    }
  | {
      readonly to: ReadonlySet<Subscription>;
      readonly sequence: number;
      readonly removed: number;
      readonly epoch: string;
    }
  | {
      readonly to: ReadonlySet<Subscription>;
      readonly sequence: number;
      readonly change: PresenceChange;
    }
  | { readonly to: ReadonlySet<Place>; readonly sequence: number; readonly message: BusMessage };

/**
 * Gathers events and hands them out in one deferred task for each turn. Events that listeners cause
 * wait for the next one. If a listener throws, the others still get the event; the error goes to
 * `onBug`.
 */
export class FanOut {
  readonly #clock: Clock;
  readonly #onBug: (error: unknown) => void;
  #waiting: FanOutEvent[] = [];
  #sequence = 0;

  constructor(clock: Clock, onBug: (error: unknown) => void) {
    this.#clock = clock;
    this.#onBug = onBug;
  }

  /** Number of the last event: a subscription made now starts behind it. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Events that wait for the end of the turn. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  publication(to: ReadonlySet<Subscription>, publication: Publication, epoch: string): void {
    if (to.size > 0) this.#push({ to, sequence: ++this.#sequence, publication, epoch });
  }

  removed(to: ReadonlySet<Subscription>, offset: number, epoch: string): void {
    if (to.size > 0) this.#push({ to, sequence: ++this.#sequence, removed: offset, epoch });
  }

  presence(to: ReadonlySet<Subscription>, change: PresenceChange): void {
    if (to.size > 0) this.#push({ to, sequence: ++this.#sequence, change });
  }

  bus(to: ReadonlySet<Place>, message: BusMessage): void {
    this.#push({ to, sequence: ++this.#sequence, message });
  }

  #push(event: FanOutEvent): void {
    if (this.#waiting.push(event) === 1) this.#clock.defer(() => this.#handOut());
  }

  #handOut(): void {
    const events = this.#waiting;
    this.#waiting = [];
    for (const event of events) {
      if ("message" in event) {
        for (const place of event.to)
          if (place.sinceSequence < event.sequence) this.#guard(() => place.hear(event.message));
      } else {
        for (const subscription of event.to) {
          if (
            subscription.sinceSequence >= event.sequence ||
            subscription.place.sinceSequence >= event.sequence
          )
            continue;
          try {
            if ("publication" in event)
              subscription.listener.publication(event.publication, event.epoch);
            else if ("removed" in event) subscription.listener.removed(event.removed, event.epoch);
            else subscription.listener.presence(event.change);
          } catch (error) {
            this.#onBug(error);
          }
        }
      }
    }
  }

  #guard(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#onBug(error);
    }
  }
}
