// Owns: the link of a probe: a client of the oracles that takes everything at once and never ends.
import type { Link } from "@holdfast/core";
import type { Message } from "./connection.ts";

/** `sent` gets each message that the node sends. */
export const probeLink = (address: string, sent: (message: Message) => void): Link => ({
  address,
  send(message) {
    sent(message);
    return "sent";
  },
  bufferedBytes: () => 0,
  close() {},
  cut() {},
  pause() {},
  resume() {},
  join() {},
  leave() {},
});
