// Owns: which WebSocket carries a HoldfastSocket, when that changes, and what waits meanwhile.
import { controlText, offerOf, readControl, type ToGateway } from "@holdfast/protocol/socket";
import type { RawEvents, RawSocket, SocketEnd, SocketPorts, SocketRules } from "./socket-ports.ts";

/** How long a socket may take to open, a hello of its gateway included. */
const OPEN_MS_MAX = 10_000;
/** How long a gateway may take to hand its client over, from its word that it is time. */
const TURN_MS_MAX = 15_000;
const RETRY_MS_MIN = 100;
const MOVE_RETRY_MS_MAX = 2000;
const RETRY_MS_CAP = 30_000;
/** Within which clients come back whom nobody told a window. */
const WINDOW_MS = 1000;
/** A socket that lived for so long was not lost at once. */
const STABLE_MS = 10_000;
const BROKEN = 1006;
const TRY_AGAIN_LATER = 1013;
/** Codes that mean that a server goes, and the client is welcome elsewhere. */
const GONE: readonly number[] = [1001, BROKEN, 1012, TRY_AGAIN_LATER, 1014];

interface Link {
  /** With it messages of the gateway begin. Empty: no gateway was asked for. */
  readonly name: string;
  raw: RawSocket | undefined;
  isOpen: boolean;
  /** A gateway said hello. */
  isGateway: boolean;
}

type Timer = "turn" | "open" | "retry";

/**
 * One socket for the application. At most one link is current and carries its messages. In a move
 * the next one is open before the current one is left, and that is heard to its end.
 */
export class SocketEngine {
  readonly #ports: SocketPorts;
  readonly #rules: SocketRules;
  readonly #protocols: readonly string[];
  #state: "connecting" | "open" | "turned" | "between" | "over" = "connecting";
  #current: Link | undefined;
  #next: Link | undefined;
  /** What the gateway that was left gave for the next one. */
  #handed: string | undefined;
  #waiting: unknown[] = [];
  #waitingBytes = 0;
  #closing: { readonly code: number | undefined; readonly reason: string | undefined } | undefined;
  #moveUntilMs = 0;
  /** What the gateway gave to show to the next one. */
  #ticket = "";
  #failures = 0;
  #openedMs = 0;
  #lostMs = 0;
  #end: SocketEnd | undefined;
  /** Whether the link that was lost had taken our offer, as the next one will. */
  #isAsking = false;
  /** As the gateway told them. */
  #windowMs = WINDOW_MS;
  #afterMs = 0;
  /** The application's subprotocol. */
  protocol = "";
  readonly #timers = new Map<Timer, () => void>();

  /** Throws what `open` throws. */
  constructor(protocols: readonly string[], rules: SocketRules, ports: SocketPorts) {
    this.#ports = ports;
    this.#rules = rules;
    this.#protocols = protocols;
    this.#connect(ports.known() !== "plain");
  }

  /** 0 to 3, as WebSocket has them. */
  get readyState(): number {
    if (this.#state === "over") return 3;
    if (this.#closing !== undefined) return 2;
    return this.#state === "connecting" ? 0 : 1;
  }

  /** Of messages that wait here. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The socket that carries messages now. */
  get raw(): RawSocket | undefined {
    return this.#current?.raw;
  }

  send(data: unknown): void {
    if (this.readyState > 1) return;
    if (this.#state === "open") return this.#current?.raw?.send(data);
    const kept = this.#ports.kept(data);
    this.#waitingBytes += kept.bytes;
    if (this.#waitingBytes > this.#rules.bufferBytesMax)
      return this.#ended(broken(TRY_AGAIN_LATER, "Too much waits for a server"));
    this.#waiting.push(kept.data);
  }

  close(code?: number, reason?: string): void {
    if (this.readyState > 1) return;
    this.#closing = { code, reason };
    if (this.#state === "between") return this.#ended(broken());
    // What waits is sent first, over the next socket.
    if (this.#state === "turned") return;
    this.#dropNext();
    this.#current?.raw?.close(code, reason);
  }

  #connect(isAsking: boolean): void {
    const name = isAsking ? offerOf(this.#ports.nonce()) : "";
    this.#current = this.#open(name, this.#protocols);
  }

  #open(name: string, protocols: readonly string[]): Link {
    const link: Link = { name, raw: undefined, isOpen: false, isGateway: false };
    const events: RawEvents = {
      opened: () => this.#opened(link),
      message: (data) => this.#message(link, data),
      closed: (end) => this.#closed(link, end),
    };
    // The application's own come first: servers without taste take the first.
    link.raw = this.#ports.open(name === "" ? protocols : [...protocols, name], events);
    return link;
  }

  #opened(link: Link): void {
    link.isOpen = true;
    if (link !== this.#current) return;
    const chosen = link.raw?.protocol ?? "";
    const protocol = chosen === link.name ? "" : chosen;
    if (this.#state === "connecting") {
      if (link.name === "" && this.#ports.known() === undefined && this.#failures > 0)
        this.#ports.learn("plain");
      this.#failures = 0;
      this.protocol = protocol;
      this.#goOn();
      this.#ports.told.opened();
    } else if (this.#state === "between") {
      if (protocol !== this.protocol) return this.#giveUp(link);
      // What the application says about it first, such as a login, goes before what waits.
      this.#state = "open";
      this.#ports.told.replaced("reconnect");
      if (link === this.#current) this.#goOn();
    }
  }

  /** The current link carries messages from now on, first those that wait. */
  #goOn(): void {
    this.#cancel("open");
    this.#cancel("turn");
    this.#state = "open";
    this.#openedMs = this.#ports.clock.nowMs();
    for (const data of this.#waiting.splice(0)) this.#current?.raw?.send(data);
    this.#waitingBytes = 0;
    if (this.#closing !== undefined)
      this.#current?.raw?.close(this.#closing.code, this.#closing.reason);
  }

  #message(link: Link, data: unknown): void {
    const control = readControl(link.name, data);
    if (control !== undefined) this.#told(link, control);
    else if (link === this.#current) this.#ports.told.message(data);
    // Whoever stands there is no gateway.
    else if (link === this.#next) this.#giveUp(link);
  }

  #told(link: Link, control: Readonly<Record<string, unknown>>): void {
    const { type } = control;
    this.#windowMs = millis(control["windowMs"], this.#windowMs);
    if (type === "hello") this.#greeted(link);
    if (link !== this.#current) return;
    if (type === "retry") this.#afterMs = millis(control["afterMs"], 0);
    else if (type === "move") this.#move(millis(control["withinMs"], 0), control["ticket"]);
    else if (type === "turn") this.#turn();
    else if (type === "state" && this.#state === "turned") {
      this.#handed = String(control["state"]);
      this.#switch();
    }
  }

  #greeted(link: Link): void {
    link.isGateway = true;
    this.#ports.learn("gateway");
    if (link !== this.#next) return;
    this.#cancel("open");
    if (this.#state === "turned") this.#switch();
    else this.#tell(this.#current, { type: "opened" });
  }

  #move(withinMs: number, ticket: unknown): void {
    if (this.#state !== "open" || this.#closing !== undefined) return;
    if (this.#next !== undefined || this.#timers.has("retry")) return;
    this.#moveUntilMs = this.#ports.clock.nowMs() + withinMs;
    this.#failures = 0;
    this.#ticket = String(ticket ?? "");
    this.#openNext();
  }

  #openNext(): void {
    const own = this.protocol === "" ? [] : [this.protocol];
    const link = this.#open(offerOf(this.#ports.nonce(), this.#ticket), own);
    this.#next = link;
    this.#after("open", OPEN_MS_MAX, () => this.#giveUp(link));
  }

  /** The gateway has found a good moment: from now on messages wait for the next one. */
  #turn(): void {
    if (this.#state !== "open" || this.#closing !== undefined) return;
    if (this.#next?.isGateway !== true) return this.#tell(this.#current, { type: "wait" });
    this.#tell(this.#current, { type: "leave" });
    this.#state = "turned";
    this.#after("turn", TURN_MS_MAX, () => this.#lost(broken()));
  }

  /** The next one gets what the former one gave, and then what waits. */
  #switch(): void {
    const next = this.#next;
    if (this.#handed === undefined || next?.isGateway !== true) return;
    const former = this.#current;
    this.#current = next;
    this.#next = undefined;
    this.#tell(next, { type: "state", state: this.#handed });
    this.#handed = undefined;
    this.#goOn();
    former?.raw?.close();
    this.#ports.told.replaced("move");
  }

  #closed(link: Link, end: SocketEnd): void {
    if (this.#state === "over") return;
    if (link === this.#next) return this.#nextFailed();
    if (link !== this.#current) return;
    // It has given all that it had.
    if (this.#state === "turned" && this.#handed !== undefined) this.#current = undefined;
    else if (this.#state === "connecting") this.#notOpened(link, end);
    else if (this.#state === "between") this.#again();
    else this.#lost(end);
  }

  /** A server that does not know our offer may refuse the handshake: it is asked again without. */
  #notOpened(link: Link, end: SocketEnd): void {
    const isAsked = link.name !== "" && this.#ports.known() !== "gateway";
    if (!isAsked || this.#closing !== undefined) return this.#ended(end);
    this.#failures += 1;
    this.#connect(false);
  }

  #nextFailed(): void {
    this.#next = undefined;
    this.#cancel("open");
    const waitMs =
      Math.min(MOVE_RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures) *
      (0.5 + this.#ports.random());
    this.#failures += 1;
    const isTurned = this.#state === "turned";
    if (!isTurned && this.#ports.clock.nowMs() + waitMs > this.#moveUntilMs) return;
    this.#after("retry", waitMs, () => this.#openNext());
  }

  #giveUp(link: Link): void {
    link.raw?.close();
    // It may take long to close, and must not speak any more.
    if (link === this.#next) this.#nextFailed();
    else if (link === this.#current && this.#state === "between") {
      this.#current = undefined;
      this.#again();
    }
  }

  #dropNext(): void {
    this.#cancel("open");
    this.#cancel("retry");
    this.#next?.raw?.close();
    this.#next = undefined;
  }

  /** The current link ended, and nobody had handed its client over. */
  #lost(end: SocketEnd): void {
    const nowMs = this.#ports.clock.nowMs();
    this.#dropNext();
    this.#cancel("turn");
    const former = this.#current;
    this.#current = undefined;
    former?.raw?.close();
    if (this.#rules.reconnect === undefined || !GONE.includes(end.code) || this.#closing)
      return this.#ended(end);
    const wasStable = nowMs - this.#openedMs >= STABLE_MS;
    if (wasStable || this.#end === undefined) {
      this.#failures = -1;
      this.#lostMs = nowMs;
    }
    this.#end = end;
    this.#state = "between";
    this.#isAsking = former !== undefined && former.name !== "";
    this.#again();
  }

  /** First within the window that the server told; then with a backoff, and full jitter. */
  #again(): void {
    const { attemptsMax, msMax } = this.#rules.reconnect ?? { attemptsMax: 0, msMax: 0 };
    this.#cancel("open");
    this.#failures += 1;
    const spreadMs =
      this.#failures === 0
        ? this.#windowMs
        : Math.min(RETRY_MS_CAP, Math.max(this.#windowMs, RETRY_MS_MIN * 2 ** this.#failures));
    const waitMs = this.#afterMs + this.#ports.random() * spreadMs;
    this.#afterMs = 0;
    const sinceMs = this.#ports.clock.nowMs() - this.#lostMs;
    if (this.#failures >= attemptsMax || sinceMs + waitMs > msMax)
      return this.#ended(this.#end ?? broken());
    this.#after("retry", waitMs, () => {
      const own = this.protocol === "" ? [] : [this.protocol];
      const link = this.#open(this.#isAsking ? offerOf(this.#ports.nonce()) : "", own);
      this.#current = link;
      this.#after("open", OPEN_MS_MAX, () => this.#giveUp(link));
    });
  }

  #ended(end: SocketEnd): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#dropNext();
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#current?.raw?.close();
    this.#waiting = [];
    this.#ports.told.closed(end);
  }

  #tell(link: Link | undefined, message: ToGateway): void {
    if (link?.isOpen === true) link.raw?.send(controlText(link.name, message));
  }

  #after(name: Timer, delayMs: number, task: () => void): void {
    this.#cancel(name);
    const cancel = this.#ports.clock.after(delayMs, () => {
      this.#timers.delete(name);
      task();
    });
    this.#timers.set(name, cancel);
  }

  #cancel(name: Timer): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}

const broken = (code = BROKEN, reason = ""): SocketEnd => ({
  ...{ code, reason, wasClean: false, isError: true },
});

/** A whole number of milliseconds that somebody told; at most an hour. */
const millis = (told: unknown, before: number): number =>
  typeof told === "number" && told >= 0 ? Math.min(told, 3_600_000) : before;
