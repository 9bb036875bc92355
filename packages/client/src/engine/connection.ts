// Owns: one transport connection: batching, requests and their answers, pings, liveness, its end.
import {
  type ClientFrame,
  type ConnectedFrame,
  type Encoded,
  FRAMES_PER_MESSAGE_MAX,
  type GoodbyeFrame,
  type ServerFrame,
} from "@holdfast/protocol";
import { type Answer, byteLength, type EngineContext, type Request } from "./engine-context.ts";
import type { Transport } from "./environment.ts";

/** A message's limit until the node told its own. */
const FIRST_MESSAGE_BYTES_MAX = 16_384;
/**
 * An answer that takes longer than this (RPCs excepted) means that the connection does not work.
 */
const ANSWER_TIMEOUT_MS = 15_000;
/** Within this a ping is answered: a slow network may be busy with something large. */
const PONG_MS = 10_000;
const PROBE_MS = 5_000;
/** A timer that fires this late means that the process or page slept: ask before giving up. */
const SLEPT_MS = 2_000;

/**
 * Why and when a connection ended. `lostAtMs`: when it stopped working, which for a silent one is
 * before it was noticed.
 */
export interface End {
  readonly closeCode: number;
  readonly reason: string;
  readonly goodbye?: GoodbyeFrame;
  readonly lostAtMs: number;
}

export interface ConnectionEvents {
  opened(connection: Connection): void;
  connected(connection: Connection, frame: ConnectedFrame): void;
  /** Every frame that answers no request, and every pong. */
  frame(connection: Connection, frame: ServerFrame<unknown>): void;
  /** Once. After it every unanswered request gets `undefined`, in the order of sending. */
  ended(connection: Connection, end: End): void;
}

/**
 * How a request waits. `patient`: no answer is due within a time. `once`: it must not be repeated
 * elsewhere, so only this connection can answer it.
 */
export interface Waiting {
  readonly patient?: boolean;
  readonly once?: boolean;
}

interface Pending extends Waiting {
  readonly answer: (answer: Answer | undefined) => void;
  readonly sentMs: number;
}

/**
 * One connection. Ends once: by the peer, by silence, by a missing answer, by a goodbye, or by
 * `end`/`bye`.
 */
export class Connection {
  readonly #engine: EngineContext;
  readonly #events: ConnectionEvents;
  readonly #transport: Transport;
  readonly #pending = new Map<number, Pending>();
  readonly #timers = new Map<string, () => void>();
  #outbox: Encoded[] = [];
  #ended = false;
  #lastFrameMs = 0;
  #answerMs = 0;
  #probeId = 0;
  #whenIdle: (() => void) | undefined;
  #whenClosed: (() => void) | undefined;
  #info: ConnectedFrame | undefined;
  #infoAtMs = 0;

  constructor(
    engine: EngineContext,
    url: string,
    options: {
      /** From now until the transport is open. */
      readonly openMs: number;
      /** From now until the node's answer. */
      readonly timeoutMs: number;
      readonly events: ConnectionEvents;
    },
  ) {
    this.#engine = engine;
    this.#events = options.events;
    const late = () => this.end(4007, "not connected");
    this.#timer("open", options.openMs, late);
    this.#timer("handshake", options.timeoutMs, late);
    this.#transport = engine.environment.open(url, engine.codec.subprotocol, {
      opened: () => this.#onOpened(),
      message: (message) => this.#onMessage(message),
      closed: (code, reason) => this.#onClosed(code, reason),
    });
  }

  /** The node's `connected`, once it came. */
  get info(): ConnectedFrame | undefined {
    return this.#info;
  }
  /** How long ago `info` came. */
  get infoAgeMs(): number {
    return this.#now() - this.#infoAtMs;
  }
  get ended(): boolean {
    return this.#ended;
  }
  /**
   * How long answers take here: the longest one lately, patient requests left out. 0 before the
   * first.
   */
  get answerMs(): number {
    return this.#answerMs;
  }
  get messageBytesMax(): number {
    return this.#info?.messageBytesMax ?? FIRST_MESSAGE_BYTES_MAX;
  }

  /** Sends a frame at the end of this turn, joined with the others of the turn. */
  send(frame: ClientFrame<unknown>): void {
    this.sendEncoded(this.#engine.codec.encode(frame));
  }

  sendEncoded(encoded: Encoded): void {
    if (this.#outbox.push(encoded) === 1) this.#engine.defer(() => this.#flush());
  }

  /**
   * Sends a request. `answer` is called once: with the answer, or with undefined when the
   * connection ended before it came.
   */
  request(frame: Request, answer: (answer: Answer | undefined) => void = () => {}): void {
    const id = this.#engine.nextId();
    this.requestEncoded(id, this.#engine.codec.encode({ ...frame, id }), answer);
  }

  /** The same with a frame that is encoded already. */
  requestEncoded(
    id: number,
    encoded: Encoded,
    answer: (answer: Answer | undefined) => void,
    waiting: Waiting = {},
  ): void {
    this.#pending.set(id, { ...waiting, answer, sentMs: this.#now() });
    if (!waiting.patient && !this.#timers.has("answers"))
      this.#timer("answers", ANSWER_TIMEOUT_MS, () => this.#checkAnswers());
    this.sendEncoded(encoded);
  }

  /** Stops waiting for an answer; it is ignored when it comes. */
  forget(id: number): void {
    this.#pending.delete(id);
    this.#tellIdle();
  }

  /**
   * Answers undefined to everything that can be asked elsewhere; what is asked `once` goes on
   * waiting here.
   */
  release(): void {
    for (const [id, { once, answer }] of [...this.#pending])
      if (!once && this.#pending.delete(id)) answer(undefined);
    this.#tellIdle();
  }

  /**
   * Runs `task` when no request waits for an answer any more: now, or after the answer that is the
   * last one.
   */
  whenIdle(task: () => void): void {
    if (this.#pending.size === 0) task();
    else this.#whenIdle = task;
  }

  /** Runs `task` when the transport is closed. */
  whenClosed(task: () => void): void {
    this.#whenClosed = task;
  }

  /**
   * Asks for a sign of life within the time; without one the connection is lost. The answer to this
   * very ping is one. Other frames may have been on their way when the network went, so they count
   * from half of the time on only: then the answer is behind much data on a slow network. If the
   * process or page slept meanwhile, the node is asked once more.
   */
  probe(limitMs = PROBE_MS): void {
    const name = `probe${limitMs}`;
    if (!this.#info || this.#timers.has(name)) return;
    const sinceMs = this.#now();
    this.#probeId = this.#engine.nextId();
    this.send({ t: "ping", id: this.#probeId });
    this.#timer(name, limitMs, () => {
      if (this.#lastFrameMs >= sinceMs + limitMs / 2) return;
      if (limitMs > PROBE_MS && this.#now() > sinceMs + limitMs + SLEPT_MS) return this.probe();
      this.#finish({ closeCode: 4004, reason: "silent", lostAtMs: this.#lastFrameMs });
    });
  }

  /** Says goodbye behind everything sent, and closes. `ended` is not told. */
  bye(moved: boolean): void {
    this.send(moved ? { t: "bye", moved } : { t: "bye" });
    this.#flush();
    this.#stop();
    this.#transport.close(1000, "");
    this.#settleAll();
  }

  /** Gives the connection up. */
  end(closeCode: number, reason: string): void {
    this.#finish({ closeCode, reason, lostAtMs: this.#now() });
  }

  #onOpened(): void {
    if (this.#ended) return;
    this.#cancel("open");
    this.#events.opened(this);
  }

  #onClosed(code: number, reason: string): void {
    this.#finish({ closeCode: code, reason, lostAtMs: this.#now() });
    this.#whenClosed?.();
  }

  #onMessage(message: Encoded): void {
    this.#lastFrameMs = this.#now();
    let frames: readonly ServerFrame<unknown>[];
    try {
      frames = this.#engine.codec.decode(message);
    } catch (error) {
      this.#engine.report(error);
      this.end(4011, "protocol broken");
      return;
    }
    for (const frame of frames) if (!this.#ended) this.#onFrame(frame);
  }

  #onFrame(frame: ServerFrame<unknown>): void {
    switch (frame.t) {
      case "connected":
        if (!this.#info) this.#onConnected(frame);
        return;
      case "goodbye":
        this.#finish({
          closeCode: 1000,
          reason: frame.name,
          goodbye: frame,
          lostAtMs: this.#now(),
        });
        return;
      case "pong":
        if (frame.id === this.#probeId)
          for (const limitMs of [PROBE_MS, PONG_MS]) this.#cancel(`probe${limitMs}`);
        this.#events.frame(this, frame);
        return;
      case "ok":
      case "published":
      case "err":
      case "subscribed":
      case "history":
        this.#answer(frame);
        return;
      default:
        this.#events.frame(this, frame);
    }
  }

  #onConnected(frame: ConnectedFrame): void {
    this.#info = frame;
    this.#infoAtMs = this.#now();
    this.#cancel("handshake");
    this.#schedulePing(frame.pingMs);
    this.#events.connected(this, frame);
  }

  #answer(frame: Answer): void {
    const pending = this.#pending.get(frame.id);
    this.#pending.delete(frame.id);
    if (pending && !pending.patient)
      this.#answerMs = Math.max(this.#now() - pending.sentMs, this.#answerMs * 0.8);
    pending?.answer(frame);
    this.#tellIdle();
  }

  #tellIdle(): void {
    if (this.#pending.size === 0) this.#whenIdle?.();
  }

  #schedulePing(pingMs: number): void {
    this.#timer("ping", pingMs * (1 - 0.2 * this.#engine.chance()), () => {
      this.probe(PONG_MS);
      this.#schedulePing(pingMs);
    });
  }

  /** `asked`: the process or page slept, and this connection was asked for a sign of life since. */
  #checkAnswers(asked = false): void {
    for (const { patient, sentMs } of this.#pending.values()) {
      if (patient) continue;
      const leftMs = sentMs + ANSWER_TIMEOUT_MS - this.#now();
      if (leftMs < -SLEPT_MS && !asked) {
        this.probe();
        this.#timer("answers", PROBE_MS + SLEPT_MS, () => this.#checkAnswers(true));
      } else if (leftMs <= 0) this.end(4011, "no answer");
      else this.#timer("answers", leftMs, () => this.#checkAnswers());
      return;
    }
  }

  #flush(): void {
    const outbox = this.#outbox;
    this.#outbox = [];
    const bytesMax = this.messageBytesMax;
    let batch: Encoded[] = [];
    let bytes = 0;
    for (const encoded of outbox) {
      const size = byteLength(encoded) + 1;
      if (batch.length > 0 && (bytes + size > bytesMax || batch.length >= FRAMES_PER_MESSAGE_MAX)) {
        this.#transport.send(this.#engine.codec.join(batch));
        batch = [];
        bytes = 0;
      }
      batch.push(encoded);
      bytes += size;
    }
    this.#transport.send(this.#engine.codec.join(batch));
  }

  #finish(end: End): void {
    if (this.#ended) return;
    this.#stop();
    this.#transport.close(
      end.closeCode >= 4000 && end.closeCode < 5000 ? end.closeCode : 1000,
      end.reason.slice(0, 100),
    );
    this.#events.ended(this, end);
    this.#settleAll();
  }

  #stop(): void {
    this.#ended = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #settleAll(): void {
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { answer } of pending) answer(undefined);
  }

  #timer(name: string, delayMs: number, task: () => void): void {
    const cancel = this.#engine.after(Math.max(0, delayMs), () => {
      this.#timers.delete(name);
      task();
    });
    this.#timers.set(name, cancel);
  }

  #cancel(name: string): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }

  #now(): number {
    return this.#engine.nowMs();
  }
}
