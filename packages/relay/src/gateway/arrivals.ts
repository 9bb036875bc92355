// Owns: the first words with clients of holdfast.socket.v1, before they are held (spec/socket.md).
import { controlText, readControl, type SocketOffer } from "@holdfast/protocol/socket";
import type { Frame, Released } from "@holdfast/rehoming";
import { unpackState } from "./socket-state.ts";

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

/** Clients that come from another gateway, until they have said what that one knew. */
export class Arrivals<C extends Client> {
  readonly #timers = new Map<C, ReturnType<typeof setTimeout>>();

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
    { frame, offer, profile }: { frame: Frame; offer: SocketOffer | undefined; profile: string },
  ): Released | undefined {
    const control = readControl(offer?.name ?? "", frame);
    const state = control?.["type"] === "state" ? unpackState(control["state"]) : undefined;
    if (state?.profile === profile) return state;
    client.close(VIOLATED, "This is no state of a client of this route");
    return undefined;
  }

  /** True: it had not been handed over. */
  forget(client: C): boolean {
    clearTimeout(this.#timers.get(client));
    return this.#timers.delete(client);
  }
}
