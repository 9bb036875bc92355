// Owns: judging what one watcher is told of a channel's members (H7).
import type { MembersChange, RawMember } from "@holdfast/client/engine";
import { dataText } from "./data.ts";
import type { Verdict } from "./verdict.ts";

/**
 * Follows one watch through all its connections: changes must fit what was known, and lead to the
 * members that are named with them.
 */
export class PresenceOracle {
  readonly #options: { readonly who: string; readonly verdict: Verdict };
  #members = new Map<string, RawMember>();
  /** Users that were told to have left. */
  readonly leaves: string[] = [];

  constructor(options: { readonly who: string; readonly verdict: Verdict }) {
    this.#options = options;
  }

  change(change: MembersChange, members: readonly RawMember[]): void {
    for (const member of change.join) {
      if (this.#members.has(member.id)) this.#broken(`${member.user} joined twice`);
      this.#members.set(member.id, member);
    }
    for (const member of change.update) {
      if (!this.#members.has(member.id))
        this.#broken(`${member.user} was updated and had not joined`);
      this.#members.set(member.id, member);
    }
    for (const member of change.leave) {
      if (!this.#members.delete(member.id)) this.#broken(`${member.user} left and had not joined`);
      this.leaves.push(member.user ?? member.id);
    }
    if (keyOf(members) !== keyOf([...this.#members.values()]))
      this.#broken(`changes lead to ${keyOf([...this.#members.values()])}, told ${keyOf(members)}`);
  }

  /** Undefined when the watcher knows exactly these members. */
  missing(
    expected: readonly { readonly id: string; readonly data: unknown }[],
  ): string | undefined {
    const known = keyOf([...this.#members.values()]);
    const wanted = keyOf(expected);
    return known === wanted
      ? undefined
      : `${this.#options.who} knows the members ${known}, there are ${wanted}`;
  }

  #broken(text: string): void {
    this.#options.verdict.broken("H7", `${this.#options.who}: ${text}`);
  }
}

const keyOf = (members: readonly { readonly id: string; readonly data: unknown }[]): string =>
  members
    .map(({ id, data }) => `${id.slice(0, 6)}=${data === undefined ? "" : dataText(data)}`)
    .sort()
    .join(" ") || "nobody";
