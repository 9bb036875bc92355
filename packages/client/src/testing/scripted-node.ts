// Owns: a node that says exactly what a test tells it to, under an engine whose time stands still.
// For tests only.
import { jsonClientCodec } from "@holdfast/protocol";
import { ClientEngine } from "../engine/client-engine.ts";
import type { EngineOptions } from "../engine/engine-options.ts";
import type { ClientClock, Transport, TransportHandlers } from "../engine/environment.ts";
import type { StateChange } from "../engine/state.ts";
import type { Gap, RawMessage, Recovered, StreamListener, StreamStart } from "../engine/stream.ts";

/** A frame as JSON has it. */
export type Wire = { readonly t: string; readonly [member: string]: unknown };

interface TestClock extends ClientClock {
  advance(ms: number): void;
  flush(): void;
  waiting(): number;
}

/** One socket that the engine opened. */
export class ScriptedSocket {
  readonly url: string;
  readonly subprotocol: string;
  /** Frames of each message that the client sent. */
  readonly messages: Wire[][] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Each ping is answered at once, with a window of 0. */
  answersPings = false;
  readonly #handlers: TransportHandlers;
  readonly #clock: TestClock;
  #taken = 0;
  #isOpen = false;

  constructor(
    url: string,
    subprotocol: string,
    from: { readonly handlers: TransportHandlers; readonly clock: TestClock },
  ) {
    this.url = url;
    this.subprotocol = subprotocol;
    this.#handlers = from.handlers;
    this.#clock = from.clock;
  }

  get transport(): Transport {
    return {
      send: (message) => {
        if (!this.#isOpen || this.closed) return;
        const frames = String(message)
          .split("\n")
          .map((line) => JSON.parse(line) as Wire);
        this.messages.push(frames);
        for (const { t, id } of this.answersPings ? frames : [])
          if (t === "ping")
            this.#clock.defer(() =>
              this.#handlers.message(JSON.stringify({ t: "pong", id, time: 0, windowMs: 0 })),
            );
      },
      close: (code, reason) => {
        this.closed ??= { code, reason };
      },
    };
  }

  open(): void {
    this.#isOpen = true;
    this.#handlers.opened();
    this.#clock.flush();
  }

  /** One message with these frames. */
  send(...frames: readonly Wire[]): void {
    this.#handlers.message(frames.map((frame) => JSON.stringify(frame)).join("\n"));
    this.#clock.flush();
  }

  drop(code = 1006, reason = ""): void {
    this.#handlers.closed(code, reason);
    this.#clock.flush();
  }

  /** Frames that came since the last call, pings left out. */
  take(): Wire[] {
    const frames = this.messages.slice(this.#taken).flat();
    this.#taken = this.messages.length;
    return frames.filter(({ t }) => t !== "ping");
  }

  /** The one frame of this type that came since the last call; the others are gone too. */
  takeOne(type: string): Wire & { readonly id: number } {
    const frames = this.take().filter(({ t }) => t === type);
    const [frame] = frames;
    if (!frame || frames.length !== 1)
      throw new Error(`Expected one ${type}, found ${JSON.stringify(frames)}`);
    return { id: 0, ...frame };
  }

  get pings(): number {
    return this.messages.flat().filter(({ t }) => t === "ping").length;
  }

  /** Answers `connect`; returns everything that came with it. */
  accept(members: Readonly<Record<string, unknown>> = {}): Wire[] {
    this.open();
    const frames = this.take();
    this.send(connected({ id: frames.find(({ t }) => t === "connect")?.id, ...members }));
    return frames;
  }

  /** Answers the last `subscribe` of the channel. */
  subscribed(channel: string, members: Readonly<Record<string, unknown>>): void {
    const frame = this.messages.flat().findLast(({ t, ch }) => t === "subscribe" && ch === channel);
    this.send({
      t: "subscribed",
      id: frame?.id,
      ch: channel,
      cls: "ordered",
      pos: { epoch: "e", offset: 0 },
      head: 0,
      recovered: false,
      ...members,
    });
  }
}

export const connected = (members: Readonly<Record<string, unknown>> = {}): Wire => ({
  t: "connected",
  id: 1,
  session: "s1",
  node: "n1",
  resumed: false,
  resume: "r1",
  pingMs: 25_000,
  windowMs: 1_000,
  messageBytesMax: 65_536,
  time: 0,
  ...members,
});

export const pub = (ch: string, o: number, d: unknown = `d${o}`): Wire => ({
  t: "pub",
  ch,
  o,
  ts: 1,
  d,
});

/** What one subscription was told, as short texts. */
export class Log implements StreamListener {
  readonly lines: string[] = [];
  message({ offset, epoch, data }: RawMessage): void {
    this.lines.push(
      epoch === "e"
        ? `${offset}`
        : `${epoch}:${offset}${typeof data === "string" && data.startsWith("!") ? data : ""}`,
    );
  }
  gap({ from, to, reason, position }: Gap): void {
    this.lines.push(`gap ${from}..${to} ${reason} > ${position.epoch}:${position.offset}`);
  }
  ready({ epoch, offset }: { readonly epoch: string; readonly offset: number }): void {
    this.lines.push(`ready ${epoch}:${offset}`);
  }
  recovered({ lossless }: Recovered): void {
    this.lines.push(lossless ? "recovered" : "recovered with loss");
  }
  error(error: { readonly code: string }, ended: boolean): void {
    this.lines.push(`${ended ? "ended" : "error"} ${error.code}`);
  }
  /** Lines since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }
}

/** An engine and the sockets that it opened. `random.value` is what chance gives. */
export function scripted(clock: TestClock, options: Partial<EngineOptions> = {}, chance = 0.5) {
  const sockets: ScriptedSocket[] = [];
  const states: string[] = [];
  const changes: StateChange[] = [];
  const errors: unknown[] = [];
  const random = { value: chance, next: () => random.value };
  const engine = new ClientEngine(
    {
      url: "ws://node/connect",
      codec: jsonClientCodec,
      client: "test",
      connectTimeoutMs: 10_000,
      suspendAfterMs: 30_000,
      migrates: true,
      queue: { countMax: 100, bytesMax: 10_000 },
      ...options,
    },
    {
      clock,
      random,
      open: (url, subprotocol, handlers) => {
        const socket = new ScriptedSocket(url, subprotocol, { handlers, clock });
        sockets.push(socket);
        return socket.transport;
      },
    },
    {
      state: (change) => {
        changes.push(change);
        states.push(`${change.state} ${change.reason}`);
      },
      error: (error) => errors.push(error),
    },
  );
  /** The newest socket. */
  const socket = (): ScriptedSocket => {
    const newest = sockets.at(-1);
    if (!newest) throw new Error("No socket was opened");
    return newest;
  };
  /** Starts and connects. */
  const connect = (members: Readonly<Record<string, unknown>> = {}): ScriptedSocket => {
    engine.start();
    clock.flush();
    socket().accept(members);
    socket().take();
    return socket();
  };
  const subscribe = (channel: string, start: StreamStart = {}) => {
    const log = new Log();
    const stop = engine.subscriptions.subscribe(channel, log, start);
    clock.flush();
    return { log, stop };
  };
  return { engine, clock, random, sockets, socket, states, changes, errors, connect, subscribe };
}
