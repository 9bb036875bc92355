// Owns: how a held client that speaks holdfast.socket.v1 is told of, and told.
import type { HeldClient, Released } from "@holdfast/rehoming";
import { CLOCK } from "./runtime-clock.ts";
import { SocketLink, type SocketLinkPorts } from "./socket-link.ts";
import type { SocketSeal } from "./socket-seal.ts";
import { packState } from "./socket-state.ts";

/** What is agreed with a client that was greeted. */
export interface LinkTerms {
  readonly name: string;
  readonly seal: SocketSeal;
  /** What the next gateway can be told of it. */
  readonly stateCharsMax: number;
  /** Within which clients come back if they are closed now. */
  readonly returnWindowMs: () => number;
}

/** Who it is, as the next gateway hears it. */
interface Known {
  readonly held: HeldClient;
  readonly profile: string;
  readonly session: string;
}

export function linked(
  { name, seal, stateCharsMax, returnWindowMs }: LinkTerms,
  { held, profile, session }: Known,
  ports: Pick<SocketLinkPorts, "settleMsMax" | "tell" | "close" | "left">,
): SocketLink {
  const pack = (released: Released): string | undefined => {
    const text = seal.seal("state", packState({ profile, session, ...released }));
    return text.length > stateCharsMax ? undefined : text;
  };
  return new SocketLink(name, returnWindowMs(), { ...ports, clock: CLOCK, held, pack });
}
