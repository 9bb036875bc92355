// Owns: presence in Redis as a node uses it: entering, leaving, lists of members, leases.
import {
  type Broker,
  type EnterOptions,
  MEMBERS_BYTES_MAX,
  type MembersPage,
  type MembersQuery,
  type PresenceMember,
} from "@holdfast/core";
import { channelKeys, type SharedKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import { listOf, numberOf, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";
import { readMemberField, writeMember } from "./wire.ts";

export interface PresenceOptions {
  readonly prefix: string;
  readonly shared: SharedKeys;
  readonly scripts: Scripts;
  readonly limits: RedisLimits;
}

/** What this object knows of a node whose members were entered here. */
interface NodeRecord {
  /** How often the node had been declared dead, plus one. */
  generation: number;
  /** Channels that are in the node's index. */
  readonly channels: Set<string>;
  /** The position of the round through them. */
  round: Iterator<string> | undefined;
}

/**
 * Most nodes remembered; usually there is only the own one. The oldest is forgotten, and read again
 * when it is needed.
 */
const NODES_MAX = 1_000;
/**
 * Channels of the own index that are checked with every renewal, to remove those without members.
 */
const PRUNED_AT_ONCE = 20;

export class Presence {
  readonly #options: PresenceOptions;
  readonly #nodes = new Map<string, NodeRecord>();
  /** Channels whose first member is being entered: later calls must not overtake it. */
  readonly #opening = new Map<string, Promise<void>>();
  readonly store: Broker["presence"];

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.store = {
      enter: (channel, member, owner, options) => this.#enter(channel, member, owner, options),
      leave: (channel, member, owner, graceMs) => this.#leave(channel, { member, owner, graceMs }),
      members: (channel, query) => this.#members(channel, query),
      renew: (nodeId, ttlMs) => this.#renew(nodeId, ttlMs),
    };
  }

  /** A server may have lost its data: everything is registered again when it is needed. */
  forget(): void {
    this.#nodes.clear();
  }

  /** The index comes first: an entry that is in no index would outlive its node. */
  async #enter(
    channel: string,
    member: PresenceMember,
    owner: string,
    { membersMax = Number.POSITIVE_INFINITY, mayGrow = true }: EnterOptions = {},
  ): Promise<void> {
    const { prefix, scripts, limits } = this.#options;
    const nodeId = nodeOf(owner);
    let node = this.#nodes.get(nodeId);
    while (node === undefined || !node.channels.has(channel)) {
      await this.#open(nodeId, channel);
      node = this.#nodes.get(nodeId);
    }
    const { slot, presence, feed } = channelKeys(prefix, channel);
    const args = [
      member.member,
      owner,
      node.generation,
      writeMember(member),
      feed,
      Math.min(membersMax, limits.membersMax),
      mayGrow ? 1 : 0,
    ];
    await scripts.run({ script: "enter", slot, keys: presence, args });
  }

  async #leave(
    channel: string,
    leave: { readonly member: string; readonly owner: string; readonly graceMs: number },
  ): Promise<void> {
    const { prefix, scripts, shared } = this.#options;
    const opening = this.#opening.get(channel);
    if (opening !== undefined) await opening.catch(() => {});
    const { slot, presence, feed } = channelKeys(prefix, channel);
    const args = [leave.member, leave.owner, Math.ceil(leave.graceMs), feed];
    const dueMs = textOfNumber(await scripts.run({ script: "leave", slot, keys: presence, args }));
    // After the leave: a sweep before it would have found nothing and forgotten the channel. If
    // this fails, the caller repeats both.
    if (dueMs !== "0")
      await scripts.run({
        script: "schedule",
        slot: shared.slot,
        keys: [shared.graces],
        args: [dueMs, channel],
      });
  }

  async #members(channel: string, query: MembersQuery = {}): Promise<MembersPage> {
    const { prefix, scripts } = this.#options;
    const { slot, presence } = channelKeys(prefix, channel);
    const args = [query.cursor ?? "0", Math.floor(query.bytesMax ?? MEMBERS_BYTES_MAX)];
    const reply = await scripts.run({ script: "members", slot, keys: presence, args });
    const [next, fields] = listOf(reply);
    const flat = listOf(fields);
    const members: PresenceMember[] = [];
    for (let index = 0; index < flat.length; index += 2)
      members.push(readMemberField(flat[index], flat[index + 1]));
    const cursor = textOf(next);
    return { members, ...(cursor === "0" ? {} : { cursor }) };
  }

  async #renew(nodeId: string, ttlMs: number): Promise<void> {
    const generation = await this.#lease(nodeId, ttlMs, "set");
    const node = this.#nodes.get(nodeId);
    if (node === undefined) return void this.#remember(nodeId, generation);
    if (node.generation !== generation) {
      // The node was declared dead meanwhile, and its index was removed.
      node.generation = generation;
      node.channels.clear();
    }
    await this.#prune(nodeId, node);
  }

  /**
   * Gives the node a lease and a place for the channel in its index, one after the other for each
   * channel.
   */
  #open(nodeId: string, channel: string): Promise<void> {
    const before = this.#opening.get(channel);
    const opening = (before?.catch(() => {}) ?? Promise.resolve()).then(async () => {
      const node =
        this.#nodes.get(nodeId) ??
        this.#remember(
          nodeId,
          await this.#lease(nodeId, this.#options.limits.firstLeaseMs, "keep"),
        );
      if (!node.channels.has(channel)) await this.#index(nodeId, node, channel);
    });
    this.#opening.set(channel, opening);
    const done = (): void => {
      if (this.#opening.get(channel) === opening) this.#opening.delete(channel);
    };
    opening.then(done, done);
    return opening;
  }

  #remember(nodeId: string, generation: number): NodeRecord {
    const known = this.#nodes.get(nodeId);
    if (known !== undefined) return known;
    const [oldest] = this.#nodes.keys();
    if (this.#nodes.size >= NODES_MAX && oldest !== undefined) this.#nodes.delete(oldest);
    const node: NodeRecord = { generation, channels: new Set(), round: undefined };
    this.#nodes.set(nodeId, node);
    return node;
  }

  async #lease(nodeId: string, ttlMs: number, how: "set" | "keep"): Promise<number> {
    const { shared, scripts } = this.#options;
    const keys = [shared.leases, shared.generations];
    return numberOf(
      await scripts.run({
        script: "renew",
        slot: shared.slot,
        keys,
        args: [nodeId, Math.floor(ttlMs), how],
      }),
    );
  }

  async #index(nodeId: string, node: NodeRecord, channel: string): Promise<void> {
    const { shared, scripts } = this.#options;
    await scripts.command(shared.slot, ["SADD", shared.ofNode(nodeId), channel]);
    node.channels.add(channel);
  }

  /** Removes channels from the index if the node has no members there any more. */
  async #prune(nodeId: string, node: NodeRecord): Promise<void> {
    const { prefix, shared, scripts } = this.#options;
    const looked: string[] = [];
    while (looked.length < Math.min(PRUNED_AT_ONCE, node.channels.size)) {
      node.round ??= node.channels.values();
      const next = node.round.next();
      if (next.done === true) {
        node.round = undefined;
        break;
      }
      looked.push(next.value);
    }
    await Promise.all(
      looked.map(async (channel) => {
        const { slot, presence } = channelKeys(prefix, channel);
        // Added again: another node that removes members of an earlier life of this node may just
        // have removed it.
        if ((await scripts.run({ script: "holds", slot, keys: presence, args: [nodeId] })) === 1)
          return this.#index(nodeId, node, channel);
        // Forgotten here first: a member that enters now is indexed again, after this removal.
        node.channels.delete(channel);
        await scripts.command(shared.slot, ["SREM", shared.ofNode(nodeId), channel]);
        if ((await scripts.run({ script: "holds", slot, keys: presence, args: [nodeId] })) === 1)
          await this.#index(nodeId, node, channel);
      }),
    );
  }
}

const textOfNumber = (reply: Parameters<typeof numberOf>[0]): string =>
  typeof reply === "number" ? String(reply) : textOf(reply);

/** The node part of an owner ("node id/number"; a node id may hold slashes). */
function nodeOf(owner: string): string {
  const slash = owner.lastIndexOf("/");
  return slash < 0 ? owner : owner.slice(0, slash);
}
