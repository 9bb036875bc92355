// Owns: listeners by event name. A listener that throws is reported and stops nothing.

/**
 * `on` returns what removes the listener. Listeners are called in the order of adding; one that was
 * removed meanwhile is not.
 */
export class Emitter<Events extends { [Name in keyof Events]: (event: never) => void }> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #report: (error: unknown) => void;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  on<Name extends keyof Events>(name: Name, listener: Events[Name]): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // Each call counts: the same function twice is two listeners.
    const own = (event: never) => listener(event);
    listeners.add(own);
    return () => {
      listeners.delete(own);
    };
  }

  /** Number of listeners that were called. */
  emit<Name extends keyof Events>(name: Name, event: Parameters<Events[Name]>[0]): number {
    const listeners = this.#listeners.get(name);
    if (!listeners) return 0;
    const all = [...listeners];
    for (const listener of all) {
      if (!listeners.has(listener)) continue;
      try {
        listener(event as never);
      } catch (error) {
        this.#report(error);
      }
    }
    return all.length;
  }
}
