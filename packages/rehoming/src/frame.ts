// Owns: what passes through: whole WebSocket messages.

/** A message as it was sent: a string is text, bytes are binary. Fragments were put together. */
export type Frame = string | Uint8Array;

/** What a frame that waits is counted as, whatever it carries. */
const FRAME_BYTES = 64;

/**
 * Bytes that a waiting frame takes. Text counts two bytes a character, as engines keep it if one
 * character is not Latin-1: never less than it takes.
 */
export function bytesOf(frame: Frame): number {
  return FRAME_BYTES + (typeof frame === "string" ? 2 * frame.length : frame.byteLength);
}
