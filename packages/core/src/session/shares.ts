// Owns: a node's budgets for each second, and the shares of users and addresses in them.
import type { Shared } from "../observer.ts";
import { FairShare } from "../pacing/fair-share.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import { networkOf } from "./network-of.ts";

/**
 * The part of the handshake rate (A) that admission uses, less a little: so its queue stays empty
 * for parties within their share.
 */
const ADMITTED_SHARE = 0.75;
/** As long as admission's bucket is deep. So the bucket holds whatever a share allows at once. */
const HANDSHAKES_MS = 200;

export class Shares {
  readonly #shares: Readonly<Record<Shared, FairShare>>;

  constructor(settings: NodeSettings, nowMs: number) {
    const rates = ratesOf(settings, settings.admission.handshakesPerSecond);
    const share = (what: Shared, lengthMs?: number): FairShare =>
      new FairShare(rates[what], nowMs, lengthMs);
    this.#shares = {
      newcomers: share("newcomers", HANDSHAKES_MS),
      resumes: share("resumes", HANDSHAKES_MS),
      received: share("received"),
      answered: share("answered"),
      published: share("published"),
      channels: share("channels"),
      processing: share("processing"),
    };
  }

  /** The current settings, and the handshakes a second that the node can take now. */
  configure(settings: NodeSettings, handshakesPerSecond: number): void {
    for (const [what, rate] of Object.entries(ratesOf(settings, handshakesPerSecond)))
      this.#shares[what as Shared].setRate(rate);
  }

  of(what: Shared): FairShare {
    return this.#shares[what];
  }
}

/**
 * The party whose share a connection uses: its user, or its address if it is anonymous or not known
 * yet.
 */
export function partyOf({ identity, link }: Pick<Connection, "identity" | "link">): string {
  return identity.user === undefined ? `a:${networkOf(link.address)}` : `u:${identity.user}`;
}

function ratesOf({ limits, admission }: NodeSettings, perSecond: number): Record<Shared, number> {
  return {
    newcomers: perSecond * ADMITTED_SHARE * (1 - admission.resumeReserve),
    resumes: perSecond * ADMITTED_SHARE,
    received: limits.nodeReceivedBytesPerSecondMax,
    answered: limits.nodeAnsweredBytesPerSecondMax,
    published: limits.nodePublishedBytesPerSecondMax,
    channels: limits.nodeChannelsPerSecondMax,
    processing: limits.nodeProcessingMsPerSecondMax,
  };
}
