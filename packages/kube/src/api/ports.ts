// Owns: time and chance as the client of Kubernetes gets them, and a wait that ends early.

/** Time. The clock of `@holdfast/core` is one. */
export interface KubeClock {
  /** Milliseconds since the Unix epoch; only written down, never compared. */
  wallMs(): number;
  /** Milliseconds that never go back. */
  nowMs(): number;
  /** Runs `task` once, not before `delayMs` from now. The result cancels it. */
  after(delayMs: number, task: () => void): () => void;
}

/** Uniform in [0, 1). */
export interface KubeRandom {
  next(): number;
}

export interface KubePorts {
  readonly clock: KubeClock;
  readonly random: KubeRandom;
}

/** The machine's own. */
export const machinePorts: KubePorts = {
  clock: {
    wallMs: () => Date.now(),
    nowMs: () => performance.now(),
    after: (delayMs, task) => {
      const timer = setTimeout(task, delayMs);
      return () => clearTimeout(timer);
    },
  },
  random: { next: () => Math.random() },
};

/** Resolves after `ms`, or at once if the signal is aborted. */
export function pause(clock: KubeClock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener("abort", end);
  });
}

/** Tells an observer, whose faults are its own. */
export function quietly<E>(tell: ((event: E) => void) | undefined): (event: E) => void {
  return (event) => {
    try {
      tell?.(event);
    } catch {
      // Nobody is left to be told.
    }
  };
}

export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** The wait after so many failures in a row: doubles, at most `maxMs`, of which half is chance. */
export function backoffMs(limits: BackoffLimits, failures: number, random: KubeRandom): number {
  const doubled = limits.firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 30);
  return Math.min(limits.maxMs, doubled) * (0.5 + random.next() / 2);
}
