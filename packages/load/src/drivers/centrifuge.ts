// Owns: a light speaker of the Centrifuge client protocol, version 2 in JSON (centrifugal/protocol,
// client.proto): Centrifugo and whatever is built on the library.
import {
  type Driver,
  type Speaker,
  type SpeakerListener,
  type SpeakerOptions,
  spreadMs,
} from "./driver.ts";

const CONNECT_ID = 1;
/** Ids of subscribes are below this, those of requests at or above it. */
const FIRST_REQUEST_ID = 1_000;
/**
 * The delays of centrifuge-js: 500 ms, doubled up to 20 s; random between the least delay and this.
 */
const COMEBACK = { leastMs: 500, mostMs: 1_000, capMs: 20_000 };
const PUB_START = Buffer.from('{"push":{"channel":"');
const NAME_END = Buffer.from('","pub":{');
const OFFSET_KEY = Buffer.from('"offset":');
const LINE_FEED = 0x0a;
const KEEP_ALIVE = "{}";

interface Publication {
  readonly offset?: number;
}

/** A reply to a command, or a push; `{}` is a ping. */
interface Reply {
  readonly id?: number;
  readonly error?: { readonly code?: number; readonly message?: string };
  readonly connect?: { readonly pong?: boolean };
  readonly subscribe?: {
    readonly recoverable?: boolean;
    readonly recovered?: boolean;
    readonly was_recovering?: boolean;
    readonly epoch?: string;
    readonly offset?: number;
    readonly publications?: readonly Publication[];
  };
  readonly push?: {
    readonly channel?: string;
    readonly pub?: Publication;
    readonly unsubscribe?: { readonly code?: number };
    readonly disconnect?: { readonly code?: number; readonly reconnect?: boolean };
  };
}

export const centrifugeDriver: Driver = {
  name: "centrifuge",
  path: "/connection/websocket",
  subprotocol: () => undefined,
  headers: () => ({}),
  can: { publish: true, ping: true, recover: true, hearItself: true },
  speaker: (listener, options) => new CentrifugeSpeaker(listener, options),
};

class CentrifugeSpeaker implements Speaker {
  readonly #listener: SpeakerListener;
  readonly #token: string | undefined;
  readonly #subscribing: string[] = [];
  /** Positions of streams with recovery. */
  readonly #places = new Map<string, { epoch: string; offset: number }>();
  #answersPings = false;

  constructor(listener: SpeakerListener, { token }: SpeakerOptions) {
    this.#listener = listener;
    this.#token = token;
  }

  /** The server pings. */
  keepAliveMs(): undefined {
    return undefined;
  }

  keepAlive(): void {}

  opened(): void {
    this.#subscribing.length = 0;
    this.#send({
      id: CONNECT_ID,
      connect: {
        name: "holdfast-bench",
        ...(this.#token === undefined ? {} : { token: this.#token }),
      },
    });
  }

  subscribe(channel: string): void {
    const place = this.#places.get(channel);
    this.#subscribing.push(channel);
    this.#send({
      id: CONNECT_ID + this.#subscribing.length,
      subscribe: { channel, ...(place === undefined ? {} : { recover: true, ...place }) },
    });
  }

  publish(
    request: number,
    { channel, payload }: { readonly channel: string; readonly payload: string },
  ): boolean {
    this.#listener.send(
      `{"id":${FIRST_REQUEST_ID + request},"publish":{"channel":${JSON.stringify(channel)},"data":${payload}}}`,
    );
    return true;
  }

  ping(request: number): void {
    this.#send({ id: FIRST_REQUEST_ID + request, ping: {} });
  }

  bye(): void {}

  awayMs(failures: number, random: number): number {
    return spreadMs(COMEBACK, failures, random);
  }

  message(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      let end = bytes.indexOf(LINE_FEED, at);
      if (end === -1 || end > to) end = to;
      if (end > at && !this.#publication(bytes, at, end)) this.#reply(bytes, at, end);
      at = end + 1;
    }
  }

  /**
   * A push of a publication as the server writes it, in a channel without recovery: only its mark
   * matters.
   */
  #publication(bytes: Buffer, from: number, to: number): boolean {
    if (bytes.compare(PUB_START, 0, PUB_START.length, from, from + PUB_START.length) !== 0)
      return false;
    const name = bytes.indexOf(NAME_END, from + PUB_START.length);
    if (name === -1 || name > to) return false;
    const place = this.#places.get(bytes.toString("latin1", from + PUB_START.length, name));
    if (place !== undefined) {
      // After the data, which could hold the same word: the last one counts.
      const offset = bytes.lastIndexOf(OFFSET_KEY, to);
      const digits =
        offset < name
          ? ""
          : bytes.toString(
              "latin1",
              offset + OFFSET_KEY.length,
              Math.min(to, offset + OFFSET_KEY.length + 16),
            );
      const value = Number.parseInt(digits, 10);
      if (Number.isNaN(value)) return false;
      place.offset = value;
    }
    this.#listener.publications(bytes, from, to);
    return true;
  }

  #reply(bytes: Buffer, from: number, to: number): void {
    let reply: Reply;
    try {
      reply = JSON.parse(bytes.toString("utf8", from, to)) as Reply;
    } catch {
      return this.#listener.refused("frame_invalid", "ends");
    }
    const { id, error, push } = reply;
    if (push !== undefined) return this.#push(push, { bytes, from, to });
    if (id === undefined) {
      if (this.#answersPings) this.#listener.send(KEEP_ALIVE);
      return;
    }
    if (id >= FIRST_REQUEST_ID)
      return this.#listener.answered(
        id - FIRST_REQUEST_ID,
        error === undefined ? undefined : errorName(error.code),
      );
    if (error !== undefined)
      return this.#listener.refused(errorName(error.code), id === CONNECT_ID ? "ends" : "goes on");
    if (reply.connect !== undefined) {
      this.#answersPings = reply.connect.pong === true;
      this.#listener.ready();
    } else if (reply.subscribe !== undefined)
      this.#subscribed(this.#subscribing[id - CONNECT_ID - 1] ?? "", reply.subscribe, {
        bytes,
        from,
        to,
      });
  }

  #subscribed(
    channel: string,
    reply: NonNullable<Reply["subscribe"]>,
    at: { bytes: Buffer; from: number; to: number },
  ): void {
    const { recoverable, was_recovering: wasRecovering, recovered, publications = [] } = reply;
    if (recoverable === true) {
      const offset = Math.max(
        reply.offset ?? 0,
        ...publications.map((publication) => publication.offset ?? 0),
      );
      this.#places.set(channel, { epoch: reply.epoch ?? "", offset });
    }
    if (publications.length > 0) this.#listener.publications(at.bytes, at.from, at.to);
    if (wasRecovering === true && recovered !== true) this.#listener.gap(undefined);
    this.#listener.caughtUp(channel);
  }

  #push(
    { channel = "", pub, unsubscribe, disconnect }: NonNullable<Reply["push"]>,
    at: { bytes: Buffer; from: number; to: number },
  ): void {
    if (pub !== undefined) {
      const place = this.#places.get(channel);
      if (place !== undefined && pub.offset !== undefined) place.offset = pub.offset;
      this.#listener.publications(at.bytes, at.from, at.to);
    } else if (unsubscribe !== undefined)
      this.#listener.refused(errorName(unsubscribe.code), "goes on");
    else if (disconnect !== undefined)
      this.#listener.refused(
        errorName(disconnect.code),
        isFinal(disconnect.code) ? "stop" : "ends",
      );
  }

  #send(command: object): void {
    this.#listener.send(JSON.stringify(command));
  }
}

const errorName = (code: number | undefined): string => `code_${code ?? 0}`;

/** 3500 to 3999 and 4500 to 4999: do not come back. */
const isFinal = (code = 0): boolean =>
  (code >= 3_500 && code < 4_000) || (code >= 4_500 && code < 5_000);
