// Owns: the plan of `holdfast dev`: which node process serves, which one follows it, which ones
// leave. Pure: events in, effects out.

export type DevEvent =
  | { readonly kind: "restart" }
  | { readonly kind: "ready"; readonly child: number }
  /**
   * A process reported that it cannot serve; its exit follows. `fatal`: no edit can make another
   * attempt succeed.
   */
  | { readonly kind: "refused"; readonly child: number; readonly fatal: boolean }
  /** `servedMs`: how long it had served; absent if it never did. */
  | {
      readonly kind: "exited";
      readonly child: number;
      readonly status: number;
      readonly servedMs?: number;
    }
  /** The wait that was asked for is over. */
  | { readonly kind: "waited" }
  | { readonly kind: "stop" };

/**
 * A node's position in a fleet: its place, the count of nodes that were started there, and its
 * revision. Places count from 0, the others from 1.
 */
export interface Place {
  readonly slot: number;
  readonly life: number;
  readonly revision: number;
}

export type DevEffect =
  | { readonly kind: "start"; readonly child: number; readonly place?: Place }
  /** One node of a fleet serves. */
  | { readonly kind: "joined"; readonly child: number }
  /** Tell it to move its clients away and end. */
  | { readonly kind: "retire"; readonly child: number }
  | { readonly kind: "kill"; readonly child: number }
  | { readonly kind: "wait"; readonly ms: number }
  /**
   * A node serves now; in a fleet, the last that was missing. `replaced`: it replaced a running
   * one.
   */
  | { readonly kind: "serving"; readonly child: number; readonly replaced: boolean }
  /** The new process cannot serve; the old one continues. */
  | { readonly kind: "kept" }
  /** No node serves until the contract changes. */
  | { readonly kind: "idle" }
  | { readonly kind: "died"; readonly status: number; readonly child?: number }
  | { readonly kind: "end-all" }
  | { readonly kind: "finish"; readonly ok: boolean };

/** Decides for one node or for a fleet. */
export interface Plan {
  /** The first effects. */
  begin(): readonly DevEffect[];
  handle(event: DevEvent): readonly DevEffect[];
}

/**
 * Most processes that move their clients away at the same time; if there is one more, the oldest is
 * cut.
 */
const RETIRING_MAX = 2;
/**
 * After this many unwanted ends of serving processes since the last order to restart, dev stops.
 */
const DEATHS_MAX = 5;
const WAIT_MS = 200;

/** The plan of one node: its successor uses the same ports. */
export class DevPlan implements Plan {
  #current: number | undefined;
  #next: number | undefined;
  /**
   * A restart was asked for while one was under way: the files may have been read before they
   * changed.
   */
  #again = false;
  #waiting = false;
  #stopping = false;
  #deaths = 0;
  #lastId = 0;
  /** Oldest first. */
  readonly #retiring: number[] = [];

  /** The first node. */
  begin(): readonly DevEffect[] {
    return this.#startNext();
  }

  handle(event: DevEvent): readonly DevEffect[] {
    if (this.#stopping) return event.kind === "exited" ? this.#gone(event.child) : [];
    switch (event.kind) {
      case "restart":
        this.#deaths = 0;
        if (this.#next !== undefined) this.#again = true;
        return this.#next === undefined ? this.#startNext() : [];
      case "ready":
        return this.#ready(event.child);
      case "refused":
        return event.child === this.#next ? this.#failed(event.fatal) : [];
      case "exited":
        return this.#exited(event.child, event.status);
      case "waited":
        this.#waiting = false;
        return this.#next === undefined && this.#current === undefined ? this.#startNext() : [];
      case "stop":
        return this.#stop();
    }
  }

  #startNext(): readonly DevEffect[] {
    this.#again = false;
    this.#next = ++this.#lastId;
    return [{ kind: "start", child: this.#next }];
  }

  #ready(child: number): readonly DevEffect[] {
    if (child !== this.#next) return [];
    const old = this.#current;
    this.#current = child;
    this.#next = undefined;
    const effects: DevEffect[] = [{ kind: "serving", child, replaced: old !== undefined }];
    if (old !== undefined) {
      effects.push({ kind: "retire", child: old });
      this.#retiring.push(old);
      if (this.#retiring.length > RETIRING_MAX)
        effects.push({ kind: "kill", child: this.#retiring[0] ?? old });
    }
    return this.#again ? [...effects, ...this.#startNext()] : effects;
  }

  /** The successor cannot serve. */
  #failed(fatal: boolean): readonly DevEffect[] {
    this.#next = undefined;
    if (this.#again) return this.#startNext();
    if (this.#current !== undefined) return [{ kind: "kept" }];
    return fatal ? this.#finish(false) : [{ kind: "idle" }];
  }

  #exited(child: number, status: number): readonly DevEffect[] {
    // It ended without being ready and without a message: it counts as refused.
    if (child === this.#next) return [{ kind: "died", status }, ...this.#failed(false)];
    if (child !== this.#current) return this.#gone(child);
    this.#current = undefined;
    this.#deaths++;
    const effects: DevEffect[] = [{ kind: "died", status }];
    if (this.#deaths > DEATHS_MAX) return [...effects, ...this.#finish(false)];
    if (this.#next !== undefined || this.#waiting) return effects;
    this.#waiting = true;
    return [...effects, { kind: "wait", ms: WAIT_MS * 2 ** (this.#deaths - 1) }];
  }

  #gone(child: number): readonly DevEffect[] {
    if (child === this.#current) this.#current = undefined;
    if (child === this.#next) this.#next = undefined;
    const place = this.#retiring.indexOf(child);
    if (place >= 0) this.#retiring.splice(place, 1);
    return this.#stopping && this.#nobody() ? [{ kind: "finish", ok: true }] : [];
  }

  #stop(): readonly DevEffect[] {
    this.#stopping = true;
    return this.#nobody() ? [{ kind: "finish", ok: true }] : [{ kind: "end-all" }];
  }

  #finish(ok: boolean): readonly DevEffect[] {
    this.#stopping = true;
    return [{ kind: "end-all" }, { kind: "finish", ok }];
  }

  #nobody(): boolean {
    return this.#current === undefined && this.#next === undefined && this.#retiring.length === 0;
  }
}
