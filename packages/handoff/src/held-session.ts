// Owns: the pod's side of holdfast.handoff.v1 for one client (spec/handoff.md).
import {
  type Entry,
  readFromGateway,
  writeClose,
  writeCommit,
  writeDraft,
  writeMessage,
  writeReady,
  writeSync,
} from "@holdfast/rehoming/handoff-messages";
import { HandoffError } from "./handoff-error.ts";
import type { HandoffHandlers, HandoffSession, SendOptions } from "./handoff-session.ts";
import { Jobs } from "./jobs.ts";

/** The socket below a session. */
export interface Wire {
  send(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
}

/** Who a client is. */
export interface Who {
  readonly id: string;
  readonly protocol: string;
}

const MOVED = 1000;
const FAULT = 1002;
const FAILED = 1011;
const NORMAL = 1000;
const NOTHING = new Uint8Array(0);

export class HeldSession implements HandoffSession {
  readonly id: string;
  readonly protocol: string;
  readonly isHeld = true;
  isNew = true;
  index = 0;
  ahead = 0;
  readonly #handlers: HandoffHandlers;
  readonly #wire: Wire;
  readonly #jobs: Jobs;
  #stateBytesMax = 0;
  #uncommittedBytesMax = 0;
  #state: Uint8Array = NOTHING;
  #isStateNew = false;
  /** The client's: last one that came, and last one that was handled. */
  #received = 0;
  #handled = 0;
  #sent = 0;
  /** The last one that was sent: it waits here, so that it can carry the commit. */
  #last: ((up?: number) => Uint8Array) | undefined;
  #uncommittedBytes = 0;
  #isCommitDue = false;
  #isOver = false;
  readonly #saving: { done(): void; failed(error: HandoffError): void }[] = [];

  constructor({ id, protocol }: Who, handlers: HandoffHandlers, wire: Wire) {
    this.id = id;
    this.protocol = protocol;
    this.#handlers = handlers;
    this.#wire = wire;
    this.#jobs = new Jobs((error) => this.#failed(error));
  }

  get state(): Uint8Array | undefined {
    return this.#state.length === 0 ? undefined : this.#state;
  }

  set state(state: Uint8Array | undefined) {
    const bytes = state ?? NOTHING;
    if (bytes.length > this.#stateBytesMax && !this.#isOver)
      throw new HandoffError(
        "state_too_large",
        `A state of ${bytes.length} bytes: the gateway takes ${this.#stateBytesMax}`,
      );
    this.#state = bytes;
    this.#isStateNew = true;
    this.#commitSoon();
  }

  send(data: string | Uint8Array, { early = false }: SendOptions = {}): void {
    if (this.#isOver) return;
    const index = this.#sent + 1;
    const bytes = early ? 0 : writeMessage(index, data).length;
    // The first one of a turn may carry its commit, however long it is.
    if (this.#uncommittedBytes > 0 && this.#uncommittedBytes + bytes > this.#uncommittedBytesMax)
      throw new HandoffError(
        "uncommitted_full",
        `The gateway holds ${this.#uncommittedBytesMax} bytes without a commit`,
      );
    this.#flush();
    this.#sent = index;
    this.#uncommittedBytes += bytes;
    if (early) this.#wire.send(writeMessage(index, data, { early }));
    else this.#last = (up) => writeMessage(index, data, { up });
    this.#commitSoon();
  }

  commit(): void {
    if (this.#isOver) return;
    const last = this.#last;
    this.#last = undefined;
    const state = this.#isStateNew ? this.#state : undefined;
    if (last === undefined) this.#wire.send(writeCommit(this.#handled, state));
    else {
      if (state !== undefined) this.#wire.send(writeDraft(state));
      this.#wire.send(last(this.#handled));
    }
    this.#isStateNew = false;
    this.#uncommittedBytes = 0;
  }

  saved(): Promise<void> {
    return new Promise((done, failed) => {
      if (this.#isOver) return failed(moved());
      this.commit();
      this.#wire.send(writeSync());
      this.#saving.push({ done, failed });
    });
  }

  skipAhead(): void {
    this.#sent += this.ahead;
    this.ahead = 0;
  }

  close(code = NORMAL, reason = ""): void {
    if (this.#isOver) return;
    this.#flush();
    this.#sent += 1;
    const index = this.#sent;
    this.#last = (up) => writeClose(index, { code, reason, ...(up === undefined ? {} : { up }) });
    this.#commitSoon();
  }

  /** A message of the gateway. */
  receive(data: string | Uint8Array): void {
    if (this.#isOver) return;
    const message = readFromGateway(data);
    switch (message?.type) {
      case "hello":
        this.#stateBytesMax = message.stateBytesMax;
        this.#uncommittedBytesMax = message.uncommittedBytesMax;
        return this.#wire.send(writeReady());
      case "attach":
        this.#attach(message);
        return;
      case "message":
      case "close":
        return this.#entry(message);
      case "leave":
        return this.#jobs.addNext(() => this.#leave());
      case "saved":
        return this.#saving.shift()?.done();
      default:
        this.#wire.close(FAULT, "This is no holdfast.handoff.v1");
        this.wasClosed();
    }
  }

  /** The socket is gone. */
  wasClosed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#jobs.clear();
    for (const { failed } of this.#saving.splice(0)) failed(moved());
    this.#handlers.left?.(this);
  }

  #attach(at: {
    readonly up: number;
    readonly down: number;
    readonly got: number;
    readonly state: Uint8Array;
  }): void {
    this.#state = at.state;
    this.#received = at.up;
    this.#handled = at.up;
    this.#sent = at.down;
    this.ahead = at.got - at.down;
    this.isNew = at.up === 0 && at.down === 0 && at.state.length === 0;
    const { attached } = this.#handlers;
    if (attached === undefined) return;
    this.#jobs.add(() => {
      const done = attached.call(this.#handlers, this);
      if (done === undefined) return this.#commitIfDue();
      return done.then(() => this.#commitIfDue());
    });
  }

  #entry(entry: Entry): void {
    // It was here before.
    if (entry.index <= this.#received) return;
    this.#received = entry.index;
    this.#jobs.add(() => {
      this.index = entry.index;
      const done =
        entry.type === "message"
          ? this.#handlers.message(this, entry.frame)
          : this.#handlers.closed?.(this, entry.code, entry.reason);
      if (done === undefined) return this.#handledIt(entry.index);
      return done.then(() => this.#handledIt(entry.index));
    });
  }

  #handledIt(index: number): void {
    this.#handled = index;
    this.commit();
  }

  /** What waits goes to the next pod, which gets it again. */
  #leave(): void {
    this.#jobs.clear();
    this.commit();
    this.#wire.close(MOVED, "The client moves");
    this.wasClosed();
  }

  #flush(): void {
    if (this.#last !== undefined) this.#wire.send(this.#last());
    this.#last = undefined;
  }

  /** A handler commits at its end. */
  #commitSoon(): void {
    if (this.#isCommitDue || this.#jobs.isRunning) return;
    this.#isCommitDue = true;
    void Promise.resolve().then(() => {
      this.#isCommitDue = false;
      // A handler that has begun meanwhile ends before, and commits.
      this.#jobs.add(() => this.#commitIfDue());
    });
  }

  #commitIfDue(): void {
    if (this.#uncommittedBytes > 0 || this.#last !== undefined || this.#isStateNew) this.commit();
  }

  #failed(error: unknown): void {
    if (this.#isOver) return;
    this.#handlers.failed?.(this, error);
    this.#wire.close(FAILED, "The application failed");
    this.wasClosed();
  }
}

const moved = (): HandoffError => new HandoffError("moved", "This pod has the client no more");
