// Owns: presence of every channel: what this session entered with, and who is watched (H7).
import type { ServerFrame } from "@holdfast/protocol";
import type { Connection } from "./connection.ts";
import type { EngineContext, Feature } from "./engine-context.ts";
import { errorFromWire, type HoldfastError } from "./errors.ts";
import type { RawMember } from "./members.ts";
import { type Done, Membership } from "./membership.ts";
import type { PresenceOnConnection } from "./presence-on-connection.ts";
import { type PresenceListener, Watches } from "./watches.ts";

/**
 * Presence of a client. Several parts of an application may want the session to be a member of the
 * same channel: each is an owner, and the session leaves with the last one.
 */
export class Presence implements Feature {
  /** Connections, the newest last. */
  readonly #attachments: PresenceOnConnection[] = [];
  readonly #membership: Membership;
  readonly #watches: Watches;

  /**
   * `settled` is called whenever a watch became live or a change of this session's entry was
   * answered.
   */
  constructor(engine: EngineContext, settled: () => void) {
    this.#membership = new Membership(engine, this.#attachments, settled);
    this.#watches = new Watches(engine, this.#attachments, settled);
  }

  /**
   * Makes this session a member with this data, until the owner leaves, on every connection. The
   * newest owner's data is shown. Changes that come faster than answers are merged; `done` when the
   * node has this or a newer one.
   */
  enter(channel: string, data: unknown, done: Done, owner: object = this): void {
    this.#membership.enter(channel, owner, data, done);
  }

  /** The same for an owner that has entered. */
  update(channel: string, data: unknown, done: Done, owner: object = this): void {
    this.#membership.update(channel, owner, data, done);
  }

  /** With the last owner the session leaves. `not_entered`: only other owners have entered. */
  leave(channel: string, done: Done, owner: object = this): void {
    this.#membership.leave(channel, owner, done);
  }

  members(channel: string): readonly RawMember[] {
    return this.#watches.members(channel);
  }

  watch(channel: string, listener: PresenceListener): () => void {
    return this.#watches.watch(channel, listener);
  }

  attach(connection: Connection): void {
    const attachment = { connection, entries: new Map(), watches: new Map() };
    this.#attachments.push(attachment);
    this.#membership.attached(attachment);
    this.#watches.attached(attachment);
  }

  detach(connection: Connection): void {
    const place = this.#attachments.findIndex((other) => other.connection === connection);
    if (place < 0) return;
    // What comes of it from now on finds nothing.
    this.#attachments.splice(place, 1)[0]?.watches.clear();
    this.#membership.detached(place === this.#attachments.length);
  }

  isSettled(connection: Connection): boolean {
    const attachment = this.#of(connection);
    return (
      attachment !== undefined &&
      this.#membership.isSettled(attachment) &&
      this.#watches.isSettled(attachment)
    );
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    const attachment = this.#of(connection);
    if (!attachment) return;
    if (frame.t === "members" || frame.t === "presence") this.#watches.onFrame(attachment, frame);
    // The session may not have entry and watch any more.
    else if (frame.t === "unsubscribed" && frame.of === "presence") {
      const error = errorFromWire(frame);
      this.#membership.end(frame.ch, error);
      this.#watches.end(frame.ch, error);
    }
  }

  endAll(error: HoldfastError): void {
    this.#membership.endAll(error);
    this.#watches.endAll(error);
  }

  #of(connection: Connection): PresenceOnConnection | undefined {
    return this.#attachments.find((other) => other.connection === connection);
  }
}
