// Owns: the first upstream of a client: which endpoints are asked, and what an answer means.
import { isOfNoServer } from "./answers.ts";
import type { GatewayCounts } from "./gateway-ports.ts";
import type { HeldRequest } from "./held-request.ts";
import { clientProtocol } from "./route.ts";
import { type Answered, openUpstream, whyNot } from "./upstream-socket.ts";

/** Endpoints that are tried before a client is told that none can be had. */
const TRIES_MAX = 3;

export type FirstHome =
  | { readonly address: string; readonly opening: Answered }
  /** What the client sent cannot be asked of any endpoint. */
  | { readonly unfit: string };

/** The first upstream that answers, with a socket or with its word why not. Undefined: none did. */
export async function firstHome(
  request: HeldRequest,
  signal: AbortSignal,
  observer: Partial<GatewayCounts>,
): Promise<FirstHome | undefined> {
  const { route, key, cohort } = request;
  const not = new Set<string>();
  for (let attempt = 0; attempt < (route.triesMax ?? TRIES_MAX); attempt++) {
    const choice = { key, cohort, not, zone: route.zone, chance: Math.random() };
    const address = route.endpoints.choose(choice, performance.now());
    if (address === undefined) return undefined;
    const beganMs = performance.now();
    const opening = await openUpstream(request.upstream(address, 0), signal);
    const nowMs = performance.now();
    if (opening.kind === "open" && clientProtocol(route, opening.protocol) !== undefined) {
      route.endpoints.opened(address, nowMs, nowMs - beganMs);
      observer.upstreamOpened?.(route);
      return { address, opening };
    }
    if (opening.kind === "open") opening.socket.drop();
    const isAnswer = opening.kind === "refused" && !isOfNoServer(opening.refusal.status);
    if (isAnswer || opening.kind === "unfit" || signal.aborted) {
      route.endpoints.closed(address, false, nowMs);
      if (opening.kind === "unfit") return { unfit: opening.why };
      if (opening.kind !== "refused") return undefined;
      observer.upstreamFailed?.(route, "refused", { address, text: whyNot(opening) });
      return { address, opening };
    }
    const cause = opening.kind === "failed" ? opening.cause : "refused";
    observer.upstreamFailed?.(route, cause, { address, text: whyNot(opening) });
    route.endpoints.failed(address, nowMs);
    not.add(address);
  }
  return undefined;
}
