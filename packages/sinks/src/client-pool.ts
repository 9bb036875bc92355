// Owns: one client for all partitions of a node that write to the same target.

interface Entry<T> {
  readonly opening: Promise<T>;
  readonly members: Set<object>;
}

/** Clients by a name that has everything that they are opened with. */
export class ClientPool<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #close: (client: T) => Promise<unknown>;

  /** `close` ends a client at once; what it throws is of no interest. */
  constructor(close: (client: T) => Promise<unknown>) {
    this.#close = close;
  }

  /** The client, opened if nobody has it. One that cannot be opened is forgotten. */
  async join(who: object, name: string, open: () => Promise<T>): Promise<T> {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = { opening: open(), members: new Set() };
      this.#entries.set(name, entry);
    }
    entry.members.add(who);
    try {
      return await entry.opening;
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      throw error;
    }
  }

  /** It is in doubt: nobody gets it any more. Whoever uses it fails, and comes again. */
  async cut(who: object, name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry?.members.has(who) !== true) return;
    this.#entries.delete(name);
    await this.#end(entry);
  }

  /** The last one that leaves closes it. */
  async leave(who: object, name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined || !entry.members.delete(who) || entry.members.size > 0) return;
    this.#entries.delete(name);
    await this.#end(entry);
  }

  async #end({ opening }: Entry<T>): Promise<void> {
    await opening.then(this.#close).catch(() => {});
  }
}
