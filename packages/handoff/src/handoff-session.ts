// Owns: what an application sees of a client.

/** How a message is sent. */
export interface SendOptions {
  /**
   * The client gets it at once, not with the next commit. If this pod dies before that commit, the
   * client has it, and the next pod must send the same again: the gateway drops it by its number.
   * Default false.
   */
  readonly early?: boolean;
}

/** One client. It stays the same client when it comes from another pod. */
export interface HandoffSession {
  /** Names the client, on all pods. Empty without a gateway. */
  readonly id: string;
  /** The client's subprotocol; empty if there is none. */
  readonly protocol: string;
  /** False: a client that came without a gateway. Nothing of it survives this pod. */
  readonly isHeld: boolean;
  /** False: it comes from another pod, with the state of the last commit. */
  readonly isNew: boolean;
  /**
   * Number of the client's message that is handled, from 1. If a pod dies before the commit, the
   * next one handles the message with the same number. So `id` and `index` make an idempotency key.
   */
  readonly index: number;
  /** Early messages that the client has beyond the state. So many that are sent are dropped. */
  readonly ahead: number;
  /**
   * What the next pod must know, at most 64 KiB if the gateway says nothing else. Set it in the
   * turn in which it changes. Throws `state_too_large`.
   */
  state: Uint8Array | undefined;
  /**
   * Sends in order. The client gets it with the next commit: at the end of the handler, or of the
   * turn if no handler runs. Throws `uncommitted_full` if more waits for a commit than may. Does
   * nothing if this pod has the client no more.
   */
  send(data: string | Uint8Array, options?: SendOptions): void;
  /**
   * Binds the state to what was sent and handled so far. In a handler, its own message is not among
   * that: it is handled again if the pod dies before the handler's end.
   */
  commit(): void;
  /** Commits, and resolves when the gateway has it. Rejects with `moved` if it never will. */
  saved(): Promise<void>;
  /** The client has all early messages: send none of them again. For what can't be repeated. */
  skipAhead(): void;
  /** Closes the client, with a code that applications may use. */
  close(code?: number, reason?: string): void;
}

/**
 * What an application does with its clients. For each client, one handler runs at a time. What it
 * sends and the state it sets are committed when it ends. If it throws or rejects, nothing of it is
 * committed, the pod gives the client up, and another pod handles the message.
 */
export interface HandoffHandlers {
  /** A client came: a new one, or with a state from another pod. */
  attached?(session: HandoffSession): void | Promise<void>;
  /** A message of the client, in order, once unless a pod dies before its commit. */
  message(session: HandoffSession, data: string | Uint8Array): void | Promise<void>;
  /** The client closed its socket: once for each client, on the pod that has it then. */
  closed?(session: HandoffSession, code: number, reason: string): void | Promise<void>;
  /** This pod has the client no more: it went to another, or it closed. */
  left?(session: HandoffSession): void;
  /** A handler failed. Default: nobody is told. */
  failed?(session: HandoffSession, error: unknown): void;
}
