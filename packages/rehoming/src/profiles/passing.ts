// Owns: a session of which nothing is known: its frames pass as they are.
import type { ProfileOut, ProfileSession } from "../profile.ts";

export function passing(out: ProfileOut): ProfileSession {
  return {
    fromClient: out.toUpstream,
    fromUpstream: out.toClient,
    attach: out.attached,
    fromNext: () => {},
    switched: () => {},
    isQuiet: true,
    bytes: 0,
    save: () => [],
  };
}
