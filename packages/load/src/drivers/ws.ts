// Owns: a speaker for servers that speak no protocol but WebSocket. A convention: `sub <channel>`
// is answered with `ok <channel>`, `pub <channel> <payload>` reaches the channel's subscribers as
// the payload alone, and everything else comes back as it is. An echo server is enough for connect,
// idle and ping.
import {
  type Driver,
  type Speaker,
  type SpeakerListener,
  type SpeakerOptions,
  spreadMs,
} from "./driver.ts";

const COMEBACK = { leastMs: 0, mostMs: 1_000, capMs: 30_000 };
const OK = Buffer.from("ok ");
const PING = Buffer.from("ping ");

export const wsDriver: Driver = {
  name: "ws",
  path: "/",
  subprotocol: () => undefined,
  headers: ({ token }) => (token === undefined ? {} : { Authorization: `Bearer ${token}` }),
  can: { publish: true, ping: true, recover: false, hearItself: true },
  speaker: (listener, options) => new PlainSpeaker(listener, options),
};

class PlainSpeaker implements Speaker {
  readonly #listener: SpeakerListener;

  constructor(listener: SpeakerListener, _options: SpeakerOptions) {
    this.#listener = listener;
  }

  keepAliveMs(): undefined {
    return undefined;
  }

  keepAlive(): void {}

  opened(): void {
    this.#listener.ready();
  }

  subscribe(channel: string): void {
    this.#listener.send(`sub ${channel}`);
  }

  publish(
    _request: number,
    { channel, payload }: { readonly channel: string; readonly payload: string },
  ): boolean {
    this.#listener.send(`pub ${channel} ${payload}`);
    return false;
  }

  ping(request: number): void {
    this.#listener.send(`ping ${request}`);
  }

  bye(): void {}

  awayMs(failures: number, random: number): number {
    return spreadMs(COMEBACK, failures, random);
  }

  message(bytes: Buffer, from: number, to: number): void {
    if (starts(bytes, from, OK))
      this.#listener.caughtUp(bytes.toString("utf8", from + OK.length, to));
    else if (starts(bytes, from, PING))
      this.#listener.answered(Number(bytes.toString("latin1", from + PING.length, to)));
    else this.#listener.publications(bytes, from, to);
  }
}

const starts = (bytes: Buffer, from: number, start: Buffer): boolean =>
  bytes[from] === start[0] &&
  bytes.compare(start, 0, start.length, from, from + start.length) === 0;
