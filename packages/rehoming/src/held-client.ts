// Owns: one client whose socket is held: which upstream it has, when it gets another, what waits.
import { ClientPause } from "./client-pause.ts";
import {
  BROKEN,
  GOING_AWAY,
  isFinal,
  isGone,
  REFUSED,
  SERVICE_RESTART,
  sendable,
  TRY_AGAIN_LATER,
} from "./close-codes.ts";
import type { Frame } from "./frame.ts";
import { LooseTimers } from "./loose-timers.ts";
import { Losses } from "./losses.ts";
import { homelessMs, inTimeMs, isUnwanted, lost, type Move, refused, retryMs } from "./move.ts";
import { NamedTimers } from "./named-timers.ts";
import { NextHome } from "./next-home.ts";
import { FIRST_HOME, HELD_LIMITS, type HeldLimits, type HeldPorts, type HomeId } from "./ports.ts";
import type { Cancel, Profile, ProfileOut, ProfileSession, Released } from "./profile.ts";
import { RememberedBytes } from "./remembered-bytes.ts";
import { WaitingFrames } from "./waiting-frames.ts";

const POLL_MS = 5;

/**
 * Holds one client. At most one upstream is current and gets its frames. Guarantees (G1 to G5 of
 * docs/design/gateway.md): each frame of the client reaches one upstream at most, in order; a frame
 * that none takes is counted, and the client is closed; each upstream's frames reach the profile in
 * order, those of the former one before those of the next; a move opens and attaches the next one
 * before the former is asked to go, and reads that to its end; what waits has a limit in bytes and
 * in time.
 */
export class HeldClient {
  readonly #ports: HeldPorts;
  readonly #limits: HeldLimits;
  readonly #profile: Profile;
  readonly #session: ProfileSession;
  readonly #waiting: WaitingFrames;
  #current: HomeId | undefined;
  /** Was current, is asked to go, and is read to its end. */
  #leaving: HomeId | undefined;
  #next: NextHome | undefined;
  #move: Move | undefined;
  #lastId = FIRST_HOME;
  /** The one that was lost or left before the next takes over was read to its end. */
  #isWhole = true;
  #withoutSinceMs = 0;
  /** Then a client without an upstream is given up. */
  #withoutUntilMs = 0;
  #lastFrameMs = Number.NEGATIVE_INFINITY;
  #closedByClient: { readonly code: number; readonly reason: string } | undefined;
  #isCloseTold = false;
  #isOver = false;
  readonly #timers: NamedTimers<Timer>;
  readonly #profileTimers: LooseTimers;
  readonly #remembered: RememberedBytes;
  readonly #pause: ClientPause;
  readonly #losses: Losses;
  /** It goes to another gateway: whoever asked hears what is known of it. */
  #onReleased: ((released: Released) => void) | undefined;
  #isReleasing = false;
  /** What another gateway knew of it cannot be read. */
  readonly #isStrange: boolean;

  /** What its profile may do. A class, because each client has one: closures would be eight. */
  static readonly #Out = class implements ProfileOut {
    readonly #client: HeldClient;

    constructor(client: HeldClient) {
      this.#client = client;
    }

    toClient(frame: Frame): void {
      const client = this.#client;
      if (client.#isOver || client.#closedByClient !== undefined) return;
      client.#ports.client.send(frame);
    }
    toUpstream(frame: Frame): void {
      const current = this.#client.#current;
      if (current !== undefined) this.#client.#ports.upstream.send(current, frame);
    }
    toNext(frame: Frame): void {
      const next = this.#client.#next;
      if (next !== undefined) this.#client.#ports.upstream.send(next.id, frame);
    }
    attached(): void {
      this.#client.#attached();
    }
    refused(why: string): void {
      this.#client.#giveUpNext(why);
    }
    end(code: number, reason: string): void {
      this.#client.end(code, reason);
    }
    lost(why: string): void {
      this.#client.#lost(this.#client.#current, why);
    }
    after(delayMs: number, task: () => void): Cancel {
      return this.#client.#profileTimers.start(delayMs, task);
    }
  };

  /** `former`: another gateway held it until now, and gave this. */
  constructor(
    profile: Profile,
    ports: HeldPorts,
    limits: HeldLimits = HELD_LIMITS,
    former?: Released,
  ) {
    this.#profile = profile;
    this.#ports = ports;
    this.#limits = limits;
    this.#timers = new NamedTimers(ports.clock);
    this.#profileTimers = new LooseTimers(ports.clock, () => this.#pass());
    this.#remembered = new RememberedBytes(ports.room, limits.waitingBytesMax);
    this.#pause = new ClientPause(ports.client, limits.waitingBytesMax);
    this.#losses = new Losses(limits);
    this.#waiting = new WaitingFrames(ports.room, limits.waitingBytesMax);
    const out = new HeldClient.#Out(this);
    const restored = former && profile.restore?.(out, former.saved);
    this.#session = restored ?? profile.create(out);
    this.#isStrange = former !== undefined && restored === undefined;
    this.#isWhole = former?.isWhole ?? true;
  }

  /** The client's socket is open, and so is its first upstream, `FIRST_HOME`. Once. */
  start(): void {
    this.#withoutUpstream();
    this.#next = new NextHome(this.#lastId, this.#ports.room, this.#limits.waitingBytesMax);
    if (this.#isStrange) return this.end(SERVICE_RESTART, "Nobody knows this client here");
    this.homeOpened(FIRST_HOME);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether it can move to another upstream. */
  get rehomes(): boolean {
    return this.#session.rehomes ?? this.#profile.rehomes;
  }

  /** Its current upstream. */
  get home(): HomeId | undefined {
    return this.#current;
  }

  /** It has no upstream of its own now, or is on its way to another. */
  get isMoving(): boolean {
    return this.#current === undefined || this.#next !== undefined;
  }

  /**
   * Moves the client away from its current upstream, make before break. `withinMs`: how long to
   * try; afterwards it stays. If the profile doesn't re-home, a drain closes the client.
   */
  move(cause: "drain" | "rebalance", withinMs: number): void {
    if (this.#isOver || this.isMoving) return;
    // Between two attempts.
    if (this.#move !== undefined) {
      this.#move = { ...this.#move, cause, untilMs: this.#nowMs() + withinMs };
      return;
    }
    if (!this.rehomes) {
      if (cause === "drain") this.end(SERVICE_RESTART, "The server restarts");
      return;
    }
    this.#move = { cause, untilMs: this.#nowMs() + withinMs, attempts: 0, refusals: 0 };
    this.#openNext(this.#current);
  }

  /** A server came. A client that waits to try again does so within so much time, by chance. */
  hurry(withinMs: number): void {
    if (this.#current !== undefined) return;
    this.#timers.hasten("retry", withinMs * this.#ports.random.next());
  }

  /** This is a good moment to leave the upstream. */
  get isQuiet(): boolean {
    const isLong = this.#nowMs() - this.#lastFrameMs >= this.#profile.quietMs;
    return !this.isMoving && this.#session.isQuiet && isLong;
  }

  /**
   * The client goes to another gateway, and sends nothing more here. What it sent reaches an
   * upstream, and that is left and read to its end. Then `done` is called, and this one is over.
   */
  release(done: (released: Released) => void): void {
    if (this.#isOver || this.#closedByClient !== undefined) return;
    this.#onReleased = done;
    this.#pass();
  }

  fromClient(frame: Frame): void {
    if (this.#isOver || this.#closedByClient !== undefined) return;
    if (this.#session.takes?.(frame) === true) return this.#account();
    const isFree = this.#waiting.count === 0 && this.#session.isFull !== true;
    if (this.#current !== undefined && isFree) {
      this.#lastFrameMs = this.#nowMs();
      this.#session.fromClient(frame);
      return this.#pass();
    }
    if (!this.#waiting.add(frame)) {
      this.#ports.observer.dropped(1, "room");
      this.end(TRY_AGAIN_LATER, "Too much waits for a server");
    } else this.#pause.wait(this.#waiting.bytes);
  }

  /** The client closed its socket, or it broke. What waits is still delivered, if that is soon. */
  clientClosed(code: number, reason: string): void {
    if (this.#isOver || this.#closedByClient !== undefined) return;
    this.#closedByClient = { code, reason };
    if (this.#waiting.count > 0) return;
    if (this.#current !== undefined) this.#finish(this.#current);
    else if (this.#session.clientClosed === undefined) this.#over();
  }

  /** An upstream that `open` was called for is open. */
  homeOpened(id: HomeId): void {
    const next = this.#next;
    if (this.#isOver || next?.id !== id || next.state !== "opening")
      return this.#ports.upstream.drop(id);
    next.state = "open";
    const isAlone = this.#current === undefined && this.#leaving === undefined;
    if (isAlone || this.#session.attachesAlone !== true) this.#attach(next);
    else if (this.#current !== undefined) this.#settle(this.#nowMs() + this.#limits.settleMsMax);
  }

  /**
   * An upstream that `open` was called for could not be opened. `isOfClient`: it does not take this
   * very client, whoever else it takes.
   */
  homeFailed(id: HomeId, why: string, isOfClient = false): void {
    if (this.#isOver || this.#next?.id !== id) return;
    const verdict = { code: REFUSED, reason: `The next server refused this client: ${why}` };
    this.#nextFailed(why, isOfClient ? verdict : undefined);
  }

  fromHome(id: HomeId, frame: Frame): void {
    if (this.#isOver) return;
    if (id === this.#current || id === this.#leaving) {
      this.#lastFrameMs = this.#nowMs();
      this.#session.fromUpstream(frame);
      this.#pass();
    } else if (id === this.#next?.id) {
      this.#fromNext(this.#next, frame);
    }
  }

  /** An upstream's socket is closed. 1006: without a closing handshake. */
  homeClosed(id: HomeId, code: number, reason: string): void {
    if (this.#isOver) return;
    // Its word about this client, as a refused handshake is.
    const verdict = isFinal(code) && !this.#saysItGoes(code) ? { code, reason } : undefined;
    if (id === this.#next?.id) this.#nextFailed(`it closed with ${code}`, verdict);
    else if (id === this.#leaving && isFinal(code) && !this.#saysItGoes(code))
      this.end(code, reason);
    else if (id === this.#leaving) this.#left(code !== BROKEN);
    else if (id === this.#current) this.#currentClosed(id, code, reason);
  }

  #nowMs(): number {
    return this.#ports.clock.nowMs();
  }

  #saysItGoes(code: number): boolean {
    return this.#session.isGone?.(code) ?? isGone(code);
  }

  #openNext(not: HomeId | undefined): void {
    this.#lastId += 1;
    this.#next = new NextHome(this.#lastId, this.#ports.room, this.#limits.waitingBytesMax);
    this.#ports.upstream.open(this.#lastId, not);
  }

  #attach(next: NextHome): void {
    next.state = "attaching";
    this.#timers.start("attach", this.#limits.attachMsMax, () =>
      this.#giveUpNext("it took too long"),
    );
    this.#session.attach(this.#isWhole);
    next.handOut((frame) => this.#session.fromNext(frame));
    this.#account();
  }

  #fromNext(next: NextHome, frame: Frame): void {
    if (next.state === "attaching") {
      this.#session.fromNext(frame);
      return this.#account();
    }
    if (next.waiting.add(frame)) return;
    // It would be lost if it were not read. Another attach tells the client the same again.
    this.#giveUpNext("it sent more than may wait");
  }

  #attached(): void {
    const next = this.#next;
    if (this.#isOver || next?.state !== "attaching") return;
    next.state = "attached";
    this.#timers.cancel("attach");
    if (this.#current !== undefined) this.#settle(this.#nowMs() + this.#limits.settleMsMax);
    else if (this.#leaving === undefined) this.#takeOver(next);
  }

  /** Waits for a good moment. Frames pass as before. */
  #settle(untilMs: number): void {
    const nowMs = this.#nowMs();
    const quietInMs = this.#lastFrameMs + this.#profile.quietMs - nowMs;
    const isQuiet = this.#session.isQuiet && quietInMs <= 0;
    if (isQuiet || nowMs >= untilMs) return this.#leave();
    const pollMs = Math.min(Math.max(POLL_MS, quietInMs), untilMs - nowMs);
    this.#timers.start("settle", pollMs, () => this.#settle(untilMs));
  }

  /** From now on the client's frames wait for the next upstream. */
  #leave(): void {
    const leaving = this.#current;
    if (leaving === undefined) return;
    this.#session.leave?.();
    this.#current = undefined;
    this.#leaving = leaving;
    this.#withoutUpstream();
    if (this.#session.leave !== undefined) this.#expectLastFrames(leaving);
    else this.#close(leaving, this.#nowMs() + this.#limits.lastFramesMsMax);
  }

  /** Answers that are under way come first: a server that is asked to go keeps them to itself. */
  #close(leaving: HomeId, untilMs: number): void {
    if (!this.#session.isQuiet && this.#nowMs() < untilMs)
      return this.#timers.start("goodbye", POLL_MS, () => this.#close(leaving, untilMs));
    this.#expectLastFrames(leaving);
    this.#ports.upstream.close(leaving, GOING_AWAY, "The client moves");
  }

  #expectLastFrames(leaving: HomeId): void {
    this.#timers.start("lastFrames", this.#limits.lastFramesMsMax, () => {
      this.#ports.upstream.drop(leaving);
      this.#left(false);
    });
  }

  #left(isWhole: boolean): void {
    this.#leaving = undefined;
    this.#timers.cancel("goodbye", "lastFrames");
    this.#isWhole = isWhole;
    if (!this.#isReleasing) return this.#goOn(this.#next);
    this.#isReleasing = false;
    const done = this.#onReleased;
    this.#onReleased = undefined;
    if (this.#closedByClient === undefined) {
      const saved = this.#session.save?.() ?? [];
      this.#over();
      return done?.({ isWhole, saved });
    }
    // It broke meanwhile: an upstream is to hear of that.
    this.#move = lost();
    this.#openNext(undefined);
  }

  /** The former upstream is gone. */
  #goOn(next: NextHome | undefined): void {
    if (next?.state === "attached") this.#takeOver(next);
    else if (next?.state === "open") this.#attach(next);
  }

  /** The profile says that the current upstream hangs. */
  #lost(id: HomeId | undefined, why: string): void {
    if (this.#isOver || id === undefined) return;
    this.#ports.upstream.drop(id);
    this.#currentClosed(id, BROKEN, why);
  }

  #currentClosed(id: HomeId, code: number, reason: string): void {
    this.#current = undefined;
    if (!this.rehomes || !this.#saysItGoes(code)) return this.end(sendable(code), reason);
    this.#isWhole = false;
    this.#timers.cancel("settle");
    if (!this.#losses.mayGoOn(this.#nowMs()))
      return this.end(SERVICE_RESTART, "One server after the other failed");
    this.#withoutUpstream();
    this.#move = lost();
    if (this.#next === undefined) {
      this.#timers.cancel("retry");
      this.#openNext(id);
    } else this.#goOn(this.#next);
  }

  #withoutUpstream(): void {
    this.#withoutSinceMs = this.#nowMs();
    const withinMs = homelessMs(this.#limits, this.#ports.random.next());
    this.#withoutUntilMs = this.#withoutSinceMs + withinMs;
    this.#timers.start("homeless", withinMs, () =>
      this.end(TRY_AGAIN_LATER, "No server took this client in time"),
    );
  }

  #giveUpNext(why: string): void {
    if (this.#isOver || this.#next === undefined) return;
    this.#ports.upstream.drop(this.#next.id);
    this.#nextFailed(why);
  }

  #nextFailed(why: string, verdict?: { readonly code: number; readonly reason: string }): void {
    if (verdict !== undefined) this.#move = refused(this.#move ?? lost());
    const isLast = this.#move !== undefined && isUnwanted(this.#move);
    if (verdict !== undefined && isLast && this.#move?.cause !== "rebalance")
      return this.end(verdict.code, verdict.reason);
    this.#next?.waiting.clear();
    this.#next = undefined;
    this.#timers.cancel("attach", "settle");
    const move = this.#move ?? lost();
    this.#ports.observer.moveFailed(move.cause, why);
    const laterMs = retryMs(move, this.#ports.random.next());
    // Without an upstream, the time for that is the limit.
    const isOver = this.#nowMs() + laterMs > move.untilMs || isUnwanted(move);
    const isTriedAgain = this.#current === undefined || !isOver;
    const leftMs = this.#withoutUntilMs - this.#nowMs();
    const waitMs = this.#current === undefined ? inTimeMs(laterMs, leftMs) : laterMs;
    this.#move = isTriedAgain ? { ...move, attempts: move.attempts + 1 } : undefined;
    if (isTriedAgain) this.#timers.start("retry", waitMs, () => this.#openNext(this.#current));
  }

  /** The next upstream is the current one from now on. */
  #takeOver(next: NextHome): void {
    const cause = this.#move?.cause;
    this.#current = next.id;
    this.#next = undefined;
    this.#move = undefined;
    this.#timers.cancel("homeless");
    this.#losses.began(this.#nowMs());
    const pausedMs = this.#nowMs() - this.#withoutSinceMs;
    this.#session.switched(this.#isWhole);
    this.#isWhole = true;
    if (cause !== undefined && !this.#isOver) this.#ports.observer.moved(cause, pausedMs);
    for (const frame of next.waiting.all()) if (!this.#isOver) this.#session.fromUpstream(frame);
    this.#pass();
  }

  /** Hands on what waits, if somebody takes it, and does what waited for that. */
  #pass(): void {
    this.#account();
    while (!this.#isOver && this.#current !== undefined && this.#session.isFull !== true) {
      const frame = this.#waiting.take();
      if (frame === undefined) break;
      this.#lastFrameMs = this.#nowMs();
      this.#session.fromClient(frame);
      this.#account();
    }
    if (this.#isOver || this.#current === undefined) return;
    if (this.#session.isFull === true) return this.#pause.now();
    this.#pause.resume();
    if (this.#closedByClient !== undefined) this.#finish(this.#current);
    else if (this.#onReleased !== undefined) {
      this.#stayHere();
      this.#isReleasing = true;
      this.#leave();
    }
  }

  /** A move to another upstream that has not come to its cut is forgotten. */
  #stayHere(): void {
    if (this.#next !== undefined) this.#ports.upstream.drop(this.#next.id);
    this.#next?.waiting.clear();
    this.#next = undefined;
    this.#move = undefined;
    this.#timers.cancel("attach", "settle", "retry");
  }

  /** What the profile remembers takes room as frames that wait do. */
  #account(): void {
    if (this.#isOver || this.#remembered.become(this.#session.bytes)) return;
    this.end(TRY_AGAIN_LATER, "Too much would have to be told to the next server");
  }

  /** The client has gone, and an upstream has all its frames, or will have acknowledged them. */
  #finish(id: HomeId): void {
    const { code, reason } = this.#closedByClient ?? { code: GOING_AWAY, reason: "" };
    if (!this.#isCloseTold) {
      this.#isCloseTold = true;
      this.#session.clientClosed?.(code, reason);
      this.#account();
      this.#timers.start("owing", this.#limits.homelessMsMax, () => {
        this.#ports.observer.dropped(1, "closed");
        this.end(code, reason);
      });
    }
    if (this.#isOver || this.#session.isOwing === true) return;
    this.#ports.upstream.close(id, sendable(code), reason);
    this.#current = undefined;
    this.#over();
  }

  /** Closes the client with a code that may be sent. Its gateway may call it, too. */
  end(code: number, reason: string): void {
    if (this.#isOver) return;
    if (this.#current !== undefined)
      this.#ports.upstream.close(this.#current, GOING_AWAY, "The client side ended");
    this.#current = undefined;
    this.#over();
    if (this.#closedByClient === undefined) this.#ports.client.close(code, reason);
    this.#ports.observer.ended(code, reason);
  }

  #over(): void {
    this.#isOver = true;
    this.#timers.cancelAll();
    this.#profileTimers.cancelAll();
    if (this.#next !== undefined) this.#ports.upstream.drop(this.#next.id);
    this.#next?.waiting.clear();
    this.#next = undefined;
    this.#leaving = undefined;
    const frames = this.#waiting.clear();
    if (frames > 0) this.#ports.observer.dropped(frames, "ended");
    this.#remembered.become(0);
    this.#session.ended?.();
  }
}

type Timer = "attach" | "goodbye" | "homeless" | "lastFrames" | "owing" | "retry" | "settle";
