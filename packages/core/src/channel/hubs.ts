// Owns: the channels that this node carries: opened by the first who needs one, kept a little after
// the last has gone.

import type { ChannelRules } from "@holdfast/contract";
import type { NodeCodec } from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import type { Broker, Clock, Groups, Random } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { ChannelHub } from "./channel-hub.ts";
import type { GroupBytes } from "./fan-out.ts";

/** What a hub and its subscriptions need. */
export interface HubPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly observer: Observer;
  readonly groups: Groups;
  readonly groupBytes: GroupBytes;
  readonly codecs: readonly [NodeCodec, NodeCodec];
  readonly reads: Reads;
  settings(): NodeSettings;
  /** The broker says that a member has left the channel. */
  memberLeft(channel: string, member: string): void;
  /** Runs work that nobody awaits; a rejection is reported as a bug. */
  background(what: string, work: Promise<unknown>): void;
}

/** A channel without users stays this long, so that a returning herd is served from its ring. */
const LINGER_MS = 5000;
/** Positions checked in one go after the broker was away, and the pause between two. */
const RECHECK_BATCH = 200;
const RECHECK_PAUSE_MS = 25;

export class Hubs {
  readonly #ports: HubPorts;
  readonly #hubs = new Map<string, ChannelHub>();
  readonly #idle = new Set<ChannelHub>();

  constructor(ports: HubPorts) {
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

  /** The channel's hub, opened if need be; give it back with `release`. */
  acquire(rules: ChannelRules): ChannelHub {
    let hub = this.#hubs.get(rules.channel);
    if (hub === undefined) {
      hub = new ChannelHub(rules, this.#ports);
      this.#hubs.set(rules.channel, hub);
      const opening = hub;
      // Whoever waits hears of the failure; the next one opens it anew.
      hub.opened.catch(() => this.#drop(opening));
    }
    hub.holds += 1;
    this.#idle.delete(hub);
    return hub;
  }

  release(hub: ChannelHub): void {
    hub.holds -= 1;
    if (hub.holds > 0 || this.#hubs.get(hub.channel) !== hub) return;
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
        hub.recheck();
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

/**
 * Bounds how many history reads run at once. Waiting reads are at most one for each subscription,
 * which are bounded themselves.
 */
export class Reads {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
