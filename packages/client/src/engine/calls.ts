// Owns: RPCs and history pages from the call to the answer.
import type { Encoded } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import { type Answer, byteLength, type EngineContext, type Request } from "./engine-context.ts";
import { errorFromWire, HoldfastError } from "./errors.ts";

/** Calls that may be unanswered or wait for a connection. */
const CALLS_MAX = 1_000;

export interface CallOptions {
  readonly timeoutMs: number;
  /** Whether it may be sent again when the connection was lost before the answer. */
  readonly repeatable: boolean;
  /** What the text of an error calls it. */
  readonly name: string;
}

export type CallDone = (result: Answer | HoldfastError) => void;

interface Call {
  readonly id: number;
  readonly encoded: Encoded;
  readonly options: CallOptions;
  readonly done: CallDone;
  readonly cancellable: boolean;
  connection: Connection | undefined;
  cancelTimer: () => void;
}

/** Calls that wait for a connection or for their answers. */
export class Calls {
  readonly #engine: EngineContext;
  readonly #open = new Set<Call>();

  constructor(engine: EngineContext) {
    this.#engine = engine;
  }

  /**
   * Starts a call. `done` gets the answer (never an `err`) or the error, once. The result gives it
   * up with the error given; a node that works on it is told.
   */
  start(request: Request, options: CallOptions, done: CallDone): (error: HoldfastError) => void {
    const { name, timeoutMs } = options;
    if (this.#engine.final) {
      done(this.#engine.final);
      return () => {};
    }
    const id = this.#engine.nextId();
    let encoded: Encoded;
    try {
      encoded = this.#engine.codec.encode({ ...request, id });
    } catch (cause) {
      done(
        new HoldfastError("payload_invalid", `Cannot ${name}: the data cannot be encoded`, {
          cause,
        }),
      );
      return () => {};
    }
    if (this.#open.size >= CALLS_MAX) {
      done(new HoldfastError("queue_full", `Cannot ${name}: ${CALLS_MAX} calls are not answered`));
      return () => {};
    }
    const call: Call = {
      id,
      encoded,
      options,
      done,
      cancellable: request.t === "rpc",
      connection: undefined,
      cancelTimer: () => {},
    };
    this.#open.add(call);
    call.cancelTimer = this.#engine.environment.clock.after(timeoutMs, () =>
      this.#giveUp(
        call,
        new HoldfastError("timeout", `Cannot ${name}: no answer within ${timeoutMs} ms`),
      ),
    );
    this.sendWaiting();
    return (error) => this.#giveUp(call, error);
  }

  /** Sends what waits. Call it when a connection is ready. */
  sendWaiting(): void {
    const connection = this.#engine.ready();
    if (!connection) return;
    for (const call of [...this.#open]) if (!call.connection) this.#send(connection, call);
  }

  endAll(error: HoldfastError): void {
    for (const call of [...this.#open]) this.#settle(call, error);
  }

  #send(connection: Connection, call: Call): void {
    const bytes = byteLength(call.encoded);
    if (bytes > connection.messageBytesMax) {
      const found = `${bytes} bytes, expected at most ${connection.messageBytesMax}`;
      this.#settle(
        call,
        new HoldfastError("payload_too_large", `Cannot ${call.options.name}: ${found}`),
      );
      return;
    }
    call.connection = connection;
    connection.requestEncoded(call.id, call.encoded, (answer) => this.#onAnswer(call, answer), {
      patient: true,
      once: !call.options.repeatable,
    });
  }

  #onAnswer(call: Call, answer: Answer | undefined): void {
    call.connection = undefined;
    if (answer) this.#settle(call, answer.t === "err" ? errorFromWire(answer) : answer);
    else if (call.options.repeatable) this.sendWaiting();
    else {
      const text = `Cannot ${call.options.name}: connection lost before the answer`;
      this.#settle(call, new HoldfastError("connection_lost", text));
    }
  }

  #giveUp(call: Call, error: HoldfastError): void {
    if (!this.#open.has(call)) return;
    const { connection, id, cancellable } = call;
    this.#settle(call, error);
    if (cancellable) connection?.send({ t: "cancel", id });
    connection?.forget(id);
  }

  #settle(call: Call, result: Answer | HoldfastError): void {
    if (!this.#open.delete(call)) return;
    call.cancelTimer();
    call.done(result);
  }
}
