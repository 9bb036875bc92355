// Owns: a network with one held client and the servers behind it, in simulated time.
import { createManualClock, type ManualClock, type SeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import { HeldClient } from "../held-client.ts";
import { FIRST_HOME, HELD_LIMITS, type HeldLimits, type HomeId, type MoveCause } from "../ports.ts";
import type { Profile, Released } from "../profile.ts";

/** A server's side of one socket: what it does with frames. Numbers are the server's own. */
export interface Backend {
  /** A frame arrived. `send` answers it, `close` closes the socket behind what was sent. */
  received(frame: Frame, send: (frame: Frame) => void, close: (code: number) => void): void;
  opened?(send: (frame: Frame) => void): void;
  /** The socket is gone. */
  closed?(): void;
  /** Its process has ended: nobody connects to it. */
  readonly isGone?: boolean;
}

/** How the socket of one home behaves. */
export interface HomeFate {
  /** How `open` ends. */
  readonly opens: "well" | "refused" | "unwanted" | "hangs";
  readonly delayMs: number;
  /** It never answers a close. */
  readonly ignoresClose?: boolean;
  readonly silent?: boolean;
}

interface Home {
  readonly id: HomeId;
  readonly fate: HomeFate;
  readonly backend: Backend;
  state: "opening" | "open" | "closing" | "gone";
  readonly received: Frame[];
  readonly sent: Frame[];
  /** What it sent that reached the held client while somebody listened. */
  readonly handedIn: Frame[];
  killed: boolean;
  /** When the last frame that is under way arrives, each way: sockets keep order. */
  upMs: number;
  downMs: number;
}

export interface WorldOptions {
  readonly profile: Profile;
  readonly random: SeededRandom;
  readonly limits?: Partial<HeldLimits>;
  readonly backend: () => Backend;
  readonly fate: (attempt: number) => HomeFate;
  readonly roomBytes?: number;
  /** One for several clients. */
  readonly clock?: ManualClock;
  /** Another gateway held the client until now. */
  readonly former?: Released;
  /** The client got a frame. */
  readonly heard?: (frame: Frame) => void;
}

const OPEN_MS_MAX = 3000;

export class World {
  readonly clock: ManualClock;
  readonly homes: Home[] = [];
  readonly held: HeldClient;
  readonly limits: HeldLimits;
  /** What the client got, and of which home the engine had it at that time. */
  readonly got: Frame[] = [];
  readonly moves: { readonly cause: MoveCause; readonly pausedMs: number }[] = [];
  readonly moveFailures: string[] = [];
  /** The client closed its socket. */
  hasLeft = false;
  /** Close that the gateway gave the client. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  paused = false;
  dropped = 0;
  roomTaken = 0;
  roomTakenMax = 0;
  /** Frames of the client that were handed to the engine, and those that it passed on. */
  offered = 0;
  readonly #options: WorldOptions;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.clock = options.clock ?? createManualClock();
    this.limits = { ...HELD_LIMITS, ...options.limits };
    this.held = new HeldClient(
      options.profile,
      {
        clock: this.clock,
        random: options.random.fork("engine"),
        client: {
          send: (frame) => {
            this.got.push(frame);
            options.heard?.(frame);
          },
          close: (code, reason) => {
            this.closed = { code, reason };
          },
          pause: () => {
            this.paused = true;
          },
          resume: () => {
            this.paused = false;
          },
        },
        upstream: {
          open: (id) => this.#open(id),
          send: (id, frame) => this.#up(this.#home(id), frame),
          close: (id) => this.#close(this.#home(id)),
          drop: (id) => this.#drop(this.#home(id)),
        },
        room: {
          take: (bytes) => {
            if (this.roomTaken + bytes > (options.roomBytes ?? 1e9)) return false;
            this.roomTaken += bytes;
            this.roomTakenMax = Math.max(this.roomTakenMax, this.roomTaken);
            return true;
          },
          give: (bytes) => {
            this.roomTaken -= bytes;
          },
        },
        observer: {
          moved: (cause, pausedMs) => this.moves.push({ cause, pausedMs }),
          moveFailed: (_, why) => this.moveFailures.push(why),
          dropped: (frames) => {
            this.dropped += frames;
          },
          ended: () => {},
        },
      },
      this.limits,
      options.former,
    );
    const first = this.#newHome(FIRST_HOME, { opens: "well", delayMs: 1 });
    first.state = "open";
    this.held.start();
    this.#opened(first);
  }

  fromClient(frame: Frame): void {
    if (this.closed !== undefined || this.paused) return;
    this.offered += 1;
    this.held.fromClient(frame);
  }

  /** The client closes its socket: nobody can tell it anything any more. */
  leave(code: number): void {
    this.hasLeft = true;
    this.held.clientClosed(code, "");
  }

  /** A server sends on its own on each socket that it has open. */
  push(frame: (home: HomeId, index: number) => Frame): void {
    for (const home of this.homes)
      if (home.state === "open") this.#down(home, frame(home.id, home.sent.length));
  }

  /** The process behind the newest open home dies: what is under way is lost. */
  kill(): void {
    const home = this.homes.findLast(({ state }) => state === "open" || state === "closing");
    if (home !== undefined) this.#kill(home);
  }

  /** The process of these backends dies. */
  killAll(backends: ReadonlySet<Backend>): void {
    for (const home of this.homes)
      if (backends.has(home.backend) && (home.state === "open" || home.state === "closing"))
        this.#kill(home);
  }

  /** The same process closes its sockets, behind what it sent. */
  closeAll(backends: ReadonlySet<Backend>, code: number): void {
    for (const home of this.homes)
      if (backends.has(home.backend) && home.state === "open") this.#closed(home, code);
  }

  #kill(home: Home): void {
    home.killed = true;
    home.state = "gone";
    this.clock.after(home.fate.delayMs, () => this.held.homeClosed(home.id, 1006, ""));
  }

  #drop(home: Home): void {
    const wasOpen = home.state === "open" || home.state === "closing";
    home.state = "gone";
    if (wasOpen) home.backend.closed?.();
  }

  /** The server behind the newest open home closes it. */
  closeHome(code: number): void {
    const home = this.homes.findLast(({ state }) => state === "open");
    if (home !== undefined) this.#closed(home, code);
  }

  #open(id: HomeId): void {
    const home = this.#newHome(id, this.#options.fate(this.homes.length));
    const { opens, delayMs } = home.fate;
    this.clock.after(opens === "hangs" ? OPEN_MS_MAX : delayMs, () => {
      if (home.state !== "opening") return;
      const why = home.backend.isGone === true ? "refused" : opens;
      home.state = why === "well" ? "open" : "gone";
      if (why !== "well") return this.held.homeFailed(id, why, why === "unwanted");
      this.held.homeOpened(id);
      this.#opened(home);
    });
  }

  #newHome(id: HomeId, fate: HomeFate): Home {
    const home: Home = {
      ...{ id, fate, backend: this.#options.backend(), state: "opening" },
      ...{ received: [], sent: [], handedIn: [], killed: false, upMs: 0, downMs: 0 },
    };
    this.homes.push(home);
    return home;
  }

  #opened(home: Home): void {
    if (home.state === "open") home.backend.opened?.((frame) => this.#down(home, frame));
  }

  #up(home: Home, frame: Frame): void {
    // Nobody knows yet that it is dead.
    if (home.killed) return;
    if (home.state !== "open")
      throw new Error(`a frame for home ${home.id}, which is ${home.state}`);
    home.upMs = this.#arrival(home.upMs, home);
    this.#at(home.upMs, () => {
      if (home.killed || home.state === "gone") return;
      home.received.push(frame);
      if (home.fate.silent !== true)
        home.backend.received(
          frame,
          (answer) => this.#down(home, answer),
          (code) => this.#closed(home, code),
        );
    });
  }

  #down(home: Home, frame: Frame): void {
    home.sent.push(frame);
    home.downMs = this.#arrival(home.downMs, home);
    this.#at(home.downMs, () => {
      if (home.state === "gone" && !home.killed) return;
      if (home.killed) return;
      home.handedIn.push(frame);
      this.held.fromHome(home.id, frame);
    });
  }

  #close(home: Home): void {
    if (home.killed) return;
    if (home.state !== "open")
      throw new Error(`a close for home ${home.id}, which is ${home.state}`);
    home.state = "closing";
    if (home.fate.ignoresClose === true) return;
    home.upMs = this.#arrival(home.upMs, home);
    this.#at(home.upMs, () => {
      if (home.state === "closing") this.#closed(home, 1001);
    });
  }

  /** Its close frame leaves behind all that it sent. */
  #closed(home: Home, code: number): void {
    home.backend.closed?.();
    home.downMs = this.#arrival(home.downMs, home);
    this.#at(home.downMs, () => {
      if (home.state === "gone") return;
      home.state = "gone";
      this.held.homeClosed(home.id, code, "");
    });
  }

  #arrival(afterMs: number, { fate }: Home): number {
    const jitter = 0.5 + this.#options.random.next();
    return Math.max(afterMs, this.clock.nowMs() + fate.delayMs * jitter);
  }

  #at(atMs: number, task: () => void): void {
    this.clock.after(atMs - this.clock.nowMs(), task);
  }

  #home(id: HomeId): Home {
    const home = this.homes.find((one) => one.id === id);
    if (home === undefined) throw new Error(`home ${id} was never opened`);
    return home;
  }
}
