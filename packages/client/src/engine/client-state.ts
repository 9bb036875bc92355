// Owns: which state the client is in, as the application sees it, and telling each change once.
import { defined, type EngineContext } from "./engine-context.ts";
import type { HoldfastError } from "./errors.ts";
import type { State, StateChange, StateReason } from "./state.ts";

/** The state, and the timer that turns a long absence into `suspended`. */
export class ClientState {
  /** The network is said to be gone. */
  offline = false;
  /** Why the client ended for good, once it has. */
  final: HoldfastError | undefined;
  readonly #engine: EngineContext;
  readonly #suspendAfterMs: number;
  readonly #tell: (change: StateChange) => void;
  #state: State = "connecting";
  #cancelSuspend: () => void = () => {};

  /** `tell` MUST NOT throw. */
  constructor(engine: EngineContext, suspendAfterMs: number, tell: (change: StateChange) => void) {
    this.#engine = engine;
    this.#suspendAfterMs = suspendAfterMs;
    this.#tell = tell;
  }

  get state(): State {
    return this.#state;
  }

  /** The client was started, or its page runs again: it has `suspendAfterMs` to connect. */
  begin(): void {
    this.#cancelSuspend();
    this.#cancelSuspend = this.#engine.after(this.#suspendAfterMs, () =>
      this.#become("suspended", "suspended"),
    );
  }

  connected(resumed: boolean): void {
    this.#cancelSuspend();
    this.offline = false;
    this.#become("connected", resumed ? "resumed" : "connected");
  }

  /** There is no connection. */
  away(reason: StateReason, error?: HoldfastError): void {
    if (this.offline) this.#become("suspended", "offline", error);
    else if (this.#state === "connected") {
      this.begin();
      this.#become("reconnecting", reason, error);
    }
  }

  /** The network is said to be back: `state` is what the client does about it. */
  back(state: "connecting" | "reconnecting"): void {
    if (this.#state !== "suspended") return;
    this.begin();
    this.#become(state, "online");
  }

  end(state: "closed" | "failed", reason: StateReason, error: HoldfastError): void {
    this.final = error;
    this.#become(state, reason, error);
  }

  #become(state: State, reason: StateReason, error?: HoldfastError): void {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.#tell(defined({ state, previous, reason, error }));
  }
}
