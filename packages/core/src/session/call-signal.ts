// Owns: the end of one call before its handler has answered.
import type { RpcSignal } from "@holdfast/contract";

/** Why a call was ended before its handler answered. */
export type CallEnd = "rpc_cancelled" | "rpc_timeout";

/**
 * The abort signal of one call. `end` tells the handler once; `ended` settles the race with its
 * answer.
 */
export class CallSignal implements RpcSignal {
  aborted = false;
  readonly ended: Promise<CallEnd>;
  readonly #listeners: (() => void)[] = [];
  #settle: (end: CallEnd) => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  addEventListener(_type: "abort", listener: () => void): void {
    if (this.aborted) listener();
    else this.#listeners.push(listener);
  }

  end(why: CallEnd): void {
    if (this.aborted) return;
    this.aborted = true;
    this.#settle(why);
    for (const listener of this.#listeners.splice(0)) listener();
  }
}
