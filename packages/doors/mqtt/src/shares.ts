// Owns: shared subscriptions on this node, by their group, filter and channel.
import { type Member, ShareGroup, type ShareName, type ShareNeeds } from "./share-group.ts";

/** Most characters of a group and its filter: they are part of keys. */
const NAME_LENGTH_MAX = 120;

export class Shares {
  readonly #needs: ShareNeeds;
  readonly #groups = new Map<string, ShareGroup>();

  constructor(needs: ShareNeeds) {
    this.#needs = needs;
  }

  /** Undefined: its names are too long. */
  nameOf(group: string, filter: string, channel: string): ShareName | undefined {
    if (group.length + filter.length > NAME_LENGTH_MAX) return undefined;
    return { id: `${group.length}:${group}${filter}`, filter, channel };
  }

  join(name: ShareName, member: Member): Promise<void> {
    const known = this.#groups.get(name.id);
    const group = known ?? new ShareGroup(this.#needs, name);
    if (known === undefined) this.#groups.set(name.id, group);
    return group.join(member);
  }

  /** A member of the group has room again. */
  woken(name: ShareName): void {
    this.#groups.get(name.id)?.woken();
  }

  leave(name: ShareName, member: Member): void {
    const group = this.#groups.get(name.id);
    group?.leave(member);
    if (group?.size === 0) this.#groups.delete(name.id);
  }
}
