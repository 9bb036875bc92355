// Owns: messages of a broker with QoS 1 and 2 that the client has not acknowledged, and what
// becomes of their acknowledgements if the next broker knows nothing of them.
import { acknowledgement, PUBACK, PUBCOMP, PUBREC, PUBREL } from "./mqtt-packets.ts";

const ENTRY_BYTES = 32;

/**
 * `sent`: the client has it. `received`: it said so, for QoS 2, and waits for PUBREL. `released`:
 * it has that, too, and its PUBCOMP is on the way.
 */
interface Delivery {
  readonly qos: number;
  state: "sent" | "received" | "released";
}

export class Deliveries {
  readonly #open = new Map<number, Delivery>();
  /** Of a broker before: the client's next packet of this type and id is for nobody. */
  readonly #orphans = new Map<number, number>();

  get bytes(): number {
    return ENTRY_BYTES * (this.#open.size + this.#orphans.size);
  }

  /** A broker's PUBLISH. False: the client has said that it has this one. */
  sent(id: number, qos: number): boolean {
    if (qos === 2 && this.#open.get(id)?.state === "received") return false;
    this.#open.set(id, { qos, state: "sent" });
    return true;
  }

  /** A broker's PUBREL. */
  released(id: number): void {
    const delivery = this.#open.get(id);
    if (delivery !== undefined) delivery.state = "released";
  }

  /**
   * The client acknowledges. `hasFailed`: its PUBREC says so, and nothing follows. The result is
   * for the broker (`undefined`: nothing is) or answers the client.
   */
  acknowledged(
    type: number,
    id: number,
    hasFailed: boolean,
  ): "pass" | { readonly toClient?: Uint8Array } {
    if (this.#orphans.get(id) === type) {
      if (type === PUBREC && !hasFailed) {
        this.#orphans.set(id, PUBCOMP);
        return { toClient: acknowledgement(PUBREL, id) };
      }
      this.#orphans.delete(id);
      return {};
    }
    const delivery = this.#open.get(id);
    if (delivery !== undefined && type === PUBREC && !hasFailed) delivery.state = "received";
    else this.#open.delete(id);
    return "pass";
  }

  /** The next broker has the session. It may not have heard these PUBRECs of the client. */
  known(): readonly Uint8Array[] {
    const received = [...this.#open].filter(([, { state }]) => state === "received");
    return received.map(([id]) => acknowledgement(PUBREC, id));
  }

  /**
   * The next broker has no session. Those are the PUBRELs that the former one owed: with them the
   * client has each message once.
   */
  forgotten(): readonly Uint8Array[] {
    const releases: Uint8Array[] = [];
    for (const [id, { qos, state }] of this.#open) {
      if (state === "received") releases.push(acknowledgement(PUBREL, id));
      const next = state !== "sent" ? PUBCOMP : qos === 1 ? PUBACK : PUBREC;
      this.#orphans.set(id, next);
    }
    this.#open.clear();
    return releases;
  }
}
