// Owns: listing the keys of states. The index of each part is written with the states; names of
// those that have expired are taken out later.
import { BrokerError, STATE_LIST_MAX } from "@holdfast/core";
import { STATE_PARTS, statePart } from "./keys.ts";
import { listOf, numberOf, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";

export interface StateNamesOptions {
  readonly prefix: string;
  readonly scripts: Scripts;
}

/** Names of one part that are read for a page. */
interface Read {
  readonly names: readonly string[];
  /** Where the part goes on, if more of it may be there. */
  readonly next: string | undefined;
}

/** Names looked at in one step of the removal of dead ones. */
export const TIDY_COUNT = 50;
/** Most rounds of one page: so many names that have expired may lie in one row. */
const ROUNDS_MAX = 200;

export class StateNames {
  readonly #options: StateNamesOptions;

  constructor(options: StateNamesOptions) {
    this.#options = options;
  }

  /**
   * See `StateStore.list`. Sorted by the bytes of UTF-8. A page is merged from all parts: from each
   * a few names, up to the first name behind which some part may have more. Rejects with
   * BrokerError.
   */
  async list(query: {
    readonly prefix: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly string[]> {
    const limit = Math.max(0, Math.min(STATE_LIST_MAX, Math.floor(query.limit)));
    const found: string[] = [];
    let { after } = query;
    for (let round = 0; found.length < limit; round++) {
      if (round === ROUNDS_MAX) throw new BrokerError("timeout", "too many states have expired");
      const count = 4 + Math.ceil((2 * (limit - found.length)) / STATE_PARTS);
      const from = rangeFrom(query.prefix, after);
      const parts = await Promise.all(
        Array.from({ length: STATE_PARTS }, (_, part) =>
          this.#read(part, { prefix: query.prefix, from, count }),
        ),
      );
      const ends = parts.flatMap(({ next }) => (next === undefined ? [] : [next])).sort(byBytes);
      const [end] = ends;
      const names = parts.flatMap(({ names: some }) => some).sort(byBytes);
      found.push(...names.filter((name) => end === undefined || byBytes(name, end) <= 0));
      if (end === undefined) break;
      after = end;
    }
    return found.slice(0, limit);
  }

  /** Looks at some names of one part. Answers whether many of them were dead. */
  async tidy(part: number): Promise<boolean> {
    const { prefix, scripts } = this.#options;
    const { slot, index } = statePart(prefix, part);
    const reply = await scripts.command(slot, ["ZRANDMEMBER", index, TIDY_COUNT]);
    const names = listOf(reply).map(textOf);
    const alive = await Promise.all(names.map((name) => this.#isAlive(part, name)));
    return alive.filter((isAlive) => !isAlive).length > names.length / 4;
  }

  async #read(
    part: number,
    query: { readonly prefix: string; readonly from: string; readonly count: number },
  ): Promise<Read> {
    const { scripts, prefix } = this.#options;
    const { slot, index } = statePart(prefix, part);
    const to =
      query.prefix === ""
        ? "+"
        : Buffer.concat([Buffer.from(`(${query.prefix}`), Uint8Array.of(0xff)]);
    const command = ["ZRANGEBYLEX", index, query.from, to, "LIMIT", 0, query.count];
    const names = listOf(await scripts.command(slot, command)).map(textOf);
    const alive = await Promise.all(names.map((name) => this.#isAlive(part, name)));
    return {
      names: names.filter((_, place) => alive[place]),
      next: names.length < query.count ? undefined : names.at(-1),
    };
  }

  /** A dead one is taken out of the index, in one step with the question whether it is dead. */
  async #isAlive(part: number, name: string): Promise<boolean> {
    const { prefix, scripts } = this.#options;
    const { slot, index, stateOf } = statePart(prefix, part);
    const state = stateOf(name);
    if (numberOf(await scripts.command(slot, ["EXISTS", state])) > 0) return true;
    await scripts.run({ script: "dropState", slot, keys: [state, index], args: [name] });
    return false;
  }
}

/** Lexical order of a sorted set is that of bytes. */
const byBytes = (one: string, other: string): number =>
  Buffer.compare(Buffer.from(one), Buffer.from(other));

const rangeFrom = (prefix: string, after: string | undefined): string =>
  after !== undefined && byBytes(after, prefix) >= 0 ? `(${after}` : `[${prefix}`;
