// Owns: the client without presence, as the application uses it; wires the pure engine to the
// runtime.
import type { ClientCodec } from "@holdfast/protocol";
import { ChannelCore } from "./channel.ts";
import { Emitter } from "./emitter.ts";
import type { Stats } from "./engine/counts.ts";
import { defined } from "./engine/engine-context.ts";
import { EngineCore } from "./engine/engine-core.ts";
import { cannot, HoldfastError } from "./engine/errors.ts";
import type { State, StateChange } from "./engine/state.ts";
import {
  type CheckedOptions,
  checkOptions,
  type HoldfastOptions,
  type WebSocketConstructor,
  whole,
} from "./options.ts";
import { pending } from "./pending.ts";
import type { MethodInput, MethodOutput, Methods, Names } from "./types.ts";
import { listenForHints, webEnvironment } from "./web-environment.ts";

/** The version of this client, which it tells the node when it connects. */
export const VERSION = "0.1.0";

/** The events of a client, for `on` and `off`. */
export interface HoldfastEvents {
  /** The state changed. */
  state: (change: StateChange) => void;
  /**
   * Something failed that no call of the application can carry: a failed attempt or token, a
   * listener that threw. Without a listener for it, what an application's listener threw is thrown
   * again on its own, as an uncaught exception.
   */
  error: (error: unknown) => void;
}

/**
 * How long one call waits, and whether it may be sent twice. A call that fails rejects with a
 * `HoldfastError`, for example `timeout`, `aborted`, `connection_lost` or `rpc_failed`.
 */
export interface RpcOptions {
  readonly signal?: AbortSignal;
  /** Default `requestTimeoutMs`. Sent along, so that the node gives up too. */
  readonly timeoutMs?: number;
  /**
   * True: may be sent again when the connection was lost before the answer, so the handler may run
   * twice. Default false: `connection_lost`.
   */
  readonly retry?: boolean;
}

type RpcArguments<Input> = undefined extends Input
  ? [input?: Input, options?: RpcOptions]
  : [input: Input, options?: RpcOptions];

/**
 * What `Holdfast` is without presence, async iteration and `getState`, and with no codec of its
 * own, for pages that count every byte. `C` is the type of the application's contract. Connects at
 * once unless `autoConnect` is false. Needs a global `WebSocket` or the option of that name.
 */
export class HoldfastCore<C = unknown> {
  /** For subclasses. */
  protected readonly engine: EngineCore;
  protected readonly checked: CheckedOptions;
  readonly #events: Emitter<HoldfastEvents>;
  readonly #WebSocket: WebSocketConstructor | undefined;
  #stopHints: () => void = () => {};
  #closing: Promise<void> | undefined;

  constructor(url: string | URL, options: HoldfastOptions & { readonly codec: ClientCodec }) {
    this.checked = checkOptions(url, options);
    this.#WebSocket =
      options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
    this.#events = new Emitter((error) => this.engine.report(error));
    const { getToken, name, codec, autoConnect = true } = options;
    const settings = {
      ...this.checked,
      codec,
      client: `holdfast-js/${VERSION}${name ? ` ${name}` : ""}`,
      ...defined({ getToken }),
      migrates: true,
      queue: this.checked,
    };
    this.engine = new EngineCore(
      settings,
      webEnvironment((url, subprotocol) => new (this.#webSocket())(url, subprotocol)),
      {
        state: (change) => this.#onState(change),
        error: (error) => this.#onError(error),
      },
    );
    if (autoConnect) this.connect();
  }

  /** `connecting`, `connected`, `reconnecting`, `suspended`, `closed` or `failed`. */
  get state(): State {
    return this.engine.state;
  }
  /** Public id of this session, as others see it in presence; while connected. */
  get session(): string | undefined {
    return this.engine.session;
  }
  /** Name of the node that the client is connected to. */
  get node(): string | undefined {
    return this.engine.node;
  }

  /**
   * Begins to connect, if `autoConnect` is false. A second call does nothing. Throws
   * `request_invalid` if there is no WebSocket.
   */
  connect(): void {
    this.#webSocket();
    // At the end of this turn, so that what the application asks for in it goes into the first
    // message.
    this.engine.defer(() => {
      if (this.state !== "connecting") return;
      this.#stopHints();
      this.#stopHints = listenForHints((hint) => this.engine.hint(hint));
      this.engine.start();
    });
  }

  /** Returns what removes the listener. */
  on<Name extends keyof HoldfastEvents>(name: Name, listener: HoldfastEvents[Name]): () => void {
    return this.#events.on(name, listener);
  }

  /** A handle of a channel; costs nothing until it is used. */
  channel<N extends Names<C>>(name: N): ChannelCore<C, N> {
    return new ChannelCore<C, N>(this.engine, name, this.checked);
  }

  /**
   * Calls a method. Waits for a connection up to the timeout. Rejects with the node's code
   * (`rpc_timeout` when it noticed the deadline first), `timeout`, `aborted` or `connection_lost`.
   */
  rpc<M extends Methods<C>>(
    method: M,
    ...[input, options = {}]: RpcArguments<MethodInput<C, M>>
  ): Promise<MethodOutput<C, M>> {
    const timeoutMs = whole("timeoutMs", options.timeoutMs, this.checked.requestTimeoutMs);
    const call = { timeoutMs, repeatable: options.retry === true, name: `call ${method}` };
    return pending(options.signal, (done) =>
      this.engine.calls.start(
        { t: "rpc", m: method, timeoutMs, ...(input === undefined ? {} : { data: input }) },
        call,
        (answer) => {
          if (answer instanceof HoldfastError) done(answer);
          // The node checked the output against the contract's schema.
          else if (answer.t === "ok") done(answer.data as MethodOutput<C, M>);
          else done(cannot("internal", call.name, `the node answered ${answer.t}`));
        },
      ),
    );
  }

  /** What the application experienced since the client was made. */
  stats(): Stats {
    return { ...this.engine.counts.total };
  }

  /**
   * Says goodbye and ends everything: publishes, calls and subscriptions that wait reject with
   * `closed`. Resolves when the socket is closed, or after 1 s.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => this.engine.close(resolve));
    return this.#closing;
  }

  /** The constructor, or what to do about its absence. */
  #webSocket(): WebSocketConstructor {
    if (this.#WebSocket) return this.#WebSocket;
    const wanted = "expected the option WebSocket (for Node 20: of the package ws)";
    throw cannot("request_invalid", "connect", `no WebSocket here, ${wanted}`, {
      path: "WebSocket",
    });
  }

  /**
   * Tells `error` listeners of something that no call of the application can carry. For extensions
   * such as the React hooks.
   */
  report(error: unknown): void {
    this.engine.report(error);
  }

  #onState(change: StateChange): void {
    if (change.state === "closed" || change.state === "failed") this.#stopHints();
    this.#events.emit("state", change);
  }

  #onError(error: unknown): void {
    if (this.#events.emit("error", error) > 0 || error instanceof HoldfastError) return;
    setTimeout(() => {
      throw error;
    }, 0);
  }
}
