// Owns: the profile of applications that hand a client's state over (spec/handoff.md).
import { sendable } from "../close-codes.ts";
import { bytesOf, type Frame } from "../frame.ts";
import type { Profile, ProfileOut, ProfileSession, Saved } from "../profile.ts";
import {
  HANDOFF,
  type PodEntry,
  readFromGateway,
  readFromPod,
  writeAttach,
  writeClose,
  writeHello,
  writeLeave,
  writeMessage,
  writeSaved,
} from "./handoff-messages.ts";

export interface HandoffRules {
  /** Of an application's state for one client. Default 65,536. */
  readonly stateBytesMax?: number;
  /** That an application may send to a client before it commits them. Default 65,536. */
  readonly uncommittedBytesMax?: number;
  /** Of a client that no commit covers, from which on it is read no further. Default 65,536. */
  readonly unacknowledgedBytesMax?: number;
  /**
   * How long a client's message may be without a commit. Then the server hangs, and the client gets
   * another, within twice the time. Default 5,000.
   */
  readonly commitMsMax?: number;
}

export const HANDOFF_RULES: Required<HandoffRules> = {
  stateBytesMax: 64 * 1024,
  uncommittedBytesMax: 64 * 1024,
  unacknowledgedBytesMax: 64 * 1024,
  commitMsMax: 5000,
};

const PREFIX = `${HANDOFF}+`;
/** Type, index and what a commit needs, of any message. */
const HEAD_BYTES = 32;
/** What the next server would do as well. */
const FAULT = 1011;

/**
 * Nothing is lost and nothing comes twice. A commit of the application binds three things: a state,
 * the client's messages that it reflects, and the messages to the client that it has sent. The next
 * upstream gets the last commit's state and the client's messages behind it. What was not committed
 * did not happen: the client does not have it, unless the application sent it early.
 */
export function handoff(rules: HandoffRules = {}): Profile {
  const all = { ...HANDOFF_RULES, ...rules };
  return {
    ...{ name: "handoff", rehomes: true, quietMs: 0 },
    frameBytesExtra: all.stateBytesMax + HEAD_BYTES,
    subprotocols: {
      offered: (client) => [...client.map((name) => PREFIX + name), HANDOFF],
      chosen(upstream) {
        if (upstream === HANDOFF) return "";
        return upstream.startsWith(PREFIX) ? upstream.slice(PREFIX.length) : undefined;
      },
    },
    isPrivate: true,
    create: (out) => new Handoff(all, out),
    restore(out, saved) {
      const session = new Handoff(all, out);
      return session.restore(saved) ? session : undefined;
    },
  };
}

interface Logged {
  readonly index: number;
  readonly bytes: Uint8Array;
}

class Handoff implements ProfileSession {
  readonly #rules: Required<HandoffRules>;
  readonly #out: ProfileOut;
  /** Of the last commit: the state, the client's last message in it, and the last one sent. */
  #state: Uint8Array = new Uint8Array(0);
  /** What the next commit makes of it. */
  #draft: Uint8Array | undefined;
  #up = 0;
  #down = 0;
  /** Last message to the client that it was given. */
  #got = 0;
  /** Last message of the client. */
  #last = 0;
  /** The client's, behind the commit. */
  #log: Logged[] = [];
  #logBytes = 0;
  #isFull = false;
  /** Last one that the current upstream sent; undefined: none yet. */
  #seen: number | undefined;
  /** To the client, behind the commit. */
  #held: PodEntry[] = [];
  #heldBytes = 0;
  #uncommittedBytes = 0;
  #isWatched = false;
  /** Counts upstreams. */
  #attempt = 0;

  constructor(rules: Required<HandoffRules>, out: ProfileOut) {
    this.#rules = rules;
    this.#out = out;
  }

  save(): Saved {
    const numbers = { up: this.#up, down: this.#down, got: this.#got };
    return [JSON.stringify(numbers), this.#state, ...this.#log.map(({ bytes }) => bytes)];
  }

  /** False: this is no client of the profile. */
  restore([text, state, ...log]: Saved): boolean {
    const { up, down, got } = numbersOf(text);
    const areIndices = [up, down, got].every((one) => Number.isSafeInteger(one) && one >= 0);
    if (!areIndices || typeof state !== "object" || got < down) return false;
    [this.#up, this.#down, this.#got, this.#last] = [up, down, got, up];
    this.#state = state;
    for (const bytes of log) {
      const entry = readFromGateway(bytes);
      const isNext = entry !== undefined && "index" in entry && entry.index === this.#last + 1;
      if (typeof bytes === "string" || !isNext) return false;
      this.#last += 1;
      this.#log.push({ index: this.#last, bytes });
      this.#logBytes += bytesOf(bytes);
    }
    this.#watch();
    return true;
  }

  get isQuiet(): boolean {
    return !this.isOwing && this.#held.length === 0;
  }

  get bytes(): number {
    return this.#state.length + (this.#draft?.length ?? 0) + this.#logBytes + this.#heldBytes;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  get isOwing(): boolean {
    return this.#log.length > 0;
  }

  fromClient(frame: Frame): void {
    this.#last += 1;
    this.#append(writeMessage(this.#last, frame));
  }

  clientClosed(code: number, reason: string): void {
    this.#last += 1;
    this.#append(writeClose(this.#last, { code, reason }));
  }

  attach(): void {
    this.#out.toNext(writeHello(this.#rules));
  }

  fromNext(frame: Frame): void {
    if (readFromPod(frame)?.type === "ready") this.#out.attached();
    else this.#out.refused(`it does not speak ${HANDOFF}`);
  }

  switched(): void {
    this.#attempt += 1;
    this.#seen = undefined;
    this.#draft = undefined;
    this.#takeHeld();
    const [up, down, got] = [this.#up, this.#down, this.#got];
    this.#out.toUpstream(writeAttach({ up, down, got }, this.#state));
    for (const { bytes } of this.#log) this.#out.toUpstream(bytes);
  }

  /** An application says goodbye in a message: any close of its socket means that it goes. */
  isGone(): boolean {
    return true;
  }

  leave(): void {
    this.#out.toUpstream(writeLeave());
  }

  fromUpstream(frame: Frame): void {
    const message = readFromPod(frame);
    switch (message?.type) {
      case "message":
      case "close":
        return this.#entry(message, frame.length);
      case "commit":
        if (message.state !== undefined) this.#take(message.state);
        return this.#commit(message.up);
      case "draft":
        return this.#take(message.state);
      case "sync":
        return this.#out.toUpstream(writeSaved(this.#up, this.#down));
      default:
        this.#fault("A message is none of the protocol");
    }
  }

  #entry(entry: PodEntry, bytes: number): void {
    const { index, up } = entry;
    const isNext =
      this.#seen === undefined
        ? index > this.#down && index <= this.#got + 1
        : index === this.#seen + 1;
    if (!isNext) return this.#fault(`Message ${index} does not follow`);
    this.#seen = index;
    // The client had it from the upstream before.
    if (index > this.#got) {
      if (entry.early === true && this.#held.length === 0) this.#pass(entry);
      else {
        this.#held.push(entry);
        this.#heldBytes += sizeOf(entry);
        this.#uncommittedBytes += bytes;
      }
    }
    if (up !== undefined) this.#commit(up);
    else if (this.#uncommittedBytes > this.#rules.uncommittedBytesMax)
      this.#fault(`More than ${this.#rules.uncommittedBytesMax} bytes without a commit`);
  }

  #take(state: Uint8Array): void {
    const { stateBytesMax } = this.#rules;
    if (state.length > stateBytesMax)
      return this.#fault(`A state has more than ${stateBytesMax} bytes`);
    this.#draft = state;
  }

  #commit(up: number): void {
    if (up < this.#up || up > this.#last) return this.#fault(`A commit of ${up} does not follow`);
    this.#state = this.#draft ?? this.#state;
    this.#draft = undefined;
    this.#up = up;
    this.#down = this.#seen ?? this.#down;
    this.#forget(up);
    for (const entry of this.#takeHeld()) this.#pass(entry);
  }

  #takeHeld(): readonly PodEntry[] {
    this.#heldBytes = 0;
    this.#uncommittedBytes = 0;
    return this.#held.splice(0);
  }

  #pass(entry: PodEntry): void {
    this.#got = entry.index;
    if (entry.type === "message") this.#out.toClient(entry.frame);
    else this.#out.end(sendable(entry.code), entry.reason);
  }

  #append(bytes: Uint8Array): void {
    this.#log.push({ index: this.#last, bytes });
    this.#logBytes += bytesOf(bytes);
    this.#isFull ||= this.#logBytes > this.#rules.unacknowledgedBytesMax;
    this.#out.toUpstream(bytes);
    this.#watch();
  }

  /** The client's messages up to this one are in the state. */
  #forget(up: number): void {
    const count = this.#log.findIndex(({ index }) => index > up);
    for (const { bytes } of this.#log.splice(0, count === -1 ? this.#log.length : count))
      this.#logBytes -= bytesOf(bytes);
    // It is read again when there is room for more than a message or two.
    this.#isFull &&= this.#logBytes > this.#rules.unacknowledgedBytesMax / 2;
  }

  /** One timer at most, whatever the client sends. */
  #watch(): void {
    const [oldest] = this.#log;
    if (this.#isWatched || oldest === undefined) return;
    this.#isWatched = true;
    const attempt = this.#attempt;
    this.#out.after(this.#rules.commitMsMax, () => {
      this.#isWatched = false;
      if (this.#log[0] === oldest && this.#attempt === attempt)
        this.#out.lost(`no commit within ${this.#rules.commitMsMax} ms`);
      this.#watch();
    });
  }

  #fault(why: string): void {
    this.#out.end(FAULT, `${HANDOFF}: ${why}`);
  }
}

/** Of a state, as text. */
function numbersOf(text: Frame | undefined): {
  readonly up: number;
  readonly down: number;
  readonly got: number;
} {
  try {
    return Object(JSON.parse(String(text)));
  } catch {
    return { up: Number.NaN, down: 0, got: 0 };
  }
}

const sizeOf = (entry: PodEntry): number =>
  bytesOf(entry.type === "message" ? entry.frame : entry.reason);
