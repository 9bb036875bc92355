// Owns: what orders do to a node's sessions: a drain, or a shed. Each ends the other one.
import type { DrainOptions, DrainProgress, ShedOptions } from "../control/control.ts";
import type { Obedient } from "../control/orders.ts";
import type { Connection } from "../session/connection.ts";
import type { Sessions } from "../session/sessions.ts";
import { type DrainFleet, Draining, type DrainNeeds } from "./draining.ts";
import { Shedding, type ShedNeeds } from "./shedding.ts";

export type MovingNeeds = DrainNeeds & ShedNeeds & { readonly sessions: Pick<Sessions, "get"> };

export class Moving implements Obedient {
  readonly draining: Draining;
  readonly shedding: Shedding;
  readonly #parts: MovingNeeds;

  constructor(parts: MovingNeeds, fleet: DrainFleet) {
    this.#parts = parts;
    this.draining = new Draining(parts, fleet);
    this.shedding = new Shedding(parts, fleet);
  }

  drain(options: DrainOptions): Promise<DrainProgress> {
    this.shedding.undo();
    return this.draining.start(options);
  }

  undrain(): boolean {
    const isShedUndone = this.shedding.undo();
    return this.draining.undo() || isShedUndone;
  }

  shed(options: ShedOptions): void {
    this.draining.undo();
    this.shedding.start(options);
  }

  isEnding(): boolean {
    return this.draining.isFinal;
  }

  isUnder(order: "drain" | "shed"): boolean {
    return order === "shed" ? this.shedding.running : this.draining.begun;
  }

  /** Whether the session was asked to move because this node gives up some. */
  hasShed(session: string): boolean {
    const connection = this.#parts.sessions.get(session);
    return connection !== undefined && this.shedding.hasAsked(connection);
  }

  ended(connection: Connection): void {
    this.draining.ended(connection);
    this.shedding.ended(connection);
  }
}
