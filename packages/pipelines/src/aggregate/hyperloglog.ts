// Owns: counting different values in bounded room (HyperLogLog).
import type { Accumulator, Saved } from "./accumulator.ts";
import { hash32 } from "./hash.ts";

const BITS = 12;
const REGISTERS = 2 ** BITS;
/** Bits of the hash behind the register's number. */
const REST_BITS = 52;
/** Registers in use up to which they are kept as pairs. */
const SPARSE_MAX = 512;

/**
 * P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal
 * cardinality estimation algorithm" (2007), with 64-bit hashes, and the estimator of O. Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no tables of
 * corrections. Standard error 1.04 / sqrt(4096) = 1.6 %.
 */
export class Distinct implements Accumulator {
  #sparse: Map<number, number> | undefined = new Map();
  #dense: Uint8Array | undefined;

  constructor(saved?: Saved) {
    if (saved === undefined) return;
    if (typeof saved === "string") {
      this.#dense = Uint8Array.from(saved, (char) => char.charCodeAt(0) - 35);
      this.#sparse = undefined;
    } else {
      const flat = saved as readonly number[];
      for (let at = 0; at + 1 < flat.length; at += 2) this.#set(flat[at] ?? 0, flat[at + 1] ?? 0);
    }
  }

  get bytes(): number {
    return this.#sparse === undefined ? REGISTERS + 64 : 64 + 32 * this.#sparse.size;
  }

  add(text: string): void {
    const high = hash32(text, 0x9747b28c);
    const low = hash32(text, 0x5bd1e995);
    // 20 bits of the first hash and 32 of the second lie behind the register's number.
    const rest = high & 0xfffff;
    const zeros = rest === 0 ? 20 + Math.clz32(low) : Math.clz32(rest) - 12;
    this.#set(high >>> 20, zeros + 1);
  }

  merge(other: Distinct): void {
    if (other.#sparse !== undefined)
      for (const [register, rank] of other.#sparse) this.#set(register, rank);
    else for (const [register, rank] of other.#dense?.entries() ?? []) this.#set(register, rank);
  }

  value(): number {
    const counts = new Array<number>(REST_BITS + 2).fill(0);
    const put = (rank: number): void => {
      counts[rank] = (counts[rank] ?? 0) + 1;
    };
    if (this.#sparse === undefined) this.#dense?.forEach(put);
    else {
      for (const rank of this.#sparse.values()) put(rank);
      counts[0] = REGISTERS - this.#sparse.size;
    }
    return Math.round(estimate(counts));
  }

  /** Pairs of register and rank in rising order, or a character for each register. */
  save(): Saved {
    if (this.#sparse !== undefined) return [...this.#sparse].sort(([a], [b]) => a - b).flat();
    let text = "";
    for (const rank of this.#dense ?? []) text += String.fromCharCode(rank + 35);
    return text;
  }

  #set(register: number, rank: number): void {
    if (rank === 0) return;
    if (this.#dense !== undefined) {
      if (rank > (this.#dense[register] ?? 0)) this.#dense[register] = rank;
      return;
    }
    const sparse = this.#sparse;
    if (sparse === undefined || rank <= (sparse.get(register) ?? 0)) return;
    sparse.set(register, rank);
    if (sparse.size <= SPARSE_MAX) return;
    this.#dense = new Uint8Array(REGISTERS);
    for (const [at, known] of sparse) this.#dense[at] = known;
    this.#sparse = undefined;
  }
}

/** Ertl, algorithm 6. `counts`: registers by rank. */
function estimate(counts: readonly number[]): number {
  const zeros = counts[0] ?? 0;
  if (zeros === REGISTERS) return 0;
  let z = REGISTERS * tau(1 - (counts[REST_BITS + 1] ?? 0) / REGISTERS);
  for (let rank = REST_BITS; rank >= 1; rank--) z = 0.5 * (z + (counts[rank] ?? 0));
  z += REGISTERS * sigma(zeros / REGISTERS);
  return (REGISTERS * REGISTERS) / (2 * Math.LN2 * z);
}

function sigma(start: number): number {
  let [x, y, z, before] = [start, 1, start, -1];
  while (z !== before) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(start: number): number {
  if (start === 0 || start === 1) return 0;
  let [x, y, z, before] = [start, 1, 1 - start, -1];
  while (z !== before) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}
