// Owns: what servers took of clients, in files that outlive them: the other side of each account.
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";

/** Of one step. */
export interface Taken {
  /** Frames that servers took. */
  readonly frames: number;
  /** Frames that were taken more than once: by two servers, or twice by one. */
  readonly again: number;
  /** Of those without an answer. */
  readonly ofMissing: number;
}

/** Each server appends a line `CLIENT NUMBER` for each frame that it takes. */
export class Ledger {
  readonly #folder: string;
  readonly #read = new Map<string, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What was taken since the last call. Undefined: this application's servers keep none. */
  taken(missing: readonly string[]): Taken | undefined {
    const names = existsSync(this.#folder) ? readdirSync(this.#folder) : [];
    if (names.length === 0) return undefined;
    const counts = new Map<string, number>();
    for (const name of names)
      for (const line of this.#news(join(this.#folder, name)).split("\n"))
        if (line !== "") counts.set(line, (counts.get(line) ?? 0) + 1);
    let [frames, again] = [0, 0];
    for (const count of counts.values()) {
      frames += count;
      if (count > 1) again += 1;
    }
    return { frames, again, ofMissing: missing.filter((name) => counts.has(name)).length };
  }

  #news(file: string): string {
    const from = this.#read.get(file) ?? 0;
    const bytes = Buffer.alloc(statSync(file).size - from);
    const descriptor = openSync(file, "r");
    const count = readSync(descriptor, bytes, 0, bytes.length, from);
    closeSync(descriptor);
    this.#read.set(file, from + count);
    return bytes.toString("utf8", 0, count);
  }
}
