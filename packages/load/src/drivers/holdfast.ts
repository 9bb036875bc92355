// Owns: a light speaker of holdfast.v1 (spec/protocol.md), without the SDK: connecting, resuming,
// positions, the server's windows. Publications in JSON are read by their first bytes. Other frames
// go through the codec of the protocol package.
import {
  type ClientFrame,
  jsonClientCodec,
  type Position,
  type ServerFrame,
  SUBPROTOCOL_JSON,
  SUBPROTOCOL_MSGPACK,
} from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import type { Driver, Speaker, SpeakerListener, SpeakerOptions } from "./driver.ts";

const ATTEMPT_CAP_MS = 30_000;
const ATTEMPT_BASE_MS = 500;
/** Ids of requests that nobody waits for. Those of publishes and pings follow behind. */
const CONNECT_ID = 1;
const KEEP_ALIVE_ID = 2;
const SUBSCRIBE_ID = 3;
const FIRST_REQUEST_ID = 4;

const PUB_START = Buffer.from('{"t":"pub","ch":"');
const OFFSET_KEY = Buffer.from(',"o":');
const LINE_FEED = 0x0a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The position of a subscription. */
interface Place {
  epoch: string;
  offset: number;
  head: number;
  behind: boolean;
  /** A `latest` channel: offsets may skip. */
  readonly conflates: boolean;
}

export const holdfastDriver: Driver = {
  name: "holdfast",
  path: "/connect",
  subprotocol: ({ codec }) => (codec === "json" ? SUBPROTOCOL_JSON : SUBPROTOCOL_MSGPACK),
  headers: () => ({}),
  can: { publish: true, ping: true, recover: true, hearItself: true },
  speaker: (listener, options) => new HoldfastSpeaker(listener, options),
};

export class HoldfastSpeaker implements Speaker {
  readonly #listener: SpeakerListener;
  readonly #token: string | undefined;
  readonly #codec: typeof jsonClientCodec;
  readonly #isJson: boolean;
  readonly #places = new Map<string, Place>();
  #resume: string | undefined;
  #pingMs: number | undefined;
  #windowMs = 0;
  #retryMs = 0;

  constructor(listener: SpeakerListener, options: SpeakerOptions) {
    this.#listener = listener;
    this.#token = options.token;
    this.#isJson = options.codec === "json";
    this.#codec = this.#isJson ? jsonClientCodec : msgpackClientCodec;
  }

  keepAliveMs(): number | undefined {
    return this.#pingMs;
  }

  keepAlive(): void {
    this.#send({ t: "ping", id: KEEP_ALIVE_ID });
  }

  opened(): void {
    const [token, resume] = [this.#token, this.#resume];
    this.#send({
      t: "connect",
      id: CONNECT_ID,
      ...(token === undefined ? {} : { token }),
      ...(resume === undefined ? {} : { resume }),
      client: "holdfast-bench",
    });
  }

  subscribe(channel: string): void {
    const place = this.#places.get(channel);
    const pos: Position | undefined =
      place === undefined ? undefined : { epoch: place.epoch, offset: place.offset };
    this.#send({
      t: "subscribe",
      id: SUBSCRIBE_ID,
      ch: channel,
      ...(pos === undefined ? {} : { pos }),
    });
  }

  publish(
    request: number,
    { channel, payload }: { readonly channel: string; readonly payload: string },
  ): boolean {
    const id = FIRST_REQUEST_ID + request;
    if (this.#isJson)
      this.#listener.send(
        `{"t":"publish","id":${id},"ch":${JSON.stringify(channel)},"d":${payload}}`,
      );
    else this.#send({ t: "publish", id, ch: channel, data: JSON.parse(payload) });
    return true;
  }

  ping(request: number): void {
    this.#send({ t: "ping", id: FIRST_REQUEST_ID + request });
  }

  bye(): void {
    this.#send({ t: "bye" });
  }

  /** Section 7.3 of the protocol. */
  awayMs(failures: number, random: number): number {
    const retryMs = this.#retryMs;
    // A node that names a time has a place then: no reason to wait longer each time.
    const counted = Math.min(failures, retryMs > 0 ? 1 : 16);
    const spread =
      failures === 0
        ? this.#windowMs
        : Math.min(ATTEMPT_CAP_MS, Math.max(this.#windowMs, ATTEMPT_BASE_MS * 2 ** counted));
    this.#retryMs = 0;
    return retryMs + random * spread;
  }

  message(bytes: Buffer, from: number, to: number): void {
    if (!this.#isJson) return this.#decoded(bytes, from, to);
    let at = from;
    while (at < to) {
      let end = bytes.indexOf(LINE_FEED, at);
      if (end === -1 || end > to) end = to;
      if (!this.#publication(bytes, at, end)) this.#decoded(bytes, at, end);
      at = end + 1;
    }
  }

  /** A `pub` that begins as nodes write it. */
  #publication(bytes: Buffer, from: number, to: number): boolean {
    if (!startsWith(bytes, from, PUB_START)) return false;
    const nameFrom = from + PUB_START.length;
    let nameTo = nameFrom;
    while (nameTo < to && bytes[nameTo] !== QUOTE) nameTo += bytes[nameTo] === BACKSLASH ? 2 : 1;
    if (!startsWith(bytes, nameTo + 1, OFFSET_KEY)) return false;
    let offset = 0;
    for (let at = nameTo + 1 + OFFSET_KEY.length; at < to; at++) {
      const digit = (bytes[at] ?? 0) - 48;
      if (digit < 0 || digit > 9) break;
      offset = offset * 10 + digit;
    }
    const name = bytes.toString("latin1", nameFrom, nameTo);
    // The codec reads a name that has escapes or is not ASCII.
    const place = this.#places.get(name);
    if (place === undefined) return false;
    this.#advance(place, offset);
    this.#listener.publications(bytes, from, to);
    this.#caughtUp(name, place);
    return true;
  }

  #decoded(bytes: Buffer, from: number, to: number): void {
    let frames: readonly ServerFrame<unknown>[];
    try {
      frames = this.#codec.decode(
        this.#isJson ? bytes.toString("utf8", from, to) : bytes.subarray(from, to),
      );
    } catch {
      return this.#listener.refused("frame_invalid", "ends");
    }
    // Marks of all publications of the message are counted together, at the first.
    let isCounted = false;
    for (const frame of frames) {
      if (frame.t !== "pub") {
        this.#frame(frame);
        continue;
      }
      const place = this.#places.get(frame.ch);
      if (place !== undefined) this.#advance(place, frame.o);
      if (!isCounted) this.#listener.publications(bytes, from, to);
      isCounted = true;
      this.#caughtUp(frame.ch, place);
    }
  }

  #frame(frame: Exclude<ServerFrame<unknown>, { readonly t: "pub" }>): void {
    const listener = this.#listener;
    switch (frame.t) {
      case "connected":
        this.#resume = frame.resume;
        this.#pingMs = frame.pingMs;
        this.#windowMs = frame.windowMs;
        return listener.ready();
      case "subscribed":
        this.#places.set(frame.ch, {
          epoch: frame.pos.epoch,
          offset: frame.pos.offset,
          head: frame.head,
          behind: true,
          conflates: frame.cls === "latest",
        });
        return this.#caughtUp(frame.ch, this.#places.get(frame.ch));
      case "gap":
        listener.gap(frame.to === null ? undefined : frame.to - frame.from + 1);
        return this.#jump(frame.ch, frame.pos);
      case "pong":
        this.#windowMs = frame.windowMs;
        if (frame.resume !== undefined) this.#resume = frame.resume;
        if (frame.id >= FIRST_REQUEST_ID) listener.answered(frame.id - FIRST_REQUEST_ID);
        return;
      case "advice":
        this.#windowMs = frame.windowMs;
        return;
      case "published":
        return listener.answered(frame.id - FIRST_REQUEST_ID);
      case "err":
        if (frame.id >= FIRST_REQUEST_ID)
          listener.answered(frame.id - FIRST_REQUEST_ID, frame.name);
        else listener.refused(frame.name, "goes on");
        return;
      case "unsubscribed":
        return listener.refused(frame.name, "goes on");
      case "goodbye":
        this.#retryMs = frame.retryMs ?? 0;
        if (frame.windowMs !== undefined) this.#windowMs = frame.windowMs;
        if (frame.name === "resume_rejected") this.#resume = undefined;
        // 15x: the client must not come back (section 8).
        return listener.refused(
          frame.name,
          frame.code >= 150 && frame.code < 200 ? "stop" : "ends",
        );
      default:
        return;
    }
  }

  /** Offsets rise by one unless a gap was declared; a jump that was not is reported. */
  #advance(place: Place, offset: number): void {
    if (offset > place.offset + 1 && !place.conflates)
      this.#listener.refused("undeclared_hole", "goes on");
    if (offset > place.offset) place.offset = offset;
  }

  #jump(channel: string, pos: Position): void {
    const place = this.#places.get(channel);
    if (place === undefined) return;
    place.epoch = pos.epoch;
    place.offset = pos.offset;
    this.#caughtUp(channel, place);
  }

  #caughtUp(channel: string, place: Place | undefined): void {
    if (place?.behind !== true || place.offset < place.head) return;
    place.behind = false;
    this.#listener.caughtUp(channel);
  }

  #send(frame: ClientFrame<unknown>): void {
    this.#listener.send(this.#codec.encode(frame));
  }
}

function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  for (let place = 0; place < start.length; place++)
    if (bytes[at + place] !== start[place]) return false;
  return true;
}
