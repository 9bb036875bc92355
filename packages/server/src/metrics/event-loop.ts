// Owns: how late the event loop is: an own sampler, since the runtime's histogram leaves the
// sampling interval out.

export interface EventLoopSampler {
  /** The worst lag of the last 15 to 30 seconds, in ms. */
  worstMs(): number;
  stop(): void;
}

const SAMPLE_MS = 250;
const WINDOW_MS = 15_000;

/**
 * Samples until `stop`, and keeps no program alive. `onLag` gets every sample: how many ms late the
 * timer was.
 */
export function startEventLoopSampler(onLag: (ms: number) => void): EventLoopSampler {
  let dueMs = performance.now() + SAMPLE_MS;
  let windowEndMs = performance.now() + WINDOW_MS;
  let worst = 0;
  let worstBefore = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const lagMs = Math.max(0, nowMs - dueMs);
    // Counted from now, not from the planned time: one stall is one late sample, not a row of them.
    dueMs = nowMs + SAMPLE_MS;
    if (nowMs >= windowEndMs) {
      worstBefore = worst;
      worst = 0;
      windowEndMs = nowMs + WINDOW_MS;
    }
    worst = Math.max(worst, lagMs);
    onLag(lagMs);
  }, SAMPLE_MS);
  timer.unref();
  return { worstMs: () => Math.max(worst, worstBefore), stop: () => clearInterval(timer) };
}
