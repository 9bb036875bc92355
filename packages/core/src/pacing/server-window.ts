// Owns: the reconnect window: the time over which a node's clients spread if they must come back.

/**
 * Longest window that clients are told. A fleet that needs more is too small for its connections,
 * and waiting longer does not help.
 */
export const SERVER_WINDOW_MS_MAX = 30 * 60_000;

const HEADROOM = 1.3;

/**
 * The window W = max(min, 1.3 N / A) in ms, at most 30 minutes, for N clients and the handshake
 * rate A. Clients that return after a random time up to W arrive at A / 1.3 a second, so that one
 * attempt each is enough. `handshakesPerSecond` is A: handshakes per second of the nodes that
 * receive the clients.
 */
export function serverWindowMs(
  connections: number,
  handshakesPerSecond: number,
  windowMinMs: number,
): number {
  if (connections <= 0) return windowMinMs;
  const neededMs = Math.ceil((HEADROOM * connections * 1000) / handshakesPerSecond);
  return Math.min(SERVER_WINDOW_MS_MAX, Math.max(windowMinMs, neededMs));
}
