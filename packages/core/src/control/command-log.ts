// Owns: commands that every node must carry out, even if it was cut off from the broker or started
// later. They are publications of a channel that no client can name. They are kept for as long as
// they matter.

import type { StreamOptions } from "@holdfast/contract";
import type { Publication } from "@holdfast/protocol";
import { backoffMs } from "../backoff.ts";
import type { Broker, ChannelListener, Clock, HistoryPage, Random } from "../ports.ts";

/** Names of clients' channels hold no control characters; this one sorts before all of them. */
export const COMMANDS_CHANNEL = "\u0001commands";

/** What the log needs of the node. */
export interface LogNeeds {
  readonly clock: Clock;
  readonly random: Pick<Random, "next">;
  readonly broker: Pick<
    Broker,
    "history" | "onReconnect" | "publish" | "subscribe" | "unsubscribe"
  >;
  /** How long a command matters. */
  keptMs(): number;
  background(what: string, work: Promise<unknown>): void;
}

/** A command that is read from the log, not heard from the broker, is at least as old as this. */
export interface Told<C> {
  readonly command: C;
  /** When the broker took it. */
  readonly timeMs: number;
  /** It was read from the log: the node was away, or has just started. */
  readonly isLate: boolean;
}

/** Commands kept; the oldest go first. */
const KEPT_MAX = 10_000;
const PAGE_MAX = 500;
/** How often the log is read, to find commands that were lost on their way. */
const LOOK_MS = 10_000;
const RETRY = { firstMs: 250 };

export class CommandLog<C> implements ChannelListener {
  readonly #ports: LogNeeds;
  readonly #obey: (told: Told<C>) => void;
  #epoch = "";
  #offset = 0;
  #isReading = false;
  /** A command came while the log was read: the page may be older. */
  #isBehind = false;
  #isRunning = false;
  /** There is one who reads until it is done; in a pause `goOn` ends that. */
  #isLooking = false;
  #goOn: (() => void) | undefined;
  #cancelLook = (): void => {};

  constructor(ports: LogNeeds, obey: (told: Told<C>) => void) {
    this.#ports = ports;
    this.#obey = obey;
    ports.broker.onReconnect(() => this.#look());
  }

  /** Carries out the commands that are kept, then those that come. Rejects with BrokerError. */
  async start(): Promise<void> {
    const { epoch } = await this.#ports.broker.subscribe(COMMANDS_CHANNEL, this.#stream(), this);
    this.#epoch = epoch;
    await this.#readOn();
    this.#isRunning = true;
    this.#lookLater();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelLook();
    this.#goOn?.();
    this.#ports.broker.unsubscribe(COMMANDS_CHANNEL);
  }

  /**
   * Resolves when the broker has the command: every node will carry it out. Rejects with
   * BrokerError.
   */
  async append(command: C): Promise<void> {
    const payload = { kind: "json", text: JSON.stringify(command) } as const;
    await this.#ports.broker.publish(COMMANDS_CHANNEL, this.#stream(), { payload });
  }

  // ---- from the broker ----

  publication(publication: Publication, epoch: string): void {
    const isKnown = epoch === this.#epoch && publication.offset <= this.#offset;
    if (isKnown) return;
    const isNext = epoch === this.#epoch && publication.offset === this.#offset + 1;
    if (this.#isReading) this.#isBehind = true;
    else if (isNext && this.#isRunning) this.#carryOut(publication, false);
    else this.#look();
  }

  removed(): void {}

  presence(): void {}

  // ---- reading ----

  #look(): void {
    if (!this.#isRunning) return;
    if (this.#isLooking) this.#goOn?.();
    else this.#ports.background("commands", this.#readUntilDone());
  }

  #lookLater(): void {
    this.#cancelLook = this.#ports.clock.after(LOOK_MS, () => {
      // A broker that does not answer is asked in its own time.
      if (!this.#isLooking) this.#look();
      this.#lookLater();
    });
  }

  async #readUntilDone(): Promise<void> {
    this.#isLooking = true;
    for (let attempt = 0; this.#isRunning; attempt++) {
      const isDone = await this.#readOn().then(
        () => true,
        () => false,
      );
      if (isDone) break;
      await this.#pause(backoffMs(attempt, this.#ports.random, RETRY));
    }
    this.#isLooking = false;
  }

  /** Ends early when something says that the broker answers again, and when the log ends. */
  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.clock.after(ms, resolve);
      this.#goOn = () => {
        cancel();
        resolve();
      };
    });
  }

  async #readOn(): Promise<void> {
    this.#isReading = true;
    try {
      for (;;) {
        this.#isBehind = false;
        const page = await this.#page();
        if (page.epoch !== this.#epoch) {
          this.#epoch = page.epoch;
          this.#offset = 0;
          continue;
        }
        for (const publication of page.publications) this.#carryOut(publication, true);
        const isWhole = page.publications.length === 0 || this.#offset >= page.head;
        if (isWhole && !this.#isBehind) return;
      }
    } finally {
      this.#isReading = false;
    }
  }

  #page(): Promise<HistoryPage> {
    const query = { after: this.#offset, limit: PAGE_MAX };
    return this.#ports.broker.history(COMMANDS_CHANNEL, this.#stream(), query);
  }

  #carryOut({ offset, payload, timeMs }: Publication, isLate: boolean): void {
    this.#offset = offset;
    if (payload.kind !== "json") return;
    this.#obey({ command: JSON.parse(payload.text) as C, timeMs, isLate });
  }

  #stream(): StreamOptions {
    return { cls: "durable", sizeMax: KEPT_MAX, ttlMs: this.#ports.keptMs() };
  }
}
