// Owns: the first words with clients of holdfast.socket.v1, before they are held (spec/socket.md).
import { controlText, readControl, type SocketOffer } from "@holdfast/protocol/socket";
import type { Frame, Profile, Released } from "@holdfast/rehoming";
import type { SocketSeal } from "./socket-seal.ts";
import { STATE_CHARS_MAX, unpackState } from "./socket-state.ts";

/** How long a client that comes from another gateway may take to be handed over. */
const ARRIVAL_MS_MAX = 30_000;
const VIOLATED = 1002;

/**
 * The subprotocol that a client is answered with. One that offered the gateway alone must hear that
 * this was understood: browsers end a socket if nothing was chosen.
 */
export const answered = (
  chosen: string,
  own: readonly string[],
  offer: SocketOffer | undefined,
): string => (chosen === "" && own.length === 0 ? (offer?.name ?? "") : chosen);

interface Client {
  sendText(text: string): unknown;
  close(code: number, reason: string): void;
}

/** Who a client is for servers. `attempt`: how many of them were tried for it by others. */
export interface Identity {
  readonly session: string;
  readonly attempt: number;
}

/** Clients that come from another gateway, until they have said what that one knew. */
export class Arrivals<C extends Client> {
  readonly #timers = new Map<C, ReturnType<typeof setTimeout>>();
  readonly #seal: SocketSeal;

  constructor(seal: SocketSeal) {
    this.#seal = seal;
  }

  /** Undefined: it comes from another gateway, and cannot come here. */
  identify(offer: SocketOffer | undefined, profile: Profile): Identity | undefined {
    const fresh = { session: crypto.randomUUID(), attempt: 0 };
    if (offer?.isMove !== true) return fresh;
    // What the client says of itself is nothing that servers may believe.
    const ticket = this.#seal.isClosed ? this.#seal.open("ticket", offer.ticket) : undefined;
    if (profile.restore === undefined || (profile.isPrivate === true && ticket === undefined))
      return undefined;
    const { session, attempt } = Object(ticket);
    return typeof session === "string" && typeof attempt === "number"
      ? { session, attempt }
      : fresh;
  }

  /** True: it is new, and to be held at once. Nothing else was sent to it before. */
  greet(client: C, { name, isMove }: SocketOffer, windowMs: number): boolean {
    client.sendText(controlText(name, { type: "hello", windowMs }));
    if (!isMove) return true;
    const late = (): void => client.close(VIOLATED, "Nobody handed this client over");
    this.#timers.set(client, setTimeout(late, ARRIVAL_MS_MAX));
    return false;
  }

  /** Its first message. Undefined: it is not the state of a client of this profile. */
  takeOver(
    client: C,
    frame: Frame,
    {
      offer,
      request,
    }: {
      readonly offer: SocketOffer | undefined;
      readonly request: { readonly session: string; readonly route: { readonly profile: Profile } };
    },
  ): Released | undefined {
    const { profile } = request.route;
    const control = readControl(offer?.name ?? "", frame);
    const text = control?.["type"] === "state" ? String(control["state"]) : "";
    const isShort = text.length <= STATE_CHARS_MAX;
    const state = isShort ? unpackState(this.#seal.open("state", text)) : undefined;
    const isOwn = profile.isPrivate !== true || state?.session === request.session;
    if (state?.profile === profile.name && isOwn) return state;
    client.close(VIOLATED, "This is no state of a client of this route");
    return undefined;
  }

  /** True: it had not been handed over. */
  forget(client: C): boolean {
    clearTimeout(this.#timers.get(client));
    return this.#timers.delete(client);
  }
}
