// Owns: doing something n times at a rate, the same way in every server and driver of the bench.

/**
 * Calls `act(0)` to `act(count - 1)`, each in a turn of the event loop of its own, at `perSecond`
 * on average; what a busy loop could not do in time is made up for, one for each turn. `perSecond`
 * 0: as fast as turns go. Moments are spread at random around their places: a steady beat would
 * fall in step with the kernel's tick, by which it tells user from system time.
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
