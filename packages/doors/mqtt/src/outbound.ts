// Owns: what a session was sent at QoS 1 and 2 and did not acknowledge yet, and what waits for its
// turn (MQTT 5, sections 4.3, 4.4 and 4.9).
import type { Qos } from "./decode.ts";
import type { Message } from "./message.ts";
import type { Totals } from "./totals.ts";

/** Where a message comes from: its channel's stream. */
export interface Origin {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
}

/** A message for one client, as its subscriptions want it. */
export interface Outgoing {
  readonly message: Message;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
  readonly origin: Origin;
  /** It was sent on an earlier connection with this identifier, and is sent again. */
  readonly againPid?: number | undefined;
  /** Runs when the client is done with it. */
  readonly done?: (() => void) | undefined;
}

/**
 * `sent`: PUBLISH was sent. `released`: PUBREC came, and PUBREL is the answer; the client has the
 * message, so it is never sent again.
 */
export interface InFlight {
  readonly pid: number;
  readonly qos: Qos;
  readonly origin: Origin;
  phase: "sent" | "released";
  /**
   * It was sent on this connection, so it counts towards the client's receive maximum. What an
   * earlier one sent does not: if it took the window while its channel waits behind others, which
   * wait for the window, nothing would ever be sent.
   */
  isCounted: boolean;
  readonly done?: (() => void) | undefined;
}

/** Bytes that a waiting message is counted as, besides its own. */
const WAITING_BYTES = 128;
const PID_MAX = 65_535;

/** In-flight messages, up to the window, and those behind them. Knows nothing of the wire. */
export class Outbound {
  /** Most messages in flight: what the client and the node allow. */
  window: number;
  waitingBytes = 0;
  /** How often an acknowledgement was of something. */
  useful = 0;
  readonly #inFlight = new Map<number, InFlight>();
  #waiting: Outgoing[] = [];
  #lastPid = 0;
  #counted = 0;
  readonly #totals: Pick<Totals, "inFlight" | "waitingBytes">;

  constructor(window: number, totals: Pick<Totals, "inFlight" | "waitingBytes">) {
    this.window = window;
    this.#totals = totals;
  }

  /** The connection is over: nothing of it counts any more. */
  close(): void {
    this.#totals.inFlight -= this.#inFlight.size;
    this.#wait(-this.waitingBytes);
    this.#inFlight.clear();
    this.#waiting = [];
  }

  #wait(bytes: number): void {
    this.waitingBytes += bytes;
    this.#totals.waitingBytes += bytes;
  }

  #add(one: InFlight): void {
    const before = this.#inFlight.size;
    this.#inFlight.set(one.pid, one);
    this.#totals.inFlight += this.#inFlight.size - before;
  }

  /** Nothing waits, and something may be sent. */
  get hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#counted < this.window;
  }

  get inFlight(): ReadonlyMap<number, InFlight> {
    return this.#inFlight;
  }

  get waiting(): readonly Outgoing[] {
    return this.#waiting;
  }

  get lastPid(): number {
    return this.#lastPid;
  }

  /** Goes on with what another node had sent. */
  restore(inFlight: readonly Omit<InFlight, "isCounted">[], lastPid: number): void {
    for (const one of inFlight) this.#add({ ...one, isCounted: false });
    this.#lastPid = lastPid;
  }

  /** The identifier to send it with now; undefined: it waits. */
  offer(outgoing: Outgoing): number | undefined {
    if (this.#waiting.length > 0 || this.#counted >= this.window) {
      this.#waiting.push(outgoing);
      this.#wait(bytesOf(outgoing));
      return undefined;
    }
    return this.#take(outgoing);
  }

  /** The next message that may be sent now, with its identifier. */
  next(): { readonly outgoing: Outgoing; readonly pid: number } | undefined {
    const outgoing = this.#waiting[0];
    if (outgoing === undefined || this.#counted >= this.window) return undefined;
    this.#waiting.shift();
    this.#wait(-bytesOf(outgoing));
    return { outgoing, pid: this.#take(outgoing) };
  }

  /** PUBACK, or a PUBREC that refuses: the client is done with it. False: nothing had that pid. */
  settle(pid: number, qos: Qos): boolean {
    const one = this.#inFlight.get(pid);
    if (one === undefined || one.qos !== qos) return false;
    this.#inFlight.delete(pid);
    if (one.isCounted) this.#counted -= 1;
    this.#totals.inFlight -= 1;
    this.useful += 1;
    one.done?.();
    return true;
  }

  /** PUBREC: the client has it. False: nothing of QoS 2 has that pid. */
  release(pid: number): boolean {
    const one = this.#inFlight.get(pid);
    if (one === undefined || one.qos !== 2) return false;
    if (one.phase === "sent") this.useful += 1;
    one.phase = "released";
    return true;
  }

  /** Forgets what waits for these channels: it is read again from their history. */
  forget(channel: string): void {
    const kept = this.#waiting.filter(({ origin }) => origin.channel !== channel);
    if (kept.length === this.#waiting.length) return;
    for (const { origin, againPid, qos } of this.#waiting)
      if (origin.channel === channel && againPid !== undefined) this.settle(againPid, qos);
    this.#waiting = kept;
    this.#wait(kept.reduce((sum, one) => sum + bytesOf(one), 0) - this.waitingBytes);
  }

  #take({ qos, origin, done, againPid }: Outgoing): number {
    this.#counted += 1;
    if (againPid !== undefined) {
      this.#add({ pid: againPid, qos, origin, phase: "sent", isCounted: true, done });
      return againPid;
    }
    let pid = this.#lastPid;
    do pid = pid >= PID_MAX ? 1 : pid + 1;
    while (this.#inFlight.has(pid));
    this.#lastPid = pid;
    this.#add({ pid, qos, origin, phase: "sent", isCounted: true, done });
    return pid;
  }
}

const bytesOf = ({ message }: Outgoing): number =>
  WAITING_BYTES + message.payload.length + message.topicBytes.length + message.passedOn.length;
