// Owns: a node's connection to the supervisor: dialling, the handshake, and dialling again after a
// loss.
import { connect } from "node:net";
import type { Clock, Random } from "@holdfast/core";
import type { LinkEndpoint } from "./link-address.ts";
import { createNonce, proofOf, sameProof } from "./link-auth.ts";
import { LinkSocket, type LinkSocketLimits } from "./link-socket.ts";
import { LINK, LINK_VERSION, LinkFault, type LinkMessage, text } from "./link-wire.ts";

/** How long `end` waits until the peer has read what was sent. */
const STOP_MS = 1_000;

export interface LinkDialerOptions {
  readonly endpoint: LinkEndpoint;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: LinkSocketLimits;
  /** From dialling to `settled`; after that the attempt is abandoned. */
  readonly connectMs: number;
  /** The n-th attempt in a row waits U(0, min(backoffMsMax, backoffMs * 2^n)) before it. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
  readonly handlers: {
    /**
     * The supervisor showed that it knows the secret. The listener calls `settled` when it is
     * ready.
     */
    readonly welcomed: (link: LinkSocket) => void;
    readonly message: (message: LinkMessage) => void;
    /** The connection, or the attempt, is gone. Another attempt follows. */
    readonly lost: (reason: string) => void;
  };
}

/**
 * One connection or attempt at a time, repeated until `stop`. If a supervisor comes back at the
 * same address, the node finds it within `backoffMsMax`.
 */
export class LinkDialer {
  readonly #options: LinkDialerOptions;
  #link: LinkSocket | undefined;
  #cancelTimer: () => void = () => {};
  #attempts = 0;
  #stopped = false;
  #ended: () => void = () => {};

  constructor(options: LinkDialerOptions) {
    this.#options = options;
  }

  dial(): void {
    const { clock, limits, endpoint, connectMs, handlers } = this.#options;
    const { address } = endpoint;
    const socket = connect(
      address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port },
    );
    let handle = (message: LinkMessage): void =>
      this.#prove(link, message, (next) => (handle = next));
    const link = new LinkSocket({
      socket,
      clock,
      limits,
      handlers: {
        message: (message) => handle(message),
        ended: (reason) => {
          this.#link = undefined;
          this.#cancelTimer();
          handlers.lost(reason);
          if (this.#stopped) this.#ended();
          else this.#again();
        },
      },
    });
    this.#link = link;
    this.#cancelTimer = clock.after(connectMs, () =>
      link.cut("the broker link could not be made in time"),
    );
  }

  /** The connection works: the next loss starts with a short wait again. */
  settled(): void {
    this.#attempts = 0;
    this.#cancelTimer();
  }

  /**
   * Ends the connection after everything that was sent, and makes no further attempt. Resolves when
   * the connection is gone, within a second.
   */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    const link = this.#link;
    if (link === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#ended = resolve;
      link.end();
      this.#cancelTimer = this.#options.clock.after(STOP_MS, () =>
        link.cut("the supervisor did not close the connection"),
      );
    });
  }

  /** Answers the challenge, then checks the welcome. */
  #prove(
    link: LinkSocket,
    [type, version, supervisorNonce]: LinkMessage,
    next: (handle: (message: LinkMessage) => void) => void,
  ): void {
    const { endpoint, nodeId, handlers } = this.#options;
    if (type !== LINK.challenge || version !== LINK_VERSION)
      throw new LinkFault("no challenge of this version");
    const nonces = { supervisor: text(supervisorNonce), node: createNonce() };
    link.send(
      [LINK.hello, LINK_VERSION, nodeId, nonces.node, proofOf(endpoint.secret, "node", nonces)],
      256,
    );
    next(([answer, proof]) => {
      if (
        answer !== LINK.welcome ||
        !sameProof(proofOf(endpoint.secret, "supervisor", nonces), text(proof))
      )
        throw new LinkFault("no welcome");
      next(handlers.message);
      handlers.welcomed(link);
    });
  }

  #again(): void {
    const { clock, random, backoffMs, backoffMsMax } = this.#options;
    const windowMs = Math.min(backoffMsMax, backoffMs * 2 ** Math.min(this.#attempts, 20));
    this.#attempts += 1;
    this.#cancelTimer = clock.after(random.next() * windowMs, () => this.dial());
  }
}
