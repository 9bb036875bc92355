// Owns: doing something n times at a rate, the same way in every server and driver of the bench.

/**
 * Calls `act(0)` to `act(count - 1)`, each in its own turn of the event loop, at `perSecond` on
 * average. If a busy loop was late, the missed calls follow, one for each turn. `perSecond` 0: one
 * in every turn. Times are spread at random: a steady interval could match the kernel's tick, by
 * which the kernel divides user and system time.
 */
export function paced(
  options: { readonly count: number; readonly perSecond: number },
  act: (n: number) => void,
): Promise<void> {
  const startedMs = performance.now();
  return new Promise((resolve) => {
    let done = 0;
    const step = (): void => {
      act(done++);
      if (done === options.count) return resolve();
      const dueMs =
        options.perSecond === 0
          ? 0
          : startedMs +
            ((done + Math.random() - 0.5) * 1000) / options.perSecond -
            performance.now();
      if (dueMs > 1) setTimeout(step, dueMs);
      else setImmediate(step);
    };
    if (options.count > 0) step();
    else resolve();
  });
}
