// Owns: RPCs and history pages from the call to the answer.
import type { Encoded } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import { type Answer, byteLength, type EngineContext, type Request } from "./engine-context.ts";
import { cannot, dataError, errorFromWire, type HoldfastError, tooLarge } from "./errors.ts";

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
    const refuse = (error: HoldfastError) => {
      done(error);
      return () => {};
    };
    if (this.#engine.final) return refuse(this.#engine.final);
    const id = this.#engine.nextId();
    let encoded: Encoded;
    try {
      encoded = this.#engine.codec.encode({ ...request, id });
    } catch (cause) {
      return refuse(dataError(cause));
    }
    if (this.#open.size >= CALLS_MAX)
      return refuse(cannot("queue_full", name, `${CALLS_MAX} calls are not answered`));
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
    call.cancelTimer = this.#engine.after(timeoutMs, () =>
      this.#giveUp(call, cannot("timeout", name, `no answer within ${timeoutMs} ms`)),
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
    const { messageBytesMax } = connection;
    if (bytes > messageBytesMax)
      return this.#settle(call, tooLarge(call.options.name, bytes, messageBytesMax));
    call.connection = connection;
    connection.requestEncoded(call.id, call.encoded, (answer) => this.#onAnswer(call, answer), {
      patient: true,
      once: !call.options.repeatable,
    });
  }

  #onAnswer(call: Call, answer: Answer | undefined): void {
    call.connection = undefined;
    const { name, repeatable } = call.options;
    if (answer) this.#settle(call, answer.t === "err" ? errorFromWire(answer) : answer);
    else if (repeatable) this.sendWaiting();
    else this.#settle(call, cannot("connection_lost", name, "lost before the answer"));
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
