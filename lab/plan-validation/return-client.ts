// Owns: a client that comes back and moves by the delays of the SDK, at a fraction of its cost, so
// that ten thousand fit into two processes.
import { attemptDelayMs } from "@holdfast/client/engine";
import { type ServerWord, Wire } from "./wire.ts";

export interface Ground {
  /** Port of the node that a balancer would take: the ready one with the fewest connections. */
  choose(): number;
  opened(port: number): void;
  closed(port: number): void;
  attempted(port: number): void;
  delivered(count: number): void;
  /** It has a session and its subscription, on this port. */
  arrived(how: "back" | "moved"): void;
  lost(): void;
}

const CONNECT_TIMEOUT_MS = 10_000;
const STABLE_MS = 5000;
const MOVE_RETRY_MS = 500;

interface Attempt {
  readonly wire: Wire;
  readonly moving: boolean;
  connected: boolean;
  retryMs: number;
  timer: Timer;
}

export class ReturnClient {
  readonly channel: string;
  readonly #ground: Ground;
  #primary: Attempt | undefined;
  #second: Attempt | undefined;
  #resume: string | undefined;
  #windowMs = 0;
  #failures = 0;
  #connectedAtMs = 0;
  #requests = 1;
  #closing = false;

  constructor(channel: string, ground: Ground) {
    this.channel = channel;
    this.#ground = ground;
  }

  get connected(): boolean {
    return this.#primary?.connected === true;
  }

  get port(): number | undefined {
    return this.#primary?.wire.port;
  }

  /** The time over which the node wants it to spread. */
  get windowMs(): number {
    return this.#windowMs;
  }

  start(): void {
    this.#primary = this.#open(false);
  }

  publish(text: string): void {
    this.#primary?.wire.send({ t: "publish", id: ++this.#requests, ch: this.channel, d: { text } });
  }

  /** The pong says over how long to spread. */
  ping(): void {
    this.#primary?.wire.send({ t: "ping", id: ++this.#requests });
  }

  /** As if nobody had told it. */
  forgetWindow(): void {
    this.#windowMs = 0;
  }

  /** As if the network had cut it: it comes back by itself. */
  drop(): void {
    const attempt = this.#primary;
    if (attempt === undefined) return;
    attempt.wire.close();
    this.#ended(attempt);
  }

  close(): void {
    this.#closing = true;
    for (const attempt of [this.#primary, this.#second]) {
      if (attempt === undefined) continue;
      clearTimeout(attempt.timer);
      attempt.wire.close();
      this.#ground.closed(attempt.wire.port);
    }
    this.#primary = this.#second = undefined;
  }

  #open(moving: boolean): Attempt {
    const port = this.#ground.choose();
    this.#ground.attempted(port);
    this.#ground.opened(port);
    const attempt: Attempt = {
      wire: new Wire(port, {
        opened: () =>
          attempt.wire.send({
            t: "connect",
            id: 1,
            migrates: true,
            ...(this.#resume === undefined ? {} : { resume: this.#resume }),
            ...(moving ? { moving: true } : {}),
          }),
        frame: (frame) => this.#heard(attempt, frame),
        delivered: (count) => this.#ground.delivered(count),
        closed: () => this.#ended(attempt),
      }),
      moving,
      connected: false,
      retryMs: 0,
      timer: setTimeout(() => {
        attempt.wire.close();
        this.#ended(attempt);
      }, CONNECT_TIMEOUT_MS),
    };
    return attempt;
  }

  #heard(attempt: Attempt, frame: ServerWord): void {
    if (frame.windowMs !== undefined) this.#windowMs = frame.windowMs;
    if (frame.t === "connected") {
      this.#resume = frame.resume ?? this.#resume;
      attempt.wire.send({ t: "subscribe", id: ++this.#requests, ch: this.channel });
    } else if (frame.t === "subscribed") this.#settled(attempt);
    else if (frame.t === "goodbye") attempt.retryMs = frame.retryMs ?? 0;
    else if (frame.t === "migrate" && attempt === this.#primary) this.#second ??= this.#open(true);
  }

  #settled(attempt: Attempt): void {
    clearTimeout(attempt.timer);
    attempt.connected = true;
    this.#connectedAtMs = performance.now();
    if (attempt !== this.#second) return this.#ground.arrived("back");
    const old = this.#primary;
    this.#primary = attempt;
    this.#second = undefined;
    if (old !== undefined) {
      old.wire.send({ t: "bye", moved: true });
      old.wire.close();
      this.#ground.closed(old.wire.port);
    }
    this.#ground.arrived(old === undefined ? "back" : "moved");
  }

  #ended(attempt: Attempt): void {
    clearTimeout(attempt.timer);
    if (this.#closing || (attempt !== this.#primary && attempt !== this.#second)) return;
    this.#ground.closed(attempt.wire.port);
    if (attempt === this.#second) {
      this.#second = undefined;
      this.#later(attempt.retryMs + Math.random() * MOVE_RETRY_MS, () => {
        if (this.#primary !== undefined) this.#second ??= this.#open(true);
      });
      return;
    }
    this.#primary = undefined;
    if (attempt.connected) this.#ground.lost();
    if (this.#second !== undefined) {
      // What was to be the second connection is the connection now.
      this.#primary = this.#second;
      this.#second = undefined;
      if (this.#primary.connected) this.#ground.arrived("back");
      return;
    }
    const lasted = attempt.connected && performance.now() - this.#connectedAtMs >= STABLE_MS;
    this.#failures = lasted ? 0 : this.#failures + 1;
    const delayMs = attemptDelayMs({
      failures: this.#failures,
      retryMs: attempt.retryMs,
      windowMs: this.#windowMs,
      random: Math.random(),
    });
    this.#later(delayMs, () => {
      this.#primary ??= this.#open(false);
    });
  }

  #later(delayMs: number, task: () => void): void {
    setTimeout(() => {
      if (!this.#closing) task();
    }, delayMs);
  }
}
