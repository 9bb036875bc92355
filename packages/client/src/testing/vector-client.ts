// Owns: an engine and its application in a replayed session: calls that make the client's frames,
// and what the application is told. For tests only.
import type { ClientCodec } from "@holdfast/protocol";
import type { VectorWire } from "@holdfast/protocol/vector-wire";
import type { VectorFrame } from "@holdfast/protocol/vectors";
import { ClientEngine } from "../engine/client-engine.ts";
import { HoldfastError } from "../engine/errors.ts";
import type { RawMember } from "../engine/members.ts";
import type { Gap, RawMessage, StreamStart } from "../engine/stream.ts";
import { type TestClock, VectorSocket } from "./vector-socket.ts";

export interface VectorClientOptions {
  readonly clock: TestClock;
  readonly wire: VectorWire;
  readonly codec: ClientCodec;
  readonly migrates: boolean;
}

const TIMEOUT_MS = 3_600_000;
/** The node's pings are due this often, see the values that the replay chooses. */
const PING_MS = 30_000;

/** Frame members as the calls want them; the vectors are checked where they are kept. */
interface Request {
  readonly t: string;
  readonly ch: string;
  readonly pos?: StreamStart["since"];
  readonly last?: number;
  readonly k?: string;
  readonly idem?: string;
  readonly limit?: number;
  readonly before?: number;
  readonly m: string;
  readonly id: number;
}

export class VectorClient {
  readonly engine: ClientEngine;
  readonly sockets: VectorSocket[] = [];
  /** Messages, gaps and ends of all streams, in the order in which the application was told. */
  readonly told: unknown[] = [];
  /** Outcomes of calls by `connection id`; absent: not settled. */
  readonly outcomes = new Map<string, unknown>();
  readonly #clock: TestClock;
  readonly #stops = new Map<string, () => void>();
  readonly #giveUps = new Map<string, (error: HoldfastError) => void>();

  constructor({ clock, wire, codec, migrates }: VectorClientOptions) {
    this.#clock = clock;
    const settings = {
      connectTimeoutMs: 10_000,
      suspendAfterMs: 120_000,
      queue: { countMax: 100, bytesMax: 100_000 },
    };
    const environment = {
      clock,
      random: { next: () => 0.5 },
      open: (
        _url: string,
        subprotocol: string,
        handlers: ConstructorParameters<typeof VectorSocket>[1]["handlers"],
      ) => {
        const socket = new VectorSocket(subprotocol, { wire, handlers, clock });
        this.sockets.push(socket);
        return socket.transport;
      },
    };
    const options = { url: "ws://node/connect", codec, client: "vectors", migrates, ...settings };
    this.engine = new ClientEngine(options, environment, { state() {}, error() {} });
  }

  members(channel: string): readonly RawMember[] {
    return this.engine.presence.members(channel);
  }

  /**
   * Does what makes the client send this frame. `connection` names it together with its id.
   * `alone`: no other publish is to be in the same message.
   */
  act(frame: VectorFrame, connection: string, alone: boolean): void {
    const request = frame as unknown as Request;
    const key = `${connection} ${request.id}`;
    const { engine } = this;
    const settle = (outcome: unknown): void => void this.outcomes.set(key, outcome);
    const done = (error: HoldfastError | undefined): void =>
      settle(error ? { code: error.code } : "done");
    switch (request.t) {
      case "subscribe":
        return this.#subscribe(request, settle);
      case "unsubscribe":
      case "unwatch":
        return this.#stops.get(`${request.t} ${request.ch}`)?.();
      case "publish":
        return this.#publish(frame, alone, settle);
      case "history":
      case "rpc":
        return this.#call(frame, key, settle);
      case "cancel":
        return this.#giveUps.get(key)?.(new HoldfastError("aborted", "given up"));
      case "watch":
        this.#stops.set(
          `unwatch ${request.ch}`,
          engine.presence.watch(request.ch, {
            change() {},
            ready: () => done(undefined),
            error: done,
          }),
        );
        return;
      case "enter":
      case "update":
        return engine.presence[request.t](request.ch, dataOf(frame), done);
      case "leave":
        return engine.presence.leave(request.ch, done);
      case "ping":
        return this.#clock.advance(PING_MS);
      case "bye":
        return engine.close();
      default:
        // Whatever else there is, no call makes it.
        return;
    }
  }

  #subscribe({ ch, pos, last }: Request, settle: (outcome: unknown) => void): void {
    const listener = {
      message: ({ channel, epoch, offset, key, session, data }: RawMessage) =>
        void this.told.push({
          channel,
          epoch,
          offset,
          data,
          ...(key === undefined ? {} : { key }),
          ...(session === undefined ? {} : { session }),
        }),
      gap: (gap: Gap) => void this.told.push(gap),
      ready: (position: unknown) => settle(position),
      recovered() {},
      error: ({ code }: HoldfastError, ended: boolean) => settle({ code, ended }),
    };
    const start = {
      ...(pos === undefined ? {} : { since: pos }),
      ...(last === undefined ? {} : { last }),
    };
    this.#stops.set(`unsubscribe ${ch}`, this.engine.subscriptions.subscribe(ch, listener, start));
  }

  /** Ordered publishes wait for each other's answers, so those of one message are not. */
  #publish(frame: VectorFrame, ordered: boolean, settle: (outcome: unknown) => void): void {
    const { ch, k, idem } = frame as unknown as Request;
    const names = {
      ...(k === undefined ? {} : { key: k }),
      ...(idem === undefined ? {} : { idempotencyKey: idem }),
    };
    this.engine.publisher.publish(
      ch,
      dataOf(frame),
      { timeoutMs: TIMEOUT_MS, ordered, ...names },
      (result) => settle(result instanceof HoldfastError ? { code: result.code } : result),
    );
  }

  #call(frame: VectorFrame, key: string, settle: (outcome: unknown) => void): void {
    const { t, ch, m, limit, before } = frame as unknown as Request;
    const data = dataOf(frame);
    const request =
      t === "rpc"
        ? { t: "rpc" as const, m, timeoutMs: TIMEOUT_MS, ...(data === undefined ? {} : { data }) }
        : {
            t: "history" as const,
            ch,
            ...(limit === undefined ? {} : { limit }),
            ...(before === undefined ? {} : { before }),
          };
    const giveUp = this.engine.calls.start(
      request,
      { timeoutMs: TIMEOUT_MS, repeatable: false, name: t },
      (answer) => {
        if (answer instanceof HoldfastError) settle({ code: answer.code });
        else if (answer.t === "history")
          settle({
            epoch: answer.e,
            more: answer.more,
            list: answer.pubs.map(({ o, data: value }) => [o, value]),
          });
        else settle({ data: "data" in answer ? answer.data : undefined });
      },
    );
    this.#giveUps.set(key, giveUp);
  }
}

/** Application data of a vector frame as the application has it: a value, bytes, or undefined. */
export const dataOf = ({ d, b }: VectorFrame): unknown =>
  typeof b === "string" ? new Uint8Array(Buffer.from(b, "base64")) : d;
