// Owns: what a state store has to answer, without time: the model of the contract's random test.
import { expect } from "bun:test";
import type { SeededRandom, StateHold, StateStore } from "@holdfast/core";
import { refusalOf } from "./broker-harness.ts";

interface Kept {
  owner: string | undefined;
  fence: number;
  value: Uint8Array | undefined;
}

const LEASE = { leaseMs: 60_000, keepMs: 60_000 };

export class StateModel {
  readonly #states = new Map<string, Kept>();
  /** Every hold that was ever given, most of them ended. */
  readonly #holds: { readonly key: string; readonly hold: StateHold }[] = [];

  keys(): string[] {
    return [...this.#states.keys()].sort();
  }

  /** One call, chosen by chance, and the comparison of its answer. */
  async step(states: StateStore, random: SeededRandom): Promise<void> {
    const pick = (count: number): number => Math.floor(random.next() * count);
    const key = `k${pick(3)}`;
    const state = this.#states.get(key);
    const known = this.#holds[this.#holds.length - 1 - pick(Math.min(6, this.#holds.length))];
    const what = pick(6);
    if (what <= 1 || known === undefined) return this.#take(states, key, `o${pick(3)}`, what === 0);
    if (what === 2) {
      const { value, fence, owner } = (await states.read(key)) ?? {};
      return void expect({ value, fence, owner }).toEqual({
        value: state?.value,
        fence: state?.fence,
        owner: state?.owner,
      });
    }
    const isHeld = this.#isHeld(known);
    if (what === 3) {
      const ended = await states.renew([{ key: known.key, ...known.hold }], 60_000);
      return void expect(ended).toEqual(isHeld ? [] : [known.key]);
    }
    if (what === 4) {
      await states.release(known.key, known.hold);
      return isHeld ? this.#released(known.key) : undefined;
    }
    return this.#write(states, known, pick(4) === 0 ? undefined : Uint8Array.of(pick(256)));
  }

  async #take(states: StateStore, key: string, owner: string, ifFree: boolean): Promise<void> {
    const state = this.#states.get(key);
    const isOthers = state?.owner !== undefined && state.owner !== owner;
    const held = await states.take(key, { owner, leaseMs: 60_000, ifFree });
    expect(held === undefined).toBe(ifFree && isOthers);
    if (held === undefined) return;
    expect(held.value).toEqual(state?.value);
    expect(held.before).toBe(isOthers ? state.owner : undefined);
    for (const earlier of this.#holds)
      if (earlier.key === key) expect(held.fence).toBeGreaterThan(earlier.hold.fence);
    this.#holds.push({ key, hold: { owner, fence: held.fence } });
    this.#states.set(key, { owner, fence: held.fence, value: state?.value });
  }

  async #write(
    states: StateStore,
    known: { readonly key: string; readonly hold: StateHold },
    value: Uint8Array | undefined,
  ): Promise<void> {
    const { key, hold } = known;
    if (!this.#isHeld(known))
      return void expect(await refusalOf(states.write(key, hold, value, LEASE))).toBe("fenced");
    await states.write(key, hold, value, LEASE);
    this.#states.set(key, { owner: hold.owner, fence: hold.fence, value });
  }

  #released(key: string): void {
    const state = this.#states.get(key);
    if (state?.value === undefined) this.#states.delete(key);
    else this.#states.set(key, { ...state, owner: undefined });
  }

  #isHeld({ key, hold }: { readonly key: string; readonly hold: StateHold }): boolean {
    const state = this.#states.get(key);
    return state?.fence === hold.fence && state.owner === hold.owner;
  }
}
