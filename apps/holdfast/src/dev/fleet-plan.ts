// Owns: the plan of `holdfast dev --nodes N`: which node starts in which place, which nodes are
// replaced, and in what order. Pure: events in, effects out.
import type { DevEffect, DevEvent, Place, Plan } from "./plan.ts";

interface Node {
  readonly child: number;
  readonly revision: number;
}

/**
 * One of the N places. A leaving node keeps its place until its process is gone, beside its
 * successor.
 */
interface Slot {
  serving: Node | undefined;
  next: Node | undefined;
  leaving: number | undefined;
  /** Nodes started here so far. */
  lives: number;
  /** The node for this place refused to start: only an edit or an order can change that. */
  blocked: boolean;
}

/** If a node that served this long dies, it does not count as a node that cannot start. */
export const STEADY_MS = 10_000;
/** After this many unwanted ends in quick succession dev stops, unless a node still serves. */
const DEATHS_MAX = 5;
const WAIT_MS = 200;
const WAIT_MAX_MS = 10_000;

/**
 * Keeps N nodes serving. A roll replaces one after the other: the new one is ready before the old
 * one is told to leave, and the next place waits until the old process is gone. One node tries a
 * new revision. If it cannot serve, the others stay as they are.
 */
export class FleetPlan implements Plan {
  readonly #slots: readonly Slot[];
  #lastChild = 0;
  #lastRevision = 1;
  /** The revision that is started now. After a failed roll it is the newest that was ever ready. */
  #goal = 1;
  #proven = 0;
  /** The first start counts as a roll of empty places. */
  #rolling = true;
  #announced = false;
  /** A roll was asked for while one was under way. */
  #again = false;
  #waiting = false;
  #stopping = false;
  #deaths = 0;

  constructor(size: number) {
    this.#slots = Array.from({ length: size }, () => ({
      serving: undefined,
      next: undefined,
      leaving: undefined,
      lives: 0,
      blocked: false,
    }));
  }

  begin(): readonly DevEffect[] {
    return this.#advance();
  }

  handle(event: DevEvent): readonly DevEffect[] {
    if (this.#stopping) return event.kind === "exited" ? this.#goneWhileStopping(event.child) : [];
    switch (event.kind) {
      case "restart":
        this.#deaths = 0;
        if (!this.#rolling) return this.#roll();
        this.#again = true;
        return [];
      case "ready":
        return this.#ready(event.child);
      case "refused": {
        const slot = this.#slots.find(({ next }) => next?.child === event.child);
        return slot === undefined ? [] : this.#refused(slot, event.fatal);
      }
      case "exited":
        return this.#exited(event);
      case "waited":
        this.#waiting = false;
        return this.#advance();
      case "stop":
        this.#stopping = true;
        return this.#nobody() ? [{ kind: "finish", ok: true }] : [{ kind: "end-all" }];
    }
  }

  #roll(): readonly DevEffect[] {
    this.#again = false;
    this.#rolling = true;
    this.#goal = ++this.#lastRevision;
    for (const slot of this.#slots) slot.blocked = false;
    return this.#advance();
  }

  /** Starts every node that may start now; ends the roll when nothing of it is left. */
  #advance(): readonly DevEffect[] {
    const effects: DevEffect[] = [];
    for (const slot of this.#slots) if (this.#mayFill(slot)) effects.push(this.#start(slot));
    if (
      !this.#rolling ||
      this.#waiting ||
      this.#slots.some(({ next, leaving }) => next !== undefined || leaving !== undefined)
    )
      return effects;
    const old = this.#slots.find(
      ({ serving }) => serving !== undefined && serving.revision !== this.#goal,
    );
    if (old !== undefined) return [...effects, this.#start(old)];
    return this.#slots.every(({ serving, blocked }) => serving !== undefined || blocked)
      ? [...effects, ...this.#endRoll()]
      : effects;
  }

  /**
   * An empty place gets a node at once. But only one node tries a revision that was never ready.
   */
  #mayFill({ serving, next, blocked }: Slot): boolean {
    if (serving !== undefined || next !== undefined || blocked || this.#waiting) return false;
    return this.#proven === this.#goal || this.#slots.every((slot) => slot.next === undefined);
  }

  #start(slot: Slot): DevEffect {
    slot.next = { child: ++this.#lastChild, revision: this.#goal };
    const place: Place = {
      slot: this.#slots.indexOf(slot),
      life: ++slot.lives,
      revision: this.#goal,
    };
    return { kind: "start", child: slot.next.child, place };
  }

  #endRoll(): readonly DevEffect[] {
    this.#rolling = false;
    const replaced = this.#announced;
    this.#announced = true;
    return [
      { kind: "serving", child: this.#lastChild, replaced },
      ...(this.#again ? this.#roll() : []),
    ];
  }

  #ready(child: number): readonly DevEffect[] {
    const slot = this.#slots.find(({ next }) => next?.child === child);
    if (slot?.next === undefined) return [];
    const old = slot.serving;
    slot.serving = slot.next;
    slot.next = undefined;
    this.#proven = Math.max(this.#proven, slot.serving.revision);
    const effects: DevEffect[] = [{ kind: "joined", child }];
    if (old !== undefined) {
      slot.leaving = old.child;
      effects.push({ kind: "retire", child: old.child });
    }
    return [...effects, ...this.#advance()];
  }

  #refused(slot: Slot, fatal: boolean): readonly DevEffect[] {
    slot.next = undefined;
    slot.blocked = slot.serving === undefined;
    return this.#failed(fatal);
  }

  /** A node that should serve cannot. The roll ends; nodes that serve continue. */
  #failed(fatal: boolean): readonly DevEffect[] {
    if (this.#again) return this.#roll();
    if (this.#slots.some(({ serving }) => serving !== undefined)) {
      const effects: DevEffect[] = [{ kind: "kept" }];
      if (!this.#announced)
        effects.push({ kind: "serving", child: this.#lastChild, replaced: false });
      this.#announced = true;
      this.#rolling = false;
      this.#goal = this.#proven;
      return [...effects, ...this.#advance()];
    }
    if (this.#slots.some(({ next }) => next !== undefined)) return [];
    this.#rolling = false;
    for (const slot of this.#slots) slot.blocked = true;
    return fatal ? this.#finish() : [{ kind: "idle" }];
  }

  #exited({
    child,
    status,
    servedMs = 0,
  }: Extract<DevEvent, { kind: "exited" }>): readonly DevEffect[] {
    const starting = this.#slots.find(({ next }) => next?.child === child);
    if (starting?.next !== undefined) {
      const { revision } = starting.next;
      starting.next = undefined;
      if (revision === this.#proven) return this.#died(child, status);
      // It ended without being ready and without a message, and no node of its revision was ever
      // ready: it counts as refused.
      starting.blocked = starting.serving === undefined;
      return [{ kind: "died", status, child }, ...this.#failed(false)];
    }
    const slot = this.#slots.find(({ serving }) => serving?.child === child);
    if (slot === undefined) {
      for (const one of this.#slots) if (one.leaving === child) one.leaving = undefined;
      return this.#advance();
    }
    slot.serving = undefined;
    if (servedMs >= STEADY_MS) this.#deaths = 0;
    return this.#died(child, status);
  }

  #died(child: number, status: number): readonly DevEffect[] {
    this.#deaths++;
    const effects: DevEffect[] = [{ kind: "died", status, child }];
    const serves = this.#slots.some(({ serving }) => serving !== undefined);
    if (this.#deaths > DEATHS_MAX && !serves) return [...effects, ...this.#finish()];
    if (this.#waiting) return effects;
    this.#waiting = true;
    return [
      ...effects,
      { kind: "wait", ms: Math.min(WAIT_MAX_MS, WAIT_MS * 2 ** (this.#deaths - 1)) },
    ];
  }

  #goneWhileStopping(child: number): readonly DevEffect[] {
    for (const slot of this.#slots) {
      if (slot.serving?.child === child) slot.serving = undefined;
      if (slot.next?.child === child) slot.next = undefined;
      if (slot.leaving === child) slot.leaving = undefined;
    }
    return this.#nobody() ? [{ kind: "finish", ok: true }] : [];
  }

  #finish(): readonly DevEffect[] {
    this.#stopping = true;
    return [{ kind: "end-all" }, { kind: "finish", ok: false }];
  }

  #nobody(): boolean {
    return this.#slots.every(
      ({ serving, next, leaving }) =>
        serving === undefined && next === undefined && leaving === undefined,
    );
  }
}
