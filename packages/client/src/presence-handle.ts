// Owns: a channel's presence as the application uses it.
import { Emitter } from "./emitter.ts";
import type { EngineCore } from "./engine/engine-core.ts";
import { HoldfastError } from "./engine/errors.ts";
import type { MembersChange } from "./engine/members.ts";
import type { Presence } from "./engine/presence.ts";
import { onAbort, pending } from "./pending.ts";
import type { Member, PresenceChange } from "./types.ts";

/**
 * How long a request of presence waits for the node's answer. It rejects with `timeout` or
 * `aborted`; the client still carries out what was asked.
 */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** Default `requestTimeoutMs`. */
  readonly timeoutMs?: number;
}

/**
 * The events of a channel's presence, for `on` and `off`. The first listener of `change` starts the
 * watch.
 */
export interface PresenceEvents<T> {
  /**
   * Somebody came, changed or went; the first one after listening began holds everybody as `join`.
   * After a reconnect: the difference only.
   */
  change: (change: PresenceChange<T>) => void;
  /**
   * The node refused to show the channel's presence. If `error.retry` is `never`, it is asked again
   * on the next connection; the first change after that holds everybody as `join`.
   */
  error: (error: HoldfastError) => void;
}

/**
 * Membership survives reconnects and moves: after each the session enters again with its newest
 * data, and nobody sees it leave. Every handle (each call of `hf.channel()` gives one) may want the
 * session to be a member: the data of the one that entered or updated last is shown, and the
 * session leaves when the last of them has left.
 */
export class PresenceHandle<T> {
  readonly #engine: EngineCore;
  readonly #presence: Presence;
  readonly #channel: string;
  readonly #timeoutMs: number;

  constructor(
    engine: EngineCore,
    presence: Presence,
    options: { readonly channel: string; readonly timeoutMs: number },
  ) {
    const { channel, timeoutMs } = options;
    this.#engine = engine;
    this.#presence = presence;
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Becomes a member until `leave`. Resolves when the node has it. After `timeout` or `aborted` the
   * session still becomes a member: it is carried out when a connection allows it. After a refusal
   * whose `retry` is `never` the node of the next connection is asked again, until `leave`.
   */
  enter(data?: T, options: WaitOptions = {}): Promise<void> {
    return this.#wait(options, (done) => this.#presence.enter(this.#channel, data, done, this));
  }

  /**
   * Replaces this member's data. Calls that come faster than answers are merged into the newest.
   */
  update(data: T, options: WaitOptions = {}): Promise<void> {
    return this.#wait(options, (done) => this.#presence.update(this.#channel, data, done, this));
  }

  /**
   * This handle no longer wants the session to be a member. Without a connection the node ends the
   * membership after its grace time. Rejects with `not_entered` if only other handles have entered.
   */
  leave(options: WaitOptions = {}): Promise<void> {
    return this.#wait(options, (done) => this.#presence.leave(this.#channel, done, this));
  }

  /**
   * Members as far as they are known: complete while something listens to `change`, otherwise
   * empty. Use `get` for a single look.
   */
  members(): readonly Member<T>[] {
    // The node checks members' data against the contract's schema, which is where T comes from.
    return this.#presence.members(this.#channel) as readonly Member<T>[];
  }

  /** Everybody who is there now. */
  get(options: WaitOptions = {}): Promise<readonly Member<T>[]> {
    let stop = () => {};
    const found = pending<readonly Member<T>[]>(options.signal, (done) => {
      const settle = (result: readonly Member<T>[] | HoldfastError) => {
        cancel();
        done(result);
      };
      const cancel = this.#timeout(options, settle);
      stop = this.#presence.watch(this.#channel, {
        change() {},
        ready: (members) => settle(members as readonly Member<T>[]),
        error: settle,
      });
      return settle;
    });
    return found.finally(() => stop());
  }

  /**
   * Listening to `change` starts the watch; removing the last listener ends it. Returns what
   * removes the listener.
   */
  on<Name extends keyof PresenceEvents<T>>(
    name: Name,
    listener: PresenceEvents<T>[Name],
    options: { signal?: AbortSignal } = {},
  ): () => void {
    const events = new Emitter<PresenceEvents<T>>((error) => this.#engine.report(error));
    events.on(name, listener);
    let knowsAll = false;
    const change = (change: MembersChange) => {
      knowsAll = true;
      events.emit("change", change as PresenceChange<T>);
    };
    const stop = this.#presence.watch(this.#channel, {
      change,
      // Another listener may have begun the watch: then there is no first change.
      ready: (members) => {
        if (!knowsAll && members.length > 0) change({ join: members, update: [], leave: [] });
      },
      error: (error) => {
        knowsAll = false;
        if (events.emit("error", error) === 0 && error.code !== "closed")
          this.#engine.report(error);
      },
    });
    const forget = onAbort(options.signal, stop);
    return () => {
      forget();
      stop();
    };
  }

  #wait(
    options: WaitOptions,
    start: (done: (error: HoldfastError | undefined) => void) => void,
  ): Promise<void> {
    return pending<undefined>(options.signal, (done) => {
      const cancel = this.#timeout(options, done);
      start((error) => {
        cancel();
        done(error);
      });
      return (error) => {
        cancel();
        done(error);
      };
    });
  }

  #timeout(options: WaitOptions, done: (error: HoldfastError) => void): () => void {
    const timeoutMs = options.timeoutMs ?? this.#timeoutMs;
    return this.#engine.after(timeoutMs, () =>
      done(
        new HoldfastError(
          "timeout",
          `No answer about the presence of ${this.#channel} within ${timeoutMs} ms`,
        ),
      ),
    );
  }
}
