// Owns: joining a Socket.IO client to its namespaces at the next server, which may not know its
// sessions yet.
import type { Frame } from "../frame.ts";
import type { ProfileOut } from "../profile.ts";
import type { Namespace } from "./socketio-namespace.ts";
import { CONNECT, CONNECT_ERROR, packetOf } from "./socketio-packet.ts";

/**
 * When a server that does not know a session is asked for it again. The former one writes it to a
 * store that both share, and may be busy.
 */
const AGAIN_MS = [100, 400];
/** Clients in a row that were asked for in vain. Then servers of the route share no sessions. */
const IN_VAIN_MAX = 3;

/** What the clients of a route have seen. */
export interface Recovery {
  inVain: number;
}

/** One attach of one client. */
export class Joining {
  readonly #out: ProfileOut;
  readonly #recovery: Recovery;
  readonly #isAskedAgain: boolean;
  readonly #tries = new Map<string, number>();
  /** Namespaces that are left to be joined again: what the server still says in them is dropped. */
  readonly #left = new Set<string>();
  #attachmentsDropped = 0;
  isOver = false;
  /** What the server says beside, for the time after. */
  early: Frame[] = [];

  /** `isWhole`: the former server was left in order, so it puts sessions aside. */
  constructor(out: ProfileOut, recovery: Recovery, isWhole: boolean) {
    this.#out = out;
    this.#recovery = recovery;
    this.#isAskedAgain = isWhole;
  }

  /**
   * The server joined the client, and does not know the session. True: it will be asked again, and
   * this answer is none.
   */
  asksAgain(namespace: Namespace, data: string): boolean {
    const isRecovered = namespace.isRecovered(data);
    if (isRecovered) this.#recovery.inVain = 0;
    if (isRecovered || !this.#isAskedAgain || !namespace.mayBeRecovered) return false;
    const tries = this.#tries.get(namespace.name) ?? 0;
    const againMs = AGAIN_MS[tries];
    if (againMs === undefined) this.#recovery.inVain += 1;
    if (againMs === undefined || this.#recovery.inVain >= IN_VAIN_MAX) return false;
    this.#tries.set(namespace.name, tries + 1);
    this.#leave(namespace);
    this.#out.after(againMs, () => {
      if (!this.isOver) this.#out.toNext(namespace.connect);
    });
    return true;
  }

  /** True: the frame belongs to a namespace that is left, and is forgotten. */
  drops(frame: Frame): boolean {
    if (typeof frame !== "string") {
      if (this.#attachmentsDropped === 0) return false;
      this.#attachmentsDropped -= 1;
      return true;
    }
    const packet = packetOf(frame);
    if (packet === undefined || !this.#left.has(packet.namespace)) return false;
    if (packet.type === CONNECT || packet.type === CONNECT_ERROR) {
      this.#left.delete(packet.namespace);
      return false;
    }
    this.#attachmentsDropped = packet.attachments;
    return true;
  }

  /** Whatever came in it comes again once the session is recovered. */
  #leave(namespace: Namespace): void {
    this.#left.add(namespace.name);
    this.early = this.early.filter((frame) => !this.drops(frame));
    this.#out.toNext(namespace.disconnect);
  }
}
