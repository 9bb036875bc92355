// Owns: the order of one connection's requests on one channel: they are carried out, and answered,
// in the order in which they came (spec 3.1).
import type { ServerFrame } from "@holdfast/protocol";

/** Takes the answer to one request. */
export type Answer = (frame: ServerFrame) => void;

interface Place {
  frame: ServerFrame | undefined;
}

/**
 * A request begins when those before it have ended. A publish ends when the broker was asked, so
 * that many can be on their way; their answers wait for each other here. Every other request waits
 * for those answers too. Bounded by its callers: publishes by their rate and the broker's time
 * limit, requests that wait by `Requests`.
 */
export class ChannelOrder {
  readonly #send: Answer;
  readonly #idle: () => void;
  /** Ends when the last request that was begun, or waits, has ended. */
  #tail: Promise<void> | undefined = undefined;
  /** One for each publish without an answer, and for those behind it. */
  readonly #places: Place[] = [];
  #answered: (() => void) | undefined = undefined;

  /** `send` takes answers in their order; `idle` is called when nothing is under way any more. */
  constructor(send: Answer, idle: () => void) {
    this.#send = send;
    this.#idle = idle;
  }

  /**
   * Runs the request after those before it, within this call if there are none. Undefined if the
   * request ended within this call. `request` MUST NOT reject.
   */
  run(
    request: () => Promise<void> | undefined,
    { isPublish }: { readonly isPublish: boolean },
  ): Promise<void> | undefined {
    const before = isPublish ? this.#tail : this.#allBefore();
    const running = before === undefined ? request() : before.then(request);
    if (running === undefined) return undefined;
    const tail: Promise<void> = running.then(() => {
      if (this.#tail !== tail) return;
      this.#tail = undefined;
      this.#look();
    });
    this.#tail = tail;
    return tail;
  }

  /** Whether a request would have to wait now. */
  waits({ isPublish }: { readonly isPublish: boolean }): boolean {
    return this.#tail !== undefined || (!isPublish && this.#places.length > 0);
  }

  /** A place for the answer to a publish that begins now. */
  place(): Answer {
    const place: Place = { frame: undefined };
    this.#places.push(place);
    return (frame) => {
      place.frame ??= frame;
      while (this.#places[0]?.frame !== undefined)
        this.#send(this.#places.shift()?.frame as ServerFrame);
      this.#look();
    };
  }

  #allBefore(): Promise<void> | undefined {
    return this.#tail === undefined
      ? this.#untilAnswered()
      : this.#tail.then(() => this.#untilAnswered());
  }

  /** Every publish comes before or after the request that waits: none gets a place meanwhile. */
  #untilAnswered(): Promise<void> | undefined {
    if (this.#places.length === 0) return undefined;
    return new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  #look(): void {
    if (this.#places.length > 0) return;
    this.#answered?.();
    if (this.#tail === undefined) this.#idle();
  }
}
