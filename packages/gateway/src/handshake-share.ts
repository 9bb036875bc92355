// Owns: which handshakes may begin now: the gateway's rate, fairly shared among addresses.
import { FairShare } from "@holdfast/core";
import { partyOf, type Turned } from "@holdfast/relay/gateway";

export class HandshakeShare {
  readonly #share: FairShare;

  constructor(perSecond: number) {
    this.#share = new FairShare(perSecond, performance.now());
  }

  setRate(perSecond: number): void {
    this.#share.setRate(perSecond);
  }

  /** Undefined: it may begin. */
  ask(address: string): Turned | undefined {
    const waitMs = this.#share.take(partyOf(address), 1, performance.now());
    if (waitMs === 0) return undefined;
    return {
      status: 429,
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
      text: "Too many handshakes. Come back after the time in Retry-After.\n",
    };
  }
}
