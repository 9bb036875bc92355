// Owns: over how long a node's clients spread when they have to come back.

/**
 * Longest window that clients are told: beyond it a fleet is too small for its connections, and
 * waiting longer does not help.
 */
export const SERVER_WINDOW_MS_MAX = 30 * 60_000;

const HEADROOM = 1.3;

/**
 * W = max(min, 1.3 N / A) in ms: clients that return at U(0, W) arrive at A / 1.3, so that one
 * attempt each is enough.
 * `handshakesPerSecond` is A of those who take the clients in, counted as set-ups per second; at
 * most 30 minutes.
 */
export function serverWindowMs(
  connections: number,
  handshakesPerSecond: number,
  windowMinMs: number,
): number {
  if (connections <= 0) return windowMinMs;
  if (handshakesPerSecond <= 0) return SERVER_WINDOW_MS_MAX;
  const neededMs = Math.ceil((HEADROOM * connections * 1000) / handshakesPerSecond);
  return Math.min(SERVER_WINDOW_MS_MAX, Math.max(windowMinMs, neededMs));
}
