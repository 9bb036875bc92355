// Owns: how long the steps of a move may take.

/**
 * How long what can be repeated waits for its answers on the old connection of a move: this and
 * twice what answers took there, up to the limit.
 */
export const SWITCH_MS = 50;
export const SWITCH_MS_MAX = 1_000;
/** The old connection is left this long before its node's deadline. */
export const LEAVE_MS = 1_000;
/**
 * How long the application sees `connected` while the second connection of a move is on its way and
 * the first has died.
 */
export const ADOPT_MS = 1_000;
