// Owns: one channel's stream as the application sees it, merged from every connection that carries
// it.
import {
  type DeliveryClass,
  type GapFrame,
  type GapReason,
  gapSize,
  type Position,
  type PubEntry,
  type PubFrame,
} from "@holdfast/protocol";
import { type EngineContext, guard } from "./engine-context.ts";
import type { HoldfastError } from "./errors.ts";

/**
 * One publication, as the application gets it. `timeMs` is the broker's clock; `key` is set in
 * `latest` channels only.
 */
export interface RawMessage {
  readonly channel: string;
  readonly data: unknown;
  readonly offset: number;
  readonly epoch: string;
  readonly timeMs: number;
  readonly key?: string;
  readonly user?: string;
  readonly session?: string;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A publication as the node sent it, as the application gets it. */
export function messageOf(channel: string, epoch: string, entry: PubEntry<unknown>): RawMessage {
  const message: Mutable<RawMessage> = {
    channel,
    data: entry.data,
    offset: entry.o,
    epoch,
    timeMs: entry.ts,
  };
  if (entry.k !== undefined) message.key = entry.k;
  if (entry.u !== undefined) message.user = entry.u;
  if (entry.s !== undefined) message.session = entry.s;
  return message;
}

/**
 * Publications `from`..`to` of the channel will not come (`to` null: how many is not known, the
 * stream began anew). It continues after `position`.
 */
export interface Gap {
  readonly channel: string;
  readonly from: number;
  readonly to: number | null;
  readonly reason: GapReason;
  readonly position: Position;
}

/**
 * A subscription came back on a new connection and caught up. `lossless`: no gap was declared on
 * the way.
 */
export interface Recovered {
  readonly channel: string;
  readonly position: Position;
  readonly lossless: boolean;
}

/**
 * One of the application's subscriptions. Calls come in stream order, never while another is
 * running.
 */
export interface StreamListener {
  message(message: RawMessage): void;
  gap(gap: Gap): void;
  /**
   * The node has the subscription; `position` is where the stream continues. Again after a refusal.
   */
  ready(position: Position): void;
  recovered(recovered: Recovered): void;
  /**
   * `ended`: nothing more will come. Otherwise the node is asked again: soon, or where `retry` is
   * `never` on the next connection.
   */
  error(error: HoldfastError, ended: boolean): void;
}

/** How a stream begins; see `subscribe` in the protocol. */
export interface StreamStart {
  readonly since?: Position;
  readonly last?: number;
}

/**
 * Position, listeners and the rules of order. It never goes back and never jumps unless a gap says
 * so.
 */
export class Stream {
  readonly channel: string;
  last?: number | undefined;
  /** The node refused it for good. The next connection's node may know better. */
  refused = false;
  cls: DeliveryClass | undefined;
  position: Position | undefined;
  /** Time of the last undeclared hole. */
  holeMs = Number.NEGATIVE_INFINITY;
  /** A gap was declared since the last connection was lost. */
  lossy = false;
  #listeners: readonly StreamListener[] = [];
  /** What each listener was told last: `ready`, or the code of a refusal. */
  readonly #told = new Map<StreamListener, string>();
  readonly #engine: EngineContext;

  constructor(engine: EngineContext, channel: string) {
    this.#engine = engine;
    this.channel = channel;
  }

  /** How it begins; a stream that had a position goes on there. */
  begin({ since, last }: StreamStart): void {
    this.last = last;
    this.position = since ?? this.position;
  }

  get listenerCount(): number {
    return this.#listeners.length;
  }

  add(listener: StreamListener): void {
    this.#listeners = [...this.#listeners, listener];
  }

  remove(listener: StreamListener): void {
    this.#listeners = this.#listeners.filter((other) => other !== listener);
    this.#told.delete(listener);
  }

  /**
   * Tells those that were not told yet that the node has the subscription, and where it goes on:
   * behind a gap to come, if the node declares one.
   */
  tellReady(position = this.position): void {
    if (position) this.#tellNews("ready", (listener) => listener.ready(position));
  }

  /** The node refused it for good: tells those that do not know. */
  tellRefused(error: HoldfastError): void {
    this.refused = true;
    this.#tellNews(error.code, (listener) => listener.error(error, false));
  }

  tellRecovered(): void {
    const { channel, position, lossy } = this;
    if (position)
      this.#tell((listener) => listener.recovered({ channel, position, lossless: !lossy }));
  }

  tellError(error: HoldfastError, ended: boolean): void {
    this.#told.clear();
    this.#tell((listener) => listener.error(error, ended));
  }

  /** Takes a publication of the stream's present epoch. False: one is missing before it. */
  accept(frame: PubFrame<unknown>): boolean {
    const { position } = this;
    if (!position || frame.o <= position.offset) {
      this.#engine.counts.add("duplicates");
      return true;
    }
    if (this.cls !== "latest" && frame.o !== position.offset + 1) return false;
    this.position = { epoch: position.epoch, offset: frame.o };
    const message = messageOf(this.channel, position.epoch, frame);
    this.#tell((listener) => listener.message(message));
    return true;
  }

  /**
   * Takes a declared gap, unless everything up to its end was delivered by another connection.
   * `rewinds`: offsets begin anew in the same epoch.
   */
  skip(frame: Pick<GapFrame, "from" | "to" | "reason" | "pos">, rewinds?: boolean): void {
    const { position, channel } = this;
    const same = !rewinds && position?.epoch === frame.pos.epoch;
    if (same && frame.pos.offset <= position.offset) return;
    const from = same ? Math.max(frame.from, position.offset + 1) : frame.from;
    this.position = frame.pos;
    this.lossy = true;
    this.#engine.counts.add("gaps");
    this.#engine.counts.add("lost", gapSize(from, frame.to));
    this.#tell((listener) =>
      listener.gap({ channel, from, to: frame.to, reason: frame.reason, position: frame.pos }),
    );
  }

  #tellNews(news: string, task: (listener: StreamListener) => void): void {
    this.#tell((listener) => {
      if (this.#told.get(listener) === news) return;
      this.#told.set(listener, news);
      task(listener);
    });
  }

  #tell(task: (listener: StreamListener) => void): void {
    for (const listener of this.#listeners) guard(this.#engine, () => task(listener));
  }
}
