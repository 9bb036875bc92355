// Owns: within which time all clients of a gateway can come back, if others take them.

/** As nodes have it (docs/operations/draining.md): without peaks, and nobody waits for long. */
const WINDOW_OF_NEED = 1.3;
const RETURN_MS_MIN = 500;

export const returnWindowMs = (
  clients: number,
  { handshakesPerSecond }: { readonly handshakesPerSecond: number },
): number => Math.max(RETURN_MS_MIN, (WINDOW_OF_NEED * 1000 * clients) / handshakesPerSecond);
