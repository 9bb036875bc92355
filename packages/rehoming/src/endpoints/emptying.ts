// Owns: orders that move clients away from an endpoint: how many stay, where the others go.

/** What such an order says. */
export interface EmptyingTerms {
  /** How long it may take. Absent: as long as moves of the gateway take anyway. */
  readonly windowMs?: number | undefined;
  /** Only these take its clients until then. Absent: any. */
  readonly to?: readonly string[] | undefined;
  /** Others take them if none of these does. */
  readonly isPreferred?: boolean | undefined;
}

/** One that is obeyed. */
export interface Emptying {
  /** Clients that stay. */
  readonly keep: number;
  readonly windowMs: number | undefined;
  readonly to: ReadonlySet<string> | undefined;
  readonly isPreferred: boolean;
  /** Afterwards whoever is left may go anywhere. */
  readonly untilMs: number;
}

export function emptying(
  keep: number,
  { windowMs, to, isPreferred = false }: EmptyingTerms,
  nowMs: number,
): Emptying {
  const untilMs = nowMs + (windowMs ?? Number.POSITIVE_INFINITY);
  return {
    ...{ keep, windowMs, isPreferred, untilMs },
    to: to === undefined ? undefined : new Set(to),
  };
}

/** The same order again, while it is obeyed, changes nothing. */
export const isSameOrder = (one: Emptying, other: Emptying, nowMs: number): boolean =>
  nowMs < one.untilMs &&
  one.keep === other.keep &&
  [...(one.to ?? [])].sort().join() === [...(other.to ?? [])].sort().join();
