// Owns: the sweep of presence: it ends graces that have passed and members of dead nodes. Every
// node sweeps; one node claims each piece of work.
import { BrokerError, type Clock, type Random } from "@holdfast/core";
import { channelKeys, type SharedKeys } from "./keys.ts";
import type { RedisLimits } from "./limits.ts";
import { listOf, numberOf, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";

export interface SweeperOptions {
  readonly prefix: string;
  readonly shared: SharedKeys;
  readonly scripts: Scripts;
  readonly limits: RedisLimits;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether this node may end leases: it may not if it was itself cut off a moment ago. */
  readonly mayReap: () => boolean;
  readonly onBug: (error: unknown) => void;
}

/** Channels or nodes claimed at once, and how long a claim counts. */
const CLAIMED_AT_ONCE = 50;
const CLAIM_MS = 15_000;
/** Members ended, or checked, in one step: a step blocks the server for about a millisecond. */
const GRACES_PAGE = 200;
const REAP_PAGE = 500;
/** Channels of a dead node that are read at once, and handled at once. */
const INDEX_PAGE = 500;
const REAPED_AT_ONCE = 20;

export class PresenceSweeper {
  readonly #options: SweeperOptions;
  #cancel: () => void = () => {};
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /**
   * Nodes sweep at random times. With n nodes, an entry whose time has come waits sweepMs / n on
   * average.
   */
  #schedule(): void {
    const { clock, random, limits } = this.#options;
    if (!this.#stopped)
      this.#cancel = clock.after(limits.sweepMs * (0.5 + random.next()), () => void this.#sweep());
  }

  async #sweep(): Promise<void> {
    try {
      await this.#endGraces();
      if (this.#options.mayReap()) await this.#endLeases();
    } catch (error) {
      // The server is out of reach: a later sweep ends these.
      if (!(error instanceof BrokerError)) this.#options.onBug(error);
    }
    this.#schedule();
  }

  async #endGraces(): Promise<void> {
    const { shared, scripts, prefix } = this.#options;
    const claimed = await this.#claim([shared.graces, shared.gracesClaimed]);
    await Promise.all(
      claimed.map(async ({ name }) => {
        const { slot, presence, feed } = channelKeys(prefix, name);
        const next = textOf(
          await scripts.run({
            script: "endGraces",
            slot,
            keys: presence,
            args: [feed, GRACES_PAGE],
          }),
        );
        if (next !== "-1")
          await scripts.run({
            script: "schedule",
            slot: shared.slot,
            keys: [shared.graces],
            args: [next, name],
          });
        await scripts.command(shared.slot, ["ZREM", shared.gracesClaimed, `0:${name}`]);
      }),
    );
  }

  async #endLeases(): Promise<void> {
    const { shared, scripts } = this.#options;
    for (const { name, generation } of await this.#claim([
      shared.leases,
      shared.leasesClaimed,
      shared.generations,
    ])) {
      await this.#reapNode(name, generation);
      await scripts.command(shared.slot, ["ZREM", shared.leasesClaimed, `${generation}:${name}`]);
    }
  }

  async #reapNode(nodeId: string, generation: number): Promise<void> {
    const { shared, scripts } = this.#options;
    const index = shared.ofNode(nodeId);
    let cursor = "0";
    do {
      const [next, names] = listOf(
        await scripts.command(shared.slot, ["SSCAN", index, cursor, "COUNT", INDEX_PAGE]),
      );
      const channels = listOf(names).map(textOf);
      for (let from = 0; from < channels.length; from += REAPED_AT_ONCE) {
        await Promise.all(
          channels
            .slice(from, from + REAPED_AT_ONCE)
            .map((channel) => this.#reapChannel(channel, nodeId, generation)),
        );
      }
      cursor = textOf(next);
    } while (cursor !== "0");
  }

  async #reapChannel(channel: string, nodeId: string, generation: number): Promise<void> {
    const { prefix, shared, scripts } = this.#options;
    const { slot, presence, feed } = channelKeys(prefix, channel);
    let cursor = "0";
    do {
      const args = [nodeId, generation, cursor, feed, REAP_PAGE];
      cursor = textOf(await scripts.run({ script: "reap", slot, keys: presence, args }));
    } while (cursor !== "0");
    // The node may be back and have members here: then its own round keeps the channel in the
    // index.
    if ((await scripts.run({ script: "holds", slot, keys: presence, args: [nodeId] })) !== 1) {
      await scripts.command(shared.slot, ["SREM", shared.ofNode(nodeId), channel]);
    }
  }

  async #claim(
    keys: readonly string[],
  ): Promise<readonly { readonly name: string; readonly generation: number }[]> {
    const { shared, scripts } = this.#options;
    const flat = listOf(
      await scripts.run({
        script: "claim",
        slot: shared.slot,
        keys,
        args: [CLAIMED_AT_ONCE, CLAIM_MS],
      }),
    );
    const claimed: { readonly name: string; readonly generation: number }[] = [];
    for (let index = 0; index < flat.length; index += 2)
      claimed.push({ name: textOf(flat[index]), generation: numberOf(flat[index + 1]) });
    return claimed;
  }
}
