// Owns: a light speaker of the Pusher Channels protocol, version 7, as soketi and others speak it
// too. Clients publish with client events, which need private channels; they reach everyone but
// their author. The token is `key:secret` of the app.
import { createHmac } from "node:crypto";
import {
  type Driver,
  type Speaker,
  type SpeakerListener,
  type SpeakerOptions,
  spreadMs,
} from "./driver.ts";

const PREFIX = "private-";
const EVENT = "client-bench";
const EVENT_BYTES = Buffer.from(`"event":"${EVENT}"`);
/**
 * How many bytes of a message are searched for the event's name before the whole message is parsed.
 */
const HEAD_BYTES = 96;
/** The delays of pusher-js: at once, then after 1 s and more. */
const COMEBACK = { leastMs: 0, mostMs: 1_000, capMs: 10_000 };
const ACTIVITY_SECONDS = 120;

export const pusherDriver: Driver = {
  name: "pusher",
  path: "/app/app-key?protocol=7&client=holdfast-bench&version=1.0",
  subprotocol: () => undefined,
  headers: () => ({}),
  can: { publish: true, ping: true, recover: false, hearItself: false },
  speaker: (listener, options) => new PusherSpeaker(listener, options),
};

interface Event {
  readonly event?: string;
  readonly channel?: string;
  readonly data?: unknown;
}

class PusherSpeaker implements Speaker {
  readonly #listener: SpeakerListener;
  readonly #key: string;
  readonly #secret: string;
  /** Pongs have no ids: they answer pings in order. `undefined` is a keep-alive. */
  #pings: (number | undefined)[] = [];
  #socketId = "";
  #activityMs: number | undefined;

  constructor(listener: SpeakerListener, { token = "" }: SpeakerOptions) {
    this.#listener = listener;
    const colon = token.indexOf(":");
    this.#key = colon === -1 ? token : token.slice(0, colon);
    this.#secret = colon === -1 ? "" : token.slice(colon + 1);
  }

  keepAliveMs(): number | undefined {
    return this.#activityMs;
  }

  keepAlive(): void {
    this.#ping(undefined);
  }

  /** The server speaks first. */
  opened(): void {
    this.#pings = [];
  }

  subscribe(channel: string): void {
    const name = wireName(channel);
    const signature = createHmac("sha256", this.#secret)
      .update(`${this.#socketId}:${name}`)
      .digest("hex");
    this.#send({
      event: "pusher:subscribe",
      data: { channel: name, auth: `${this.#key}:${signature}` },
    });
  }

  publish(
    _request: number,
    { channel, payload }: { readonly channel: string; readonly payload: string },
  ): boolean {
    this.#listener.send(
      `{"event":"${EVENT}","channel":${JSON.stringify(wireName(channel))},"data":${payload}}`,
    );
    return false;
  }

  ping(request: number): void {
    this.#ping(request);
  }

  bye(): void {}

  awayMs(failures: number, random: number): number {
    return failures === 0 ? 0 : spreadMs(COMEBACK, failures, random);
  }

  message(bytes: Buffer, from: number, to: number): void {
    const at = bytes.subarray(from, Math.min(to, from + HEAD_BYTES)).indexOf(EVENT_BYTES);
    if (at !== -1) return this.#listener.publications(bytes, from, to);
    let event: Event;
    try {
      event = JSON.parse(bytes.toString("utf8", from, to)) as Event;
    } catch {
      return this.#listener.refused("frame_invalid", "ends");
    }
    this.#event(event, { bytes, from, to });
  }

  #event(
    { event, channel = "", data }: Event,
    at: { bytes: Buffer; from: number; to: number },
  ): void {
    switch (event) {
      case "pusher:connection_established": {
        const established = fields(data);
        this.#socketId = String(established.socket_id ?? "");
        this.#activityMs = 1_000 * (Number(established.activity_timeout) || ACTIVITY_SECONDS);
        return this.#listener.ready();
      }
      case "pusher_internal:subscription_succeeded":
        // If the plan gave the name with the prefix, the name has it here too.
        this.#listener.caughtUp(channel);
        return this.#listener.caughtUp(channel.slice(PREFIX.length));
      case "pusher:ping":
        return this.#send({ event: "pusher:pong", data: {} });
      case "pusher:pong": {
        const request = this.#pings.shift();
        if (request !== undefined) this.#listener.answered(request);
        return;
      }
      case "pusher:error":
        return this.#listener.refused(`code_${Number(fields(data).code ?? 0) || 0}`, "goes on");
      case "pusher:subscription_error":
        return this.#listener.refused("subscription_error", "goes on");
      default:
        return this.#listener.publications(at.bytes, at.from, at.to);
    }
  }

  #ping(request: number | undefined): void {
    this.#pings.push(request);
    this.#send({ event: "pusher:ping", data: {} });
  }

  #send(event: object): void {
    this.#listener.send(JSON.stringify(event));
  }
}

const wireName = (channel: string): string =>
  channel.startsWith(PREFIX) ? channel : `${PREFIX}${channel}`;

/** Data is an object, or its JSON as a text. */
function fields(data: unknown): Readonly<Record<string, unknown>> {
  const value: unknown = typeof data === "string" ? JSON.parse(data) : data;
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
