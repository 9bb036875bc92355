// Owns: names of errors that the generator gives itself; all others come from the server or the
// system.

export const OWN_ERRORS = [
  /** A lost connection took the answer with it. */
  "answer_lost",
  /** Too many requests without an answer. */
  "unanswered",
  /** The connection ended without a close frame. */
  "connection_lost",
  "connection_refused",
  "handshake_timeout",
  /** The answer to the upgrade is not that of a WebSocket server. */
  "not_websocket",
  /** A message that the dialect does not have. */
  "frame_invalid",
  /** Over 16 MiB. */
  "message_too_large",
  /** The server does not read, and 4 MiB wait here. */
  "send_queue_full",
  /** Offsets of a channel jumped without a gap. */
  "undeclared_hole",
] as const;
