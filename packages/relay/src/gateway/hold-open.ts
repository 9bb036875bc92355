// Owns: that a connection is not cut for silence while its request is under way.

/** Longer than a step, so that the connection is never without a limit of time. */
const LIMIT_SECONDS = 120;
const STEP_MS = 60_000;

interface Timing {
  timeout(request: Request, seconds: number): void;
}

/**
 * Bun's limit stays with the connection after the request. So it is never taken away, which would
 * let the connection stay silent for ever: it is set anew, again and again. The result stops that.
 */
export function holdOpen(server: Timing, request: Request): () => void {
  server.timeout(request, LIMIT_SECONDS);
  const timer = setInterval(() => server.timeout(request, LIMIT_SECONDS), STEP_MS);
  return () => clearInterval(timer);
}
