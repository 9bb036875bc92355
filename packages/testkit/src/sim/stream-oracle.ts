// Owns: judging what one subscriber is told of one channel (H1, H2): every offset once, in order,
// as the broker took it, or declared.
import type { DeliveryClass, GapReason, Position } from "@holdfast/protocol";
import type { BrokerTruth, StreamLife } from "./broker-truth.ts";
import { dataText, short } from "./data.ts";
import type { Rule, Verdict } from "./verdict.ts";

export interface SeenMessage {
  readonly epoch: string;
  readonly offset: number;
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly data: unknown;
}

export interface SeenGap {
  readonly from: number;
  readonly to: number | null;
  readonly reason: GapReason;
  /** Where the stream goes on. */
  readonly position: Position;
}

export interface StreamOracleOptions {
  readonly who: string;
  readonly channel: string;
  readonly cls: DeliveryClass;
  readonly truth: BrokerTruth;
  readonly verdict: Verdict;
  /**
   * The session may not read history: what was taken until this time it may be refused. In ms of
   * simulated time. Absent: it may read.
   */
  readonly entitledMs?: () => number;
}

/** Between the broker's stamp and the record of it. */
const STAMP_SLACK_MS = 2500;

/**
 * Follows one subscription through all its connections. Told in the order in which the application
 * is.
 */
export class StreamOracle {
  readonly #options: StreamOracleOptions;
  /** Where the subscriber is; undefined before it began. */
  #at: Position | undefined;
  /** latest: what the subscriber knows of each key. */
  readonly #state = new Map<string, Position>();
  messages = 0;
  gaps = 0;
  /** The subscription was refused for good. */
  ended = false;

  constructor(options: StreamOracleOptions) {
    this.#options = options;
  }

  get began(): boolean {
    return this.#at !== undefined;
  }

  ready(position: Position): void {
    if (this.#at !== undefined) return;
    this.#at = position;
    const life = this.#options.truth.life(this.#options.channel, position.epoch);
    if (life === undefined || position.offset > life.publications.length)
      this.#broken("H1", `began at ${text(position)}, which does not exist`);
  }

  message(message: SeenMessage): void {
    this.messages += 1;
    this.#compare(message);
    const { cls } = this.#options;
    const here = text(message);
    if (this.ended) this.#broken("H5", `got ${here} after the subscription ended`);
    if (this.#at === undefined) this.#broken("H1", `got ${here} before the subscription began`);
    else if (message.epoch !== this.#at.epoch)
      this.#broken("H2", `got ${here} after ${text(this.#at)} without a gap`);
    else if (message.offset <= this.#at.offset)
      this.#broken("H1", `got ${here} after ${text(this.#at)}: a duplicate, or out of order`);
    else if (cls !== "latest" && message.offset !== this.#at.offset + 1) {
      this.#broken("H2", `got ${here} after ${text(this.#at)}: an undeclared hole`);
    }
    this.#at = { epoch: message.epoch, offset: message.offset };
    if (message.key !== undefined) this.#state.set(message.key, this.#at);
  }

  gap(gap: SeenGap): void {
    this.gaps += 1;
    if (this.#at === undefined)
      this.#broken("H2", `the gap ${gapText(gap)} came before the subscription began`);
    else if (gap.reason === "epoch") this.#epochGap(gap, this.#at);
    else this.#plainGap(gap, this.#at);
    this.#at = gap.position;
  }

  /** Undefined when the subscriber has everything that there is; otherwise what is missing. */
  missing(): string | undefined {
    const { channel, cls, truth } = this.#options;
    const life = truth.current(channel);
    if (life === undefined) return undefined;
    if (cls === "latest") return this.#missingKeys(life);
    const head = life.publications.length;
    if (this.#at?.epoch === life.epoch && this.#at.offset === head) return undefined;
    return `${channel}: stands at ${text(this.#at)}, the head is ${life.epoch} ${head}`;
  }

  #missingKeys({ epoch, publications }: StreamLife): string | undefined {
    const newest = new Map<string, number>();
    for (const { key, offset } of publications) if (key !== undefined) newest.set(key, offset);
    for (const [key, offset] of newest) {
      const known = this.#state.get(key);
      // What was removed before the subscription began is not there to be had.
      if (this.#options.truth.isRemoved(this.#options.channel, { epoch, offset })) continue;
      if (known?.epoch !== epoch || known.offset !== offset)
        return `${this.#options.channel}: knows key ${key} at ${text(known)}, the newest is ${epoch} ${offset}`;
    }
    return undefined;
  }

  #compare(message: SeenMessage): void {
    const taken = this.#options.truth.at(this.#options.channel, message);
    const here = text(message);
    if (taken === undefined) return this.#broken("H1", `got ${here}, which the broker never took`);
    const read = dataText(message.data);
    if (taken.text !== read)
      this.#broken("data", `got ${short(read)} at ${here}, the broker took ${short(taken.text)}`);
    else if (taken.key !== message.key)
      this.#broken("H1", `got key ${message.key} at ${here}, the broker took ${taken.key}`);
  }

  #epochGap(gap: SeenGap, at: Position): void {
    const { channel, cls, truth } = this.#options;
    if (gap.to !== null)
      this.#broken("H2", `the gap ${gapText(gap)} has an end that nobody can know`);
    if (truth.life(channel, at.epoch)?.lostMs === undefined)
      this.#broken("H2", `the gap ${gapText(gap)}, but ${at.epoch} goes on`);
    const { position } = gap;
    if (truth.life(channel, position.epoch) === undefined)
      this.#broken("H2", `the gap ${gapText(gap)} leads to an epoch that never was`);
    if (
      cls !== "volatile" &&
      cls !== "latest" &&
      position.offset > 0 &&
      truth.isKept(channel, position) &&
      !this.#mayWithhold(position)
    ) {
      this.#broken(
        "H1",
        `the gap ${gapText(gap)} leaves out the beginning of the new epoch, which the broker has`,
      );
    }
  }

  #plainGap(gap: SeenGap, at: Position): void {
    const { channel, cls, truth } = this.#options;
    const { from, to, reason, position } = gap;
    const range = gapText(gap);
    if (cls === "latest") this.#broken("H2", `the gap ${range} in a latest channel`);
    if (to === null || to < from) return this.#broken("H2", `the gap ${range} has no end`);
    if (reason === "dropped" && cls !== "volatile")
      this.#broken("H1", `the gap ${range} in a channel with history`);
    if (position.epoch !== at.epoch)
      return this.#broken("H2", `the gap ${range} changes the epoch from ${at.epoch}`);
    if (from !== at.offset + 1 || position.offset !== to)
      this.#broken("H2", `the gap ${range} does not lie between ${text(at)} and what follows`);
    if (to > (truth.life(channel, at.epoch)?.publications.length ?? 0))
      this.#broken("H2", `the gap ${range} reaches beyond the head`);
    const last = { epoch: at.epoch, offset: to };
    if (reason === "history" && truth.isKept(channel, last) && !this.#mayWithhold(last)) {
      this.#broken("H1", `the gap ${range} was declared, but the broker has ${to}`);
    }
  }

  /** Taken before the session was entitled, or not clearly after. */
  #mayWithhold(position: Position): boolean {
    const { channel, truth, entitledMs } = this.#options;
    const takenMs = truth.at(channel, position)?.atMs ?? Number.POSITIVE_INFINITY;
    return entitledMs !== undefined && takenMs <= entitledMs() + STAMP_SLACK_MS;
  }

  #broken(rule: Rule, text: string): void {
    this.#options.verdict.broken(rule, `${this.#options.who} in ${this.#options.channel}: ${text}`);
  }
}

const text = (position: Position | undefined): string =>
  position === undefined ? "nowhere" : `${position.epoch} ${position.offset}`;
const gapText = ({ from, to, reason, position }: SeenGap): string =>
  `${from}..${to} (${reason}, on to ${text(position)})`;
