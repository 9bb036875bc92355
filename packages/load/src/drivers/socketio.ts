// Owns: a light speaker of Socket.IO 4 over Engine.IO 4, WebSocket only, with connection state
// recovery if the server has it. The application's events are a convention: emit("subscribe", room,
// ack), emit("publish", room, data, ack), emit("echo", ack); any event that carries a mark is a
// publication.
import {
  type Driver,
  type Speaker,
  type SpeakerListener,
  type SpeakerOptions,
  spreadMs,
} from "./driver.ts";

const code = (text: string): number => text.charCodeAt(0);
const [ZERO, TWO, THREE, FOUR, BRACKET, QUOTE, NINE] = [
  code("0"),
  code("2"),
  code("3"),
  code("4"),
  code("["),
  code('"'),
  code("9"),
];
/** Acknowledgement ids of subscribes are below this, those of requests at or above it. */
const FIRST_REQUEST_ID = 1_000;
/** The delays of socket.io-client: 1 s, doubled up to 5 s, spread by half of it. */
const COMEBACK = { leastMs: 500, mostMs: 1_500, capMs: 7_500 };
const OFFSET_CHARS_MAX = 64;

export const socketioDriver: Driver = {
  name: "socketio",
  path: "/socket.io/?EIO=4&transport=websocket",
  subprotocol: () => undefined,
  headers: () => ({}),
  can: { publish: true, ping: true, recover: true, hearItself: true },
  speaker: (listener, options) => new SocketioSpeaker(listener, options),
};

class SocketioSpeaker implements Speaker {
  readonly #listener: SpeakerListener;
  readonly #token: string | undefined;
  /** Channels by the id of the acknowledgement that is waited for. */
  readonly #subscribing: string[] = [];
  readonly #subscribed = new Set<string>();
  /** Secret id of the session and the offset of its newest packet: recovery needs them. */
  #pid: string | undefined;
  #offset: string | undefined;

  constructor(listener: SpeakerListener, { token }: SpeakerOptions) {
    this.#listener = listener;
    this.#token = token;
  }

  keepAliveMs(): undefined {
    return undefined;
  }

  keepAlive(): void {}

  opened(): void {
    this.#subscribing.length = 0;
  }

  subscribe(channel: string): void {
    // Recovered rooms exist already.
    if (this.#subscribed.has(channel)) return this.#listener.caughtUp(channel);
    this.#listener.send(`42${this.#subscribing.length}${JSON.stringify(["subscribe", channel])}`);
    this.#subscribing.push(channel);
  }

  publish(
    request: number,
    { channel, payload }: { readonly channel: string; readonly payload: string },
  ): boolean {
    this.#listener.send(
      `42${FIRST_REQUEST_ID + request}["publish",${JSON.stringify(channel)},${payload}]`,
    );
    return true;
  }

  ping(request: number): void {
    this.#listener.send(`42${FIRST_REQUEST_ID + request}["echo"]`);
  }

  bye(): void {
    this.#listener.send("41");
  }

  awayMs(failures: number, random: number): number {
    return spreadMs(COMEBACK, failures, random);
  }

  message(bytes: Buffer, from: number, to: number): void {
    const [first, second] = [bytes[from], bytes[from + 1]];
    if (first === TWO) return this.#listener.send("3");
    if (first === ZERO) return this.#connect();
    if (first !== FOUR) return;
    if (second === TWO) this.#event(bytes, from, to);
    else if (second === THREE) this.#acknowledged(bytes, from + 2, to);
    else if (second === ZERO) this.#connected(bytes.toString("utf8", from + 2, to));
    else if (second === FOUR) this.#listener.refused("connect_error", "stop");
    else if (second === code("1")) this.#listener.refused("disconnect", "ends");
  }

  #connect(): void {
    const [token, pid, offset] = [this.#token, this.#pid, this.#offset];
    const auth = {
      ...(token === undefined ? {} : { token }),
      ...(pid === undefined ? {} : { pid, ...(offset === undefined ? {} : { offset }) }),
    };
    this.#listener.send(Object.keys(auth).length === 0 ? "40" : `40${JSON.stringify(auth)}`);
  }

  #connected(text: string): void {
    const { pid } = JSON.parse(text) as { readonly pid?: string };
    // The same secret id: the server continues the session, its rooms included.
    if (pid === undefined || pid !== this.#pid) {
      this.#subscribed.clear();
      this.#offset = undefined;
    }
    this.#pid = pid;
    this.#listener.ready();
  }

  #event(bytes: Buffer, from: number, to: number): void {
    if (this.#pid !== undefined) this.#offset = lastText(bytes, from, to) ?? this.#offset;
    this.#listener.publications(bytes, from, to);
  }

  #acknowledged(bytes: Buffer, from: number, to: number): void {
    let id = 0;
    let at = from;
    for (; at < to && bytes[at] !== BRACKET; at++) {
      const digit = bytes[at] ?? 0;
      if (digit < ZERO || digit > NINE) return this.#listener.refused("frame_invalid", "ends");
      id = id * 10 + digit - ZERO;
    }
    if (id >= FIRST_REQUEST_ID) return this.#listener.answered(id - FIRST_REQUEST_ID);
    const channel = this.#subscribing[id];
    if (channel === undefined) return;
    this.#subscribed.add(channel);
    this.#listener.caughtUp(channel);
  }
}

/**
 * The text that is the last item of a list that ends at `to`: where the server adds the packet's
 * offset.
 */
function lastText(bytes: Buffer, from: number, to: number): string | undefined {
  const end = to - 2;
  if (bytes[end] !== QUOTE) return undefined;
  const start = bytes.lastIndexOf(QUOTE, end - 1);
  return start <= from || end - start > OFFSET_CHARS_MAX
    ? undefined
    : bytes.toString("latin1", start + 1, end);
}
