// Owns: what a simulated run remembers of its events: the last few to print, and a hash of all of
// them.

/** One event of a run: when (simulated ms), to whom, what, and particulars. */
export interface TraceEntry {
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
  readonly detail: string;
}

/**
 * Remembers the last `keep` events; the hash covers all, so two runs with equal hashes did the
 * same.
 */
export class Trace {
  readonly #keep: number;
  readonly #now: () => number;
  readonly #entries: TraceEntry[] = [];
  readonly #live: ((line: string) => void) | undefined;
  #start = 0;
  #hash = 0x811c9dc5;

  constructor(options: {
    readonly keep: number;
    readonly now: () => number;
    readonly live?: ((line: string) => void) | undefined;
  }) {
    this.#keep = options.keep;
    this.#now = options.now;
    this.#live = options.live;
  }

  add(who: string, what: string, detail = ""): void {
    const entry: TraceEntry = { atMs: this.#now(), who, what, detail };
    this.#mix(who);
    this.#mix(what);
    this.#mix(detail);
    this.#hash = Math.imul(this.#hash ^ Math.round(entry.atMs * 1000), 0x01000193);
    if (this.#entries.length < this.#keep) this.#entries.push(entry);
    else {
      this.#entries[this.#start] = entry;
      this.#start = (this.#start + 1) % this.#keep;
    }
    this.#live?.(formatEntry(entry));
  }

  /** FNV-1a over all events, as 8 hex digits. */
  hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  last(): readonly string[] {
    return [...this.#entries.slice(this.#start), ...this.#entries.slice(0, this.#start)].map(
      formatEntry,
    );
  }

  #mix(text: string): void {
    let hash = this.#hash;
    for (let index = 0; index < text.length; index++)
      hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
    this.#hash = Math.imul(hash ^ 0xff, 0x01000193);
  }
}

const formatEntry = ({ atMs, who, what, detail }: TraceEntry): string =>
  `${(atMs / 1000).toFixed(3).padStart(8)} s  ${who.padEnd(10)} ${what.padEnd(14)} ${detail}`;
