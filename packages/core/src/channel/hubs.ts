// Owns: the channels that this node carries: opened by the first who needs one, kept a little after
// the last has gone.

import type { ChannelRules } from "@holdfast/contract";
import { ChannelHub, type HubNeeds } from "./channel-hub.ts";

/** What is given back when it is no longer needed. */
interface HeldHub {
  readonly channel: string;
}

/**
 * A channel without users stays this long. If many clients return at once, its ring can still serve
 * them.
 */
const LINGER_MS = 5000;
/** Positions checked in one go after the broker was away, and the pause between two. */
const RECHECK_BATCH = 200;
const RECHECK_PAUSE_MS = 25;

export class Hubs {
  readonly #ports: HubNeeds;
  readonly #hubs = new Map<string, ChannelHub>();
  readonly #idle = new Set<ChannelHub>();

  constructor(ports: HubNeeds) {
    this.#ports = ports;
    ports.broker.onReconnect(() => this.recheckAll());
  }

  get size(): number {
    return this.#hubs.size;
  }

  get(channel: string): ChannelHub | undefined {
    return this.#hubs.get(channel);
  }

  values(): IterableIterator<ChannelHub> {
    return this.#hubs.values();
  }

  /** The channel's hub; opens it if it is not open. The caller gives it back with `release`. */
  acquire(rules: ChannelRules): ChannelHub {
    let hub = this.#hubs.get(rules.channel);
    if (hub === undefined) {
      hub = new ChannelHub(rules, this.#ports);
      this.#hubs.set(rules.channel, hub);
      const opening = hub;
      // All who wait for it get the failure; the next call opens it anew.
      hub.opened.catch(() => this.#drop(opening));
    }
    hub.holds += 1;
    this.#idle.delete(hub);
    return hub;
  }

  release(held: HeldHub): void {
    const hub = this.#hubs.get(held.channel);
    // A hub that was dropped meanwhile needs no more counting.
    if (hub === undefined || hub !== held) return;
    hub.holds -= 1;
    if (hub.holds > 0) return;
    hub.idleSinceMs = this.#ports.clock.nowMs();
    this.#idle.add(hub);
  }

  /** Lets go of channels that nobody has used for a while. Called by the engine's sweep. */
  sweep(nowMs: number): void {
    for (const hub of this.#idle) if (nowMs - hub.idleSinceMs >= LINGER_MS) this.#drop(hub);
  }

  /** Compares every channel's position with the broker's, paced. */
  recheckAll(): void {
    const waiting = [...this.#hubs.values()];
    const next = (): void => {
      for (const hub of waiting.splice(0, RECHECK_BATCH)) {
        hub.returned();
        hub.reloadPresence();
      }
      if (waiting.length > 0) this.#ports.clock.after(RECHECK_PAUSE_MS, next);
    };
    next();
  }

  close(): void {
    for (const hub of this.#hubs.values()) this.#drop(hub);
  }

  #drop(hub: ChannelHub): void {
    this.#idle.delete(hub);
    if (this.#hubs.get(hub.channel) === hub) this.#hubs.delete(hub.channel);
    hub.close();
  }
}
