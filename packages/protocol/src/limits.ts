// Owns: the limits of the wire itself, which no option can raise.

/** Longest channel name that a node may be configured to accept, in UTF-16 code units. */
export const CHANNEL_LENGTH_CEILING = 255;
/** Longest idempotency key, latest key, RPC name and client name, in UTF-16 code units. */
export const KEY_LENGTH_MAX = 128;
/** Longest name of a client in `connect`, in UTF-16 code units. */
export const CLIENT_NAME_LENGTH_MAX = 64;
/** Longest token and resume token, in UTF-16 code units. */
export const TOKEN_LENGTH_MAX = 8192;
/** Request ids are whole numbers from 1 to this. */
export const REQUEST_ID_MAX = 2 ** 31 - 1;
/** Frames in one WebSocket message. */
export const FRAMES_PER_MESSAGE_MAX = 1024;
/** Publications that one history request or `last` may ask for. */
export const HISTORY_PAGE_MAX = 1000;
/** Longest epoch name, in UTF-16 code units. */
export const EPOCH_LENGTH_MAX = 64;
/** Longest time that a request may name, in ms (24.8 days: what a timer can hold). */
export const DURATION_MS_MAX = 2 ** 31 - 1;
/**
 * Lists and maps inside one another in application data. Deeper data would overflow the stack of
 * some reader.
 */
export const DATA_DEPTH_MAX = 128;
