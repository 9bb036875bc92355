// Owns: how many clients each endpoint has too many, compared with the others.

/** An endpoint that takes clients. */
export interface Loaded {
  readonly address: string;
  /** Clients that are there and do not move. */
  readonly clients: number;
  /** Its share, compared with the others'. */
  readonly weight: number;
}

/** Nobody is moved as long as every endpoint has at least this part of its share. */
const ENOUGH = 0.8;
/** An endpoint keeps this much of its share, in whole clients: of few, too. */
const KEPT = 1.05;

/**
 * How many clients each endpoint should give away, if one has clearly too few, such as one that was
 * added. Endpoints that are about even give nothing: a move is never for nothing.
 */
export function tooMany(endpoints: readonly Loaded[]): ReadonlyMap<string, number> {
  const clients = sum(endpoints.map((one) => one.clients));
  const weight = sum(endpoints.map((one) => one.weight));
  const shareOf = (one: Loaded): number => (clients * one.weight) / Math.max(1, weight);
  const lacking = endpoints.filter((one) => one.clients + 1 < shareOf(one) * ENOUGH);
  let left = Math.floor(sum(lacking.map((one) => shareOf(one) - one.clients)));
  const found = new Map<string, number>();
  for (const one of endpoints) {
    const count = Math.min(left, one.clients - Math.floor(shareOf(one) * KEPT));
    if (count <= 0) continue;
    found.set(one.address, count);
    left -= count;
  }
  return found;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
