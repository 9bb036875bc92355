// Owns: state with one writer in Redis as a node uses it.
import {
  demandStateKey,
  demandStateOwner,
  demandStateValue,
  type HeldState,
  type Random,
  type StateHold,
  type StateStore,
  type StoredState,
  stateMs,
  type TakeOptions,
  type WriteOptions,
} from "@holdfast/core";
import { stateKeys } from "./keys.ts";
import { bytesOf, listOf, numberOf, type Reply, textOf } from "./reply.ts";
import type { Scripts } from "./scripts.ts";
import { StateNames } from "./state-names.ts";

export interface StatesOptions {
  readonly prefix: string;
  readonly scripts: Scripts;
  readonly random: Random;
  /** Throws BrokerError after the broker was closed. */
  readonly demand: () => void;
  /** A state was taken: a name may be new. */
  readonly taken: () => void;
}

type Hold = StateHold & { readonly key: string };

/** Most states that one script renews: servers do nothing else meanwhile. */
const RENEWED_AT_ONCE = 100;
/** Characters of the id of this object (50 bits), beside the numbers of its writes. */
const WRITER_LENGTH = 10;

export class States implements StateStore {
  readonly names: StateNames;
  readonly #options: StatesOptions;
  readonly #writer: string;
  #writes = 0;

  constructor(options: StatesOptions) {
    this.#options = options;
    this.#writer = options.random.id().slice(0, WRITER_LENGTH);
    this.names = new StateNames(options);
  }

  async take(key: string, options: TakeOptions): Promise<HeldState | undefined> {
    const { owner, leaseMs, ifFree = false, mayGrow = true } = options;
    this.#options.demand();
    demandStateKey(key);
    demandStateOwner(owner);
    this.#options.taken();
    const { slot, state, index } = stateKeys(this.#options.prefix, key);
    const reply = await this.#options.scripts.run({
      script: "takeState",
      slot,
      keys: [state, index],
      args: [owner, stateMs(leaseMs), ifFree ? 1 : 0, key, mayGrow ? 1 : 0],
    });
    if (reply === null) return undefined;
    const [fence, value, before] = listOf(reply);
    return {
      owner,
      fence: numberOf(fence),
      value: valueIn(value),
      ...(isNone(before) ? {} : { before: textOf(before) }),
    };
  }

  async write(
    key: string,
    hold: StateHold,
    value: Uint8Array | undefined,
    { leaseMs, keepMs, mayGrow = true }: WriteOptions,
  ): Promise<void> {
    this.#options.demand();
    demandStateKey(key);
    demandStateValue(value);
    const { slot, state, index } = stateKeys(this.#options.prefix, key);
    const content = value === undefined ? [0, ""] : [1, viewOf(value)];
    this.#writes += 1;
    await this.#options.scripts.run({
      script: "writeState",
      slot,
      keys: [state, index],
      args: [
        hold.owner,
        hold.fence,
        stateMs(leaseMs),
        stateMs(keepMs),
        ...content,
        this.#writer,
        this.#writes,
        mayGrow ? 1 : 0,
        key,
      ],
    });
  }

  async renew(holds: readonly Hold[], leaseMs: number): Promise<readonly string[]> {
    this.#options.demand();
    const ms = stateMs(leaseMs);
    const calls: Promise<readonly string[]>[] = [];
    for (const part of this.#bySlot(holds)) {
      for (let from = 0; from < part.length; from += RENEWED_AT_ONCE)
        calls.push(this.#renewPart(part.slice(from, from + RENEWED_AT_ONCE), ms));
    }
    return (await Promise.all(calls)).flat();
  }

  async release(key: string, hold: StateHold): Promise<void> {
    this.#options.demand();
    const { slot, state, index } = stateKeys(this.#options.prefix, key);
    const args = [hold.owner, hold.fence, key];
    await this.#options.scripts.run({ script: "releaseState", slot, keys: [state, index], args });
  }

  async read(key: string): Promise<StoredState | undefined> {
    this.#options.demand();
    demandStateKey(key);
    const { slot, state } = stateKeys(this.#options.prefix, key);
    const call = { script: "readState", slot, keys: [state], args: [] } as const;
    const reply = await this.#options.scripts.run(call);
    if (reply === null) return undefined;
    const [fence, owner, leaseMs, value] = listOf(reply);
    const name = textOf(owner);
    return {
      value: valueIn(value),
      fence: numberOf(fence),
      leaseMs: numberOf(leaseMs),
      ...(name === "" ? {} : { owner: name }),
    };
  }

  async list(query: Parameters<StateStore["list"]>[0]): Promise<readonly string[]> {
    this.#options.demand();
    return this.names.list(query);
  }

  async #renewPart(holds: readonly Hold[], leaseMs: number): Promise<readonly string[]> {
    const { prefix, scripts } = this.#options;
    const keys = holds.map(({ key }) => stateKeys(prefix, key));
    const reply = await scripts.run({
      script: "renewStates",
      slot: keys[0]?.slot ?? 0,
      keys: keys.map(({ state }) => state),
      args: [leaseMs, ...holds.flatMap(({ owner, fence }) => [owner, fence])],
    });
    return listOf(reply).map((place) => holds[numberOf(place) - 1]?.key ?? "");
  }

  #bySlot(holds: readonly Hold[]): Iterable<readonly Hold[]> {
    const parts = new Map<number, Hold[]>();
    for (const hold of holds) {
      const { slot } = stateKeys(this.#options.prefix, hold.key);
      const part = parts.get(slot);
      if (part === undefined) parts.set(slot, [hold]);
      else part.push(hold);
    }
    return parts.values();
  }
}

const isNone = (reply: Reply | undefined): boolean => reply === null || reply === undefined;

/** A copy: what a server answers may be a view into the received chunk. */
const valueIn = (reply: Reply | undefined): Uint8Array | undefined =>
  isNone(reply) ? undefined : Uint8Array.from(bytesOf(reply));

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
