// Owns: the whole of a client: connecting, staying connected, coming back, moving, ending. No I/O
// of its own.
import type { ClientCodec, ConnectedFrame, ServerFrame } from "@holdfast/protocol";
import { Attempts } from "./attempts.ts";
import { Calls } from "./calls.ts";
import { ClientState } from "./client-state.ts";
import { Connection, type End } from "./connection.ts";
import { Counts } from "./counts.ts";
import { Credentials, isPermanent, type Shown } from "./credentials.ts";
import { defined, type EngineContext, type Feature, guard } from "./engine-context.ts";
import type { EngineListener, EngineOptions, Hint } from "./engine-options.ts";
import type { ClientEnvironment } from "./environment.ts";
import { cannot, errorFromWire, finalErrorOf, HoldfastError } from "./errors.ts";
import { Migration } from "./migration.ts";
import { ADOPT_MS, LEAVE_MS, SWITCH_MS, SWITCH_MS_MAX } from "./move-timings.ts";
import { Publisher } from "./publisher.ts";
import { Resumption } from "./resumption.ts";
import type { State } from "./state.ts";
import { Subscriptions } from "./subscriptions.ts";

/**
 * A transport that is not open after this leads nowhere, to a dead machine for instance; another
 * attempt may lead elsewhere. It has twice as long after each that failed: the network may be slow.
 */
const OPEN_MS = 3_000;
/** A connection that lasted less counts as a failed attempt. */
const STABLE_MS = 5_000;
const CLOSE_MS = 1_000;
const REQUEST_ID_MAX = 2 ** 31 - 1;

/**
 * One client without presence. Every time, timer and chance comes from the environment: one seed
 * replays it.
 */
export class EngineCore implements EngineContext {
  readonly environment: ClientEnvironment;
  readonly codec: ClientCodec;
  readonly counts = new Counts();
  readonly subscriptions: Subscriptions;
  readonly publisher: Publisher;
  readonly calls: Calls;
  readonly #options: EngineOptions;
  readonly #listener: EngineListener;
  readonly #credentials: Credentials;
  readonly #features: Feature[];
  readonly #state: ClientState;
  readonly #resumption: Resumption;
  #primary: Connection | undefined;
  #migration: Migration | undefined;
  /** The first connection of the last move; it may have ended. */
  #retiring: Connection | undefined;
  readonly #attempts: Attempts;
  #cancelAdopt: () => void = () => {};
  #idLast = 0;
  readonly #timers = new Set<() => void>();
  #connectedAtMs = 0;
  #authRetried = false;
  #started = false;
  #nextMigrateMs: number | undefined;

  constructor(options: EngineOptions, environment: ClientEnvironment, listener: EngineListener) {
    this.#options = options;
    this.environment = environment;
    this.codec = options.codec;
    this.#listener = listener;
    this.#state = new ClientState(this, options.suspendAfterMs, (change) =>
      guard(this, () => listener.state(change)),
    );
    this.#resumption = new Resumption(this);
    this.#attempts = new Attempts(this, () => this.#connect());
    this.#credentials = new Credentials(this, options.getToken);
    this.subscriptions = new Subscriptions(this, (connection) => this.#onCaughtUp(connection));
    this.#features = [this.subscriptions];
    this.publisher = new Publisher(this, options.queue);
    this.calls = new Calls(this);
  }

  /** Adds a feature before the client starts, such as presence. */
  add<P extends Feature>(make: (engine: EngineContext, settled: () => void) => P): P {
    const feature = make(this, () => this.#migration?.check());
    this.#features.push(feature);
    return feature;
  }

  get final(): HoldfastError | undefined {
    return this.#state.final;
  }
  get state(): State {
    return this.#state.state;
  }
  /** Public id of the session, while connected. */
  get session(): string | undefined {
    return this.ready()?.info?.session;
  }
  /** Name of the node that the client is connected to. */
  get node(): string | undefined {
    return this.ready()?.info?.node;
  }

  /** Begins to connect. Once; further calls do nothing. */
  start(): void {
    if (this.#started || this.#isOver()) return;
    this.#started = true;
    this.#state.begin();
    this.#attempts.start();
  }

  /** Says goodbye, ends all with `closed`. `done` when the transports closed, or after 1 s. */
  close(done: () => void = () => {}): void {
    const error = new HoldfastError("closed", "The client was closed");
    const connections = this.#end("closed", "close", error);
    let open = connections.length;
    let tell = () => {
      tell = () => {};
      cancel();
      done();
    };
    const cancel = this.after(open === 0 ? 0 : CLOSE_MS, () => tell());
    for (const connection of connections) connection.whenClosed(() => --open === 0 && tell());
  }

  hint(hint: Hint): void {
    if (this.#isOver() || !this.#started) return;
    const { paused } = this.#attempts;
    this.#attempts.paused = hint === "paused";
    if (hint === "paused") {
      // Nobody reads here: the node counts the session as away, and no network cuts what is idle.
      for (const connection of [this.#retiring, this.#migration?.second, this.#primary])
        connection?.end(1000, hint);
      return;
    }
    if (hint !== "back") this.#state.offline = hint === "offline";
    else if (paused) this.#state.begin();
    const connection = this.ready();
    if (connection) {
      connection.probe();
      this.#migration?.second?.probe();
    } else if (this.#state.offline) this.#state.away("offline");
    else {
      if (hint === "online")
        this.#state.back(this.#resumption.pending ? "reconnecting" : "connecting");
      // A network that is back is back for everybody in it; a page for one user.
      this.#attempts.tryNow(hint === "online" ? this.#attempts.windowMs : 0);
    }
  }

  // ---- what the features need ----

  ready(): Connection | undefined {
    return this.#primary?.info && !this.#primary.ended ? this.#primary : undefined;
  }

  /** No request waits as long as the numbers take to begin anew. */
  nextId(): number {
    this.#idLast = (this.#idLast % REQUEST_ID_MAX) + 1;
    return this.#idLast;
  }

  nowMs(): number {
    return this.environment.clock.nowMs();
  }

  chance(): number {
    return this.environment.random.next();
  }

  /** Nothing is left running when the client ends. */
  after(delayMs: number, task: () => void): () => void {
    const cancel = this.environment.clock.after(delayMs, () => {
      this.#timers.delete(cancel);
      task();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  defer(task: () => void): void {
    this.environment.clock.defer(task);
  }

  report(error: unknown): void {
    try {
      this.#listener.error(error);
    } catch {
      // An error handler that fails has nobody left to tell.
    }
  }

  // ---- connecting ----

  #connect(): void {
    this.#credentials.next(
      (credentials) => {
        if (!this.#isOver() && !this.#primary) this.#primary = this.#open(credentials, false);
      },
      (error: unknown) => this.#onTokenFailed(error),
    );
  }

  #open(credentials: Shown, moving: boolean): Connection {
    const { url, client, migrates, connectTimeoutMs } = this.#options;
    return new Connection(this, url, {
      // A move has time: its first connection serves.
      openMs: moving ? connectTimeoutMs : OPEN_MS * 2 ** this.#attempts.failures,
      timeoutMs: connectTimeoutMs,
      events: {
        opened: (connection) => {
          const more = defined({
            ...credentials,
            moving: moving || undefined,
            migrates: migrates || undefined,
            client,
          });
          connection.request(
            { t: "connect", ...more },
            (answer) => answer && connection.end(4000, "not connected"),
          );
          for (const feature of this.#features)
            feature.attach(connection, !moving && this.#resumption.pending);
        },
        connected: (connection, frame) => this.#onConnected(connection, frame),
        frame: (connection, frame) => this.#onFrame(connection, frame),
        ended: (connection, end) => this.#onEnded(connection, end),
      },
    });
  }

  #onConnected(connection: Connection, frame: ConnectedFrame): void {
    connection.forget(frame.id);
    this.#credentials.resume = frame.resume;
    if (connection !== this.#primary) {
      this.#migration?.connected(connection);
      return;
    }
    this.#planRefresh(connection);
    this.#attempts.windowMs = frame.windowMs;
    this.#connectedAtMs = this.nowMs();
    this.#authRetried = false;
    this.#cancelAdopt();
    this.#resumption.connected();
    this.#state.connected(frame.resumed);
    this.#onCaughtUp(connection);
    this.#sendAllWaiting(connection);
  }

  #onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    // It only answers; the node that was moved to knows better what holds now.
    if (connection === this.#retiring) return;
    switch (frame.t) {
      case "pong":
        if (frame.resume !== undefined) this.#credentials.resume = frame.resume;
        this.#attempts.windowMs = frame.windowMs;
        this.#resumption.reportIfDue();
        return;
      case "advice":
        this.#attempts.windowMs = frame.windowMs;
        return;
      case "migrate":
        this.#onMigrate(connection, frame.deadlineMs);
        return;
      default:
        for (const feature of this.#features) feature.onFrame(connection, frame);
    }
  }

  // ---- losing a connection ----

  #onEnded(connection: Connection, end: End): void {
    this.#attempts.windowMs = end.goodbye?.windowMs ?? this.#attempts.windowMs;
    this.#detach(connection);
    if (connection === this.#migration?.second) {
      this.#nextMigrateMs = undefined;
      this.#migration.lost(end.goodbye?.retryMs ?? 0);
    } else if (connection === this.#primary) this.#onLost(connection, end);
  }

  #onLost(lost: Connection, end: End): void {
    const wasReady = lost.info !== undefined;
    this.#primary = undefined;
    const second = this.#migration?.stop();
    this.#migration = undefined;
    this.#resumption.lost(wasReady ? end.lostAtMs : undefined);
    const name = end.goodbye?.name ?? (this.#attempts.paused ? "paused" : "lost");
    const error = finalErrorOf(end);
    if (second && (!error || error.code === "session_replaced")) {
      this.#adopt(second, end);
      return;
    }
    if (second) {
      this.#detach(second);
      second.bye(false);
    }
    // Another token may be accepted; if that is refused too, it stays so.
    const authRetry = this.#credentials.refused(name) && !this.#authRetried;
    if (error && !authRetry) {
      this.#end("failed", error.code, error);
      return;
    }
    this.#cancelAdopt();
    this.#resumption.moved = false;
    this.#authRetried ||= authRetry;
    if (wasReady && this.nowMs() - this.#connectedAtMs >= STABLE_MS) this.#attempts.failures = 0;
    else if (!authRetry) this.#attempts.failed(end.goodbye?.retryMs);
    const cause = end.goodbye && errorFromWire(end.goodbye);
    if (!wasReady && !this.#attempts.paused)
      this.report(
        cause ?? cannot("connection_lost", "connect", `closed with ${end.closeCode} ${end.reason}`),
      );
    this.#state.away(name, cause);
    this.#attempts.schedule(end.goodbye?.retryMs ?? 0);
  }

  /**
   * The first connection of a move died: the second is the connection now. The application is told
   * only if that takes long.
   */
  #adopt(second: Connection, end: End): void {
    this.#primary = second;
    this.#resumption.moved = true;
    if (second.info) this.#onConnected(second, second.info);
    else
      this.#cancelAdopt = this.after(ADOPT_MS, () => {
        this.#resumption.moved = false;
        this.#state.away(end.goodbye?.name ?? "lost");
      });
  }

  #onTokenFailed(error: unknown): void {
    if (this.#isOver()) return;
    const known =
      error instanceof HoldfastError
        ? error
        : cannot("token_invalid", "connect", "getToken failed", { cause: error });
    if (isPermanent(error)) {
      this.#end("failed", known.code, known);
      return;
    }
    this.report(known);
    this.#attempts.failed();
    this.#attempts.schedule(0);
  }

  #onCaughtUp(connection: Connection): void {
    if (connection !== this.#primary) this.#migration?.check();
    else if (connection.info && this.subscriptions.isSettled(connection))
      this.#resumption.caughtUp();
  }

  // ---- moving ----

  #onMigrate(connection: Connection, deadlineMs: number): void {
    if (connection === this.#migration?.second) this.#nextMigrateMs = this.nowMs() + deadlineMs;
    else if (!connection.info) return;
    else if (this.#migration) this.#migration.extend(deadlineMs);
    else this.#migrate(connection, deadlineMs);
  }

  #migrate(old: Connection, deadlineMs: number): void {
    const port = {
      open: () => this.#open(this.#credentials.shown(), true),
      isReady: (second: Connection) => this.#features.every((feature) => feature.isSettled(second)),
      take: (second: Connection, leftMs: number) => this.#take(old, second, leftMs),
    };
    this.#migration = new Migration(this, port, deadlineMs);
  }

  #take(old: Connection, second: Connection, leftMs: number): void {
    this.#migration = undefined;
    this.#primary = second;
    this.#connectedAtMs = this.nowMs();
    this.#attempts.windowMs = second.info?.windowMs ?? this.#attempts.windowMs;
    this.#retire(old, leftMs);
    this.#planRefresh(second);
    this.#resumption.overlapped();
    this.#sendAllWaiting(second);
  }

  /**
   * There is a connection to use: everything that waits goes there, a `migrate` that it sent
   * meanwhile included.
   */
  #sendAllWaiting(connection: Connection): void {
    this.publisher.sendWaiting();
    this.calls.sendWaiting();
    if (this.#nextMigrateMs === undefined) return;
    const deadlineMs = this.#nextMigrateMs - this.nowMs();
    this.#nextMigrateMs = undefined;
    if (deadlineMs > 0) this.#migrate(connection, deadlineMs);
  }

  /**
   * Tokens are refreshed on the connection that speaks: the node that was moved to knows of no
   * refresh that the old one was asked for.
   */
  #planRefresh(connection: Connection): void {
    const { info, infoAgeMs } = connection;
    this.#credentials.accepted(
      info?.expiresMs === undefined ? undefined : Math.max(0, info.expiresMs - infoAgeMs),
    );
  }

  /**
   * Lets the old connection answer what it was asked. What can be repeated goes to the new one
   * soon, so that a node which has no time left holds nobody up; RPCs, which must not be repeated,
   * have until shortly before the deadline.
   */
  #retire(old: Connection, leftMs: number): void {
    this.#retiring?.bye(true);
    this.#retiring = old;
    this.#detach(old);
    const leave = () => old.bye(true);
    this.after(Math.min(SWITCH_MS_MAX, SWITCH_MS + 2 * old.answerMs), () => old.release());
    this.after(Math.max(SWITCH_MS_MAX, leftMs - LEAVE_MS), leave);
    old.whenIdle(leave);
  }

  // ---- ending ----

  #detach(connection: Connection): void {
    for (const feature of this.#features) feature.detach(connection);
  }

  /** Ends for good; returns the connections that were open. */
  #end(state: "closed" | "failed", reason: string, error: HoldfastError): Connection[] {
    if (this.#isOver()) return [];
    const connections = [this.#primary, this.#migration?.stop(), this.#retiring].flatMap(
      (connection) => (connection && !connection.ended ? connection : []),
    );
    this.#primary = undefined;
    this.#credentials.stop();
    this.#state.end(state, reason, error);
    for (const connection of connections) this.#detach(connection);
    for (const feature of [...this.#features, this.publisher, this.calls]) feature.endAll(error);
    for (const connection of connections) connection.bye(false);
    for (const cancel of this.#timers) cancel();
    return connections;
  }

  #isOver(): boolean {
    return this.#state.final !== undefined;
  }
}
