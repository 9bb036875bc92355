// Owns: a GET of `/events`: a stream of events, or what came within the time of a long poll.

import type { DoorEngine, Random } from "@holdfast/core";
import {
  createStreamDoor,
  type StreamClient,
  type StreamDoor,
  type StreamFormat,
  type StreamRefusal,
} from "@holdfast/door-sse";
import { jsonAnswer, passingAnswer, problemAnswer, problemOf, STREAM_HEADERS } from "./answers.ts";
import type { EventsQuery } from "./query.ts";
import { StreamLink } from "./stream-link.ts";

export interface ReaderRecorder {
  streamOpened(route: string): void;
  streamBytes(route: string, bytes: number): void;
  streamEnded(route: string, why: "complete" | "left"): void;
}

export interface ReadersOptions {
  readonly engine: DoorEngine;
  readonly random: Pick<Random, "next">;
  readonly recorder: ReaderRecorder | undefined;
  /** A stream that is silent for as long gets a sign of life. */
  readonly heartbeatMs: number;
}

/** One request for a stream. */
export interface Reading {
  readonly query: EventsQuery;
  readonly format: StreamFormat;
  readonly token: string | undefined;
  readonly seal: (() => string) | undefined;
  readonly address: string;
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the listener may cut the connection for silence. */
  readonly mayCut: (may: boolean) => void;
}

const CONTENT_TYPE = { sse: "text/event-stream", ndjson: "application/x-ndjson" } as const;
/** Publications that come within this are answered together by a long poll. */
const GATHER_MS = 5;
/** What a long poll answers at once, in UTF-16 code units, or the first event alone. */
const POLL_LENGTH_MAX = 512 * 1024;

interface Running {
  readonly link: StreamLink;
  readonly client: StreamClient;
}

/** The streams of one node. */
export class Readers {
  readonly #options: ReadersOptions;
  readonly #door: StreamDoor;
  readonly #running = new Set<Running>();
  #beat: ReturnType<typeof setInterval> | undefined;

  constructor(options: ReadersOptions) {
    this.#options = options;
    this.#door = createStreamDoor(options.engine, options.random);
  }

  get count(): number {
    return this.#running.size;
  }

  async answer(reading: Reading): Promise<Response> {
    return reading.format === "poll" ? this.#poll(reading) : this.#stream(reading);
  }

  async #stream(reading: Reading): Promise<Response> {
    const { format, headers } = reading;
    const route = `events_${format}`;
    const { recorder } = this.#options;
    let isCounted = false;
    const { running, refusal } = await this.#open(reading, {
      onBytes: (bytes) => recorder?.streamBytes(route, bytes),
      onGone: (isClean) => {
        if (isCounted) recorder?.streamEnded(route, isClean ? "complete" : "left");
        // What is still in the socket must leave within the listener's time.
        reading.mayCut(true);
      },
    });
    if (refusal !== undefined) {
      const passing = format === "sse" ? passingAnswer(refusal, headers) : undefined;
      return passing ?? problemAnswer(problemOf(refusal), headers);
    }
    if (!running.link.isGone) {
      isCounted = true;
      recorder?.streamOpened(route);
      reading.mayCut(false);
      this.#keepAlive(running);
    }
    const type = CONTENT_TYPE[format === "sse" ? "sse" : "ndjson"];
    return new Response(running.link.body, {
      headers: { ...STREAM_HEADERS, "content-type": type, ...headers },
    });
  }

  /** Opens, and answers when there is an event that is no beginning, or the time is over. */
  async #poll(reading: Reading): Promise<Response> {
    const { query, headers, signal } = reading;
    const isFirst = query.places.size === 0;
    let wake: () => void = () => {};
    const { running, refusal } = await this.#open(reading, { onWaiting: () => wake() });
    if (refusal !== undefined) return problemAnswer(problemOf(refusal), headers);
    const { link, client } = running;
    reading.mayCut(false);
    try {
      const untilMs = performance.now() + (isFirst ? 0 : query.waitMs);
      for (;;) {
        const leftMs = untilMs - performance.now();
        if (link.isGone || signal.aborted || leftMs <= 0 || hasNews(link.waiting)) break;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      // The rest of a burst comes at once.
      if (!link.isGone) await Bun.sleep(GATHER_MS);
      return pollAnswer(link.waiting, headers);
    } finally {
      client.closed(true);
      link.cut();
      reading.mayCut(true);
    }
  }

  /** Resolves when every channel is subscribed, or one was refused. */
  async #open(
    reading: Reading,
    told: {
      readonly onBytes?: (bytes: number) => void;
      readonly onGone?: (isClean: boolean) => void;
      readonly onWaiting?: () => void;
    },
  ): Promise<{ readonly running: Running; readonly refusal: StreamRefusal | undefined }> {
    const { query, format, token, seal, address, signal } = reading;
    let client: StreamClient | undefined;
    const link = new StreamLink({
      address,
      onRoom: () => client?.writable(),
      onBytes: (bytes) => told.onBytes?.(bytes),
      onWaiting: () => told.onWaiting?.(),
      onGone: (isClean) => {
        told.onGone?.(isClean);
        this.#forget(running);
        // Not inside of the engine's own call.
        queueMicrotask(() => client?.closed(isClean));
      },
    });
    let running: Running | undefined;
    const refusal = await new Promise<StreamRefusal | undefined>((resolve) => {
      client = this.#door.open(
        link,
        {
          channels: query.channels,
          places: query.places,
          format,
          ...(query.last === undefined ? {} : { last: query.last }),
          ...(token === undefined ? {} : { token }),
          ...(seal === undefined ? {} : { seal }),
        },
        resolve,
      );
      signal.addEventListener("abort", () => link.cut(), { once: true });
      if (signal.aborted) link.cut();
    });
    running = { link, client: client as StreamClient };
    if (refusal !== undefined) link.cut();
    return { running, refusal };
  }

  #keepAlive(running: Running): void {
    this.#running.add(running);
    const { heartbeatMs } = this.#options;
    this.#beat ??= setInterval(
      () => {
        const nowMs = performance.now();
        for (const { link, client } of this.#running)
          if (nowMs - link.lastSentMs >= heartbeatMs) client.heartbeat();
      },
      Math.max(10, heartbeatMs / 4),
    );
  }

  #forget(running: Running | undefined): void {
    if (running !== undefined) this.#running.delete(running);
    if (this.#running.size > 0) return;
    clearInterval(this.#beat);
    this.#beat = undefined;
  }
}

const ID = /^\{"event":"\w+","id":"([^"]*)"/;
const linesOf = (texts: readonly string[]): readonly string[] =>
  texts.flatMap((text) => text.split("\n")).filter((line) => line !== "");

const BEGINNING = '{"event":"subscribed"';
const hasNews = (texts: readonly string[]): boolean =>
  texts.some((text) => text.split("\n").some((line) => line !== "" && !line.startsWith(BEGINNING)));

/** What does not fit comes with the next poll: its cursor is the id of the last event here. */
function pollAnswer(texts: readonly string[], headers: Readonly<Record<string, string>>): Response {
  const events: string[] = [];
  let length = 0;
  for (const line of linesOf(texts)) {
    length += line.length;
    if (events.length > 0 && length > POLL_LENGTH_MAX) break;
    events.push(line);
  }
  const cursor = events.map((line) => ID.exec(line)?.[1]).findLast((id) => id);
  const member = cursor === undefined ? "" : `,"cursor":${JSON.stringify(cursor)}`;
  return jsonAnswer(`{"events":[${events.join(",")}]${member}}`, 200, headers);
}
