// Owns: one client of a load run over its whole life: it opens, subscribes, writes, pings, loses
// its connection and comes back.
import type {
  Driver,
  RefusalEnd,
  Speaker,
  SpeakerListener,
  SpeakerOptions,
} from "./drivers/driver.ts";
import { findMark, MARK_BYTES, type Mark, markText, readMark } from "./payload-stamp.ts";
import type { Member, Population } from "./population.ts";
import type { Recorder } from "./recorder.ts";
import { StreamCheck, type StreamTruth } from "./stream-check.ts";
import { type Address, RawSocket, type SocketEnd } from "./wire/raw-socket.ts";

/** A client's next action, as its number in the schedule. */
export const DUE = { write: 0, ping: 1, keepAlive: 2, open: 3, handshakeTimeout: 4 } as const;
export type Due = (typeof DUE)[keyof typeof DUE];

/** What all clients of a worker share. */
export interface ClientWorld {
  readonly driver: Driver;
  readonly speaking: SpeakerOptions;
  readonly run: number;
  readonly population: Population;
  readonly recorder: Recorder;
  readonly handshakeMsMax: number;
  readonly comesBack: boolean;
  payload(mark: string): string;
  address(index: number): Address;
  /** µs since the Unix epoch. */
  nowUs(): number;
  random(): number;
  /** Calls `due` of this client at that time. */
  at(us: number, client: Client, due: Due): void;
  /** Whether anyone has written yet. */
  hasBegun(): boolean;
  /** Numbers of a stream that do not count as lost. */
  excuse(stream: number, n: number): void;
}

interface Request {
  readonly kind: "acknowledgement" | "ping";
  readonly intendedUs: number;
  readonly stream: number;
  readonly n: number;
}

/**
 * Most requests without an answer that are kept for each client. If there are more, the oldest
 * count as unanswered.
 */
const REQUESTS_MAX = 4_096;
/** One for the whole process: it is only used within a call. */
const found: Mark = { run: 0, stream: 0, n: 0, intendedUs: 0 };

export type ClientState = "new" | "opening" | "joining" | "up" | "away" | "gone";

export class Client implements SpeakerListener {
  readonly member: Member;
  readonly #world: ClientWorld;
  readonly #checks = new Map<number, StreamCheck>();
  readonly #requests = new Map<number, Request>();
  readonly #sent: number[];
  #speaker: Speaker;
  #socket: RawSocket | undefined;
  #state: ClientState = "new";
  #failures = 0;
  #openedUs = 0;
  #lostUs: number | undefined;
  #joining = new Set<string>();
  /** Subscribed before anyone wrote: it must get the first number of each stream. */
  #wasFirst = false;
  #lastRequest = 0;
  #turn = 0;
  #openAtUs = 0;
  #keepAtUs = 0;
  #timeoutAtUs = 0;
  #gaveUp = false;

  constructor(member: Member, world: ClientWorld) {
    this.member = member;
    this.#world = world;
    this.#sent = member.streams.map(() => 0);
    this.#speaker = world.driver.speaker(this, world.speaking);
  }

  /** A request of it was not answered yet. */
  get isWaiting(): boolean {
    return this.#requests.size > 0;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** A needed request was refused, and the client left. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** Numbers handed out so far, by stream of the member. */
  get sent(): readonly number[] {
    return this.#sent;
  }

  /** Opens at the given time, for the first time or again. */
  openAt(us: number): void {
    this.#openAtUs = us;
    this.#world.at(us, this, DUE.open);
  }

  /** An action that the client asked for is due. Outdated entries are ignored. */
  due(what: Due, us: number): void {
    if (what === DUE.open && us === this.#openAtUs) this.#open(us);
    else if (what === DUE.keepAlive && us === this.#keepAtUs) this.#keepAlive();
    else if (what === DUE.handshakeTimeout && us === this.#timeoutAtUs) this.#handshakeTimeout();
  }

  /** Publishes to the next of its channels. The payload carries the intended time. */
  write(intendedUs: number): void {
    const { recorder, population } = this.#world;
    const place = this.#turn++ % this.member.streams.length;
    const stream = this.member.streams[place];
    if (stream === undefined) return;
    if (this.#state !== "up") return recorder.count("unsent");
    const n = this.#sent[place] ?? 0;
    this.#sent[place] = n + 1;
    const payload = this.#world.payload(
      markText({ run: this.#world.run, stream: stream.id, n, intendedUs: Math.round(intendedUs) }),
    );
    recorder.count("sent");
    const request = ++this.#lastRequest;
    const isAnswered = this.#speaker.publish(request, {
      channel: population.channels[stream.channel] ?? "",
      payload,
    });
    if (isAnswered)
      this.#await(request, { kind: "acknowledgement", intendedUs, stream: stream.id, n });
  }

  ping(intendedUs: number): void {
    const { recorder } = this.#world;
    if (this.#state !== "up") return recorder.count("unsent");
    recorder.count("pings");
    const request = ++this.#lastRequest;
    this.#await(request, { kind: "ping", intendedUs, stream: -1, n: -1 });
    this.#speaker.ping(request);
  }

  /** Cuts the connection without a close frame and comes back, at the earliest after `awayMs`. */
  drop(awayMs: number): void {
    if (this.#state === "away" || this.#state === "gone" || this.#state === "new") return;
    this.#socket?.terminate();
    this.#lost(awayMs);
  }

  /** Leaves and does not come back. */
  leave(): void {
    if (this.#state === "up" || this.#state === "joining") {
      this.#speaker.bye();
      this.#socket?.close();
    } else this.#socket?.terminate();
    this.#forgetRequests();
    this.#state = "gone";
  }

  /**
   * A new client takes the place: nothing from before counts for it. Streams continue their
   * numbers.
   */
  replaceAt(us: number): void {
    this.leave();
    this.#checks.clear();
    this.#wasFirst = false;
    this.#lostUs = undefined;
    this.#failures = 0;
    this.#speaker = this.#world.driver.speaker(this, this.#world.speaking);
    this.openAt(us);
  }

  /** Numbers that did not come, given what was sent in every stream. */
  missing(truth: (stream: number) => StreamTruth): number {
    let missing = 0;
    for (const room of this.member.rooms) {
      for (const stream of this.#world.population.streamsOf[room] ?? []) {
        if (
          !this.#world.driver.can.hearItself &&
          this.member.streams.some(({ id }) => id === stream)
        )
          continue;
        const check = this.#checks.get(stream);
        if (check !== undefined) missing += check.missing(truth(stream));
        else if (this.#wasFirst) missing += truth(stream).sent - truth(stream).excused.size;
      }
    }
    return missing;
  }

  get unanswered(): number {
    return this.#requests.size;
  }

  // What the speaker tells.

  send(message: string | Uint8Array): void {
    this.#socket?.send(message);
  }

  ready(): void {
    const { recorder, nowUs } = this.#world;
    recorder.time("handshake", nowUs() - this.#openedUs, {
      atUs: this.#openedUs,
      counts: "handshakes",
    });
    this.#timeoutAtUs = 0;
    this.#failures = 0;
    this.#state = "joining";
    this.#armKeepAlive();
    const channels = this.member.rooms.map((room) => this.#world.population.channels[room] ?? "");
    this.#joining = new Set(channels);
    for (const channel of channels) this.#speaker.subscribe(channel);
    if (channels.length === 0) this.#joined();
  }

  caughtUp(channel: string): void {
    if (this.#joining.delete(channel) && this.#joining.size === 0 && this.#state === "joining")
      this.#joined();
  }

  answered(id: number, error?: string): void {
    const request = this.#requests.get(id);
    if (request === undefined) return;
    this.#requests.delete(id);
    const { recorder, nowUs } = this.#world;
    if (error !== undefined) {
      if (request.kind === "acknowledgement") this.#world.excuse(request.stream, request.n);
      return recorder.error(error);
    }
    const counts = request.kind === "ping" ? "pongs" : "acknowledged";
    recorder.time(request.kind, nowUs() - request.intendedUs, { atUs: request.intendedUs, counts });
  }

  publications(bytes: Buffer, from: number, to: number): void {
    const nowUs = this.#world.nowUs();
    let at = findMark(bytes, from, to);
    if (at === -1) return this.#world.recorder.count("foreign");
    for (; at !== -1; at = findMark(bytes, at + MARK_BYTES, to)) {
      if (readMark(bytes, at, found) && found.run === this.#world.run) this.#delivered(nowUs);
      else this.#world.recorder.count("foreign");
    }
  }

  gap(count: number | undefined): void {
    this.#world.recorder.count("gaps");
    if (count !== undefined) this.#world.recorder.count("gapPublications", count);
  }

  refused(name: string, end: RefusalEnd): void {
    this.#world.recorder.error(name);
    // A needed request was refused: the same request would be refused again.
    const isInVain = end === "stop" || (end === "goes on" && this.#state === "joining");
    if (end === "goes on" && !isInVain) return;
    if (!isInVain) {
      this.#socket?.terminate();
      return this.#lost(0);
    }
    this.leave();
    this.#gaveUp = true;
  }

  #delivered(nowUs: number): void {
    const { recorder } = this.#world;
    let check = this.#checks.get(found.stream);
    if (check === undefined) {
      check = new StreamCheck(this.#wasFirst ? 0 : undefined);
      this.#checks.set(found.stream, check);
    }
    const arrival = check.take(found.n);
    if (arrival === "duplicate") return recorder.count("duplicated");
    if (arrival === "out of order") recorder.count("outOfOrder");
    recorder.time("delivery", nowUs - found.intendedUs, {
      atUs: found.intendedUs,
      counts: "delivered",
    });
  }

  #open(us: number): void {
    const { address, recorder, handshakeMsMax, at } = this.#world;
    this.#openedUs = us;
    this.#state = "opening";
    recorder.count("attempts");
    this.#timeoutAtUs = us + handshakeMsMax * 1000;
    at(this.#timeoutAtUs, this, DUE.handshakeTimeout);
    this.#socket = new RawSocket(address(this.member.index), this.#ears());
  }

  /** Events of this socket; those of an older one are ignored. */
  #ears() {
    const speaker = this.#speaker;
    const isHeard = () => speaker === this.#speaker && this.#state !== "gone";
    return {
      opened: () => {
        if (isHeard()) speaker.opened();
      },
      message: (bytes: Buffer, from: number, to: number) => {
        if (isHeard()) speaker.message(bytes, from, to);
      },
      ended: (end: SocketEnd) => {
        if (isHeard()) this.#ended(end);
      },
    };
  }

  #ended({ name }: SocketEnd): void {
    if (this.#state === "away") return;
    this.#world.recorder.error(name);
    this.#lost(0);
  }

  #lost(awayMs: number): void {
    const { nowUs, random, recorder, comesBack } = this.#world;
    const now = nowUs();
    if (this.#state === "up" || this.#state === "joining") recorder.count("lostConnections");
    if (this.#state === "up") this.#lostUs = now + awayMs * 1000;
    this.#forgetRequests();
    this.#timeoutAtUs = 0;
    this.#keepAtUs = 0;
    this.#state = comesBack ? "away" : "gone";
    if (comesBack)
      this.openAt(now + (awayMs + this.#speaker.awayMs(this.#failures++, random())) * 1000);
  }

  #joined(): void {
    const { recorder, nowUs, hasBegun } = this.#world;
    if (this.#lostUs !== undefined) {
      recorder.time("recovery", nowUs() - this.#lostUs, {
        atUs: this.#lostUs,
        counts: "recovered",
      });
      this.#lostUs = undefined;
    } else if (this.#checks.size === 0) this.#wasFirst = !hasBegun();
    this.#state = "up";
  }

  #handshakeTimeout(): void {
    if (this.#state !== "opening" && this.#state !== "joining") return;
    this.#world.recorder.error("handshake_timeout");
    this.#socket?.terminate();
    this.#lost(0);
  }

  #keepAlive(): void {
    this.#speaker.keepAlive();
    this.#armKeepAlive();
  }

  /** Spread by a fifth, so that many clients do not act at the same time. */
  #armKeepAlive(): void {
    const ms = this.#speaker.keepAliveMs();
    if (ms === undefined) return;
    this.#keepAtUs = this.#world.nowUs() + ms * 1000 * (0.8 + 0.2 * this.#world.random());
    this.#world.at(this.#keepAtUs, this, DUE.keepAlive);
  }

  #await(id: number, request: Request): void {
    this.#requests.set(id, request);
    if (this.#requests.size <= REQUESTS_MAX) return;
    const [oldest] = this.#requests.keys();
    if (oldest !== undefined) this.answered(oldest, "unanswered");
  }

  /** Requests without an answer get none; it is not known whether a publish was accepted. */
  #forgetRequests(): void {
    for (const id of [...this.#requests.keys()]) this.answered(id, "answer_lost");
  }
}
