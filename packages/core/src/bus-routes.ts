// Owns: which feature hears which messages between nodes. Each feature declares its own kinds.
import type { Bus, BusMessage } from "./ports.ts";

export class BusRoutes {
  readonly #listeners = new Map<string, (message: BusMessage) => void>();

  constructor(bus: Pick<Bus, "listen">) {
    // A kind that nobody hears is of a node of another version.
    bus.listen((message) => this.#listeners.get(message.kind)?.(message));
  }

  /** `kinds` are all kinds of `M`; what other nodes of the cluster send is trusted to be one. */
  hear<M extends BusMessage>(kinds: readonly M["kind"][], listener: (message: M) => void): void {
    for (const kind of kinds) this.#listeners.set(kind, listener as (message: BusMessage) => void);
  }
}
