// Owns: the streams that are open: how many there may be, for all and for each caller, and their
// end in a drain.
import type { ServerRecorder } from "../../metrics/index.ts";
import type { Problem } from "../problem.ts";
import type { StreamBody, StreamEnd } from "./body.ts";

/** What one stream may hold: a page of its source, and the text that is made of it. */
export const STREAM_BYTES = 512 * 1024;
/** Of all streams. */
const STREAMS_BYTES_MAX = 32 * 1024 * 1024;
const STREAMS_MAX = STREAMS_BYTES_MAX / STREAM_BYTES;
/** Of one API key, and of one address: half of them, so that one caller leaves room for others. */
const SHARE_MAX = STREAMS_MAX / 2;
const RETRY_MS = 1_000;
/** How often open streams look whether the node has begun to send its clients away. */
const DRAIN_LOOK_MS = 250;

export interface OpenStreamsOptions {
  readonly recorder:
    | Pick<ServerRecorder, "streamOpened" | "streamBytes" | "streamEnded">
    | undefined;
  /** True while the node sends newcomers elsewhere. */
  readonly sendsAway: () => boolean;
  readonly streamsMax?: number;
  readonly shareMax?: number;
}

export interface StreamPlace {
  readonly route: string;
  readonly onBytes: (bytes: number) => void;
  /** Its body, from now on ended by a drain. */
  hold(body: StreamBody, lastEvent: (problem: Problem) => Parameters<StreamBody["end"]>[0]): void;
  /** Gives the place back. Again: nothing. */
  release(why: StreamEnd | undefined): void;
}

export const DRAINING: Problem = {
  code: "draining",
  detail:
    "Cannot stream from this node: it drains. Ask again behind the last id; another node answers",
  retryMs: RETRY_MS,
};

export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #streamsMax: number;
  readonly #shareMax: number;
  readonly #places = new Map<StreamPlace, (() => void) | undefined>();
  readonly #byCaller = new Map<string, number>();
  #look: ReturnType<typeof setInterval> | undefined;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
    this.#streamsMax = options.streamsMax ?? STREAMS_MAX;
    this.#shareMax = options.shareMax ?? SHARE_MAX;
  }

  get count(): number {
    return this.#places.size;
  }

  /** A place that must be released, or why there is none. */
  take(route: string, caller: { readonly key: string; readonly address: string }): Taken {
    if (this.#options.sendsAway()) return { ok: false, problem: DRAINING };
    const shares = [`key ${caller.key}`, `address ${caller.address}`];
    const used = shares.find((share) => (this.#byCaller.get(share) ?? 0) >= this.#shareMax);
    if (used !== undefined) {
      const what = used.startsWith("key") ? "API key" : "address";
      const detail = `Cannot open a stream: found ${this.#shareMax} open ones of this ${what}, expected fewer`;
      return { ok: false, problem: { code: "rate_limited", detail, retryMs: RETRY_MS } };
    }
    if (this.#places.size >= this.#streamsMax) {
      const detail = `Cannot open a stream: found ${this.#streamsMax} open ones on this node, expected fewer`;
      return { ok: false, problem: { code: "try_later", detail, retryMs: RETRY_MS } };
    }
    return { ok: true, place: this.#place(route, shares) };
  }

  /** Ends all, each with a last event that says so. */
  endAll(): void {
    for (const end of [...this.#places.values()]) end?.();
  }

  #place(route: string, shares: readonly string[]): StreamPlace {
    const { recorder } = this.#options;
    const place: StreamPlace = {
      route,
      onBytes: (bytes) => recorder?.streamBytes(route, bytes),
      hold: (body, lastEvent) => {
        this.#places.set(place, () => body.end(lastEvent(DRAINING), "draining"));
        recorder?.streamOpened(route);
      },
      release: (why) => {
        const wasHeld = this.#places.get(place) !== undefined;
        if (!this.#places.delete(place)) return;
        for (const share of shares) this.#count(share, -1);
        if (wasHeld) recorder?.streamEnded(route, why ?? "failed");
        if (this.#places.size > 0) return;
        clearInterval(this.#look);
        this.#look = undefined;
      },
    };
    this.#places.set(place, undefined);
    for (const share of shares) this.#count(share, 1);
    this.#look ??= setInterval(() => {
      if (this.#options.sendsAway()) this.endAll();
    }, DRAIN_LOOK_MS);
    return place;
  }

  #count(share: string, by: 1 | -1): void {
    const count = (this.#byCaller.get(share) ?? 0) + by;
    if (count === 0) this.#byCaller.delete(share);
    else this.#byCaller.set(share, count);
  }
}

type Taken =
  | { readonly ok: true; readonly place: StreamPlace }
  | { readonly ok: false; readonly problem: Problem };
