// Owns: whether this node has more to do than it can (H8).

/** The event loop is this late on average, over about a second: clients wait noticeably, newcomers would make it worse. */
const LAG_MS_MAX = 250;
const WEIGHT = 0.25;

export interface Load {
  /** A sample of how late the event loop was. */
  lag(ms: number): void;
  /** What there is too much of, in words; undefined when nothing. */
  overload(): string | undefined;
}

export function createLoad(limits: { readonly connectionsMax: number }, connections: () => number): Load {
  let averageMs = 0;
  return {
    lag(ms) {
      averageMs += (ms - averageMs) * WEIGHT;
    },
    overload() {
      if (averageMs > LAG_MS_MAX) return `the event loop is ${Math.round(averageMs)} ms late, expected at most ${LAG_MS_MAX}`;
      const now = connections();
      return now >= limits.connectionsMax ? `${now} connections, expected fewer than ${limits.connectionsMax}` : undefined;
    },
  };
}
