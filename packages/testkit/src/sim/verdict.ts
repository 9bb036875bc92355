// Owns: what a run was found guilty of.

/**
 * The promises of a Holdfast cluster that a run checks (see ARCHITECTURE.md); `progress`: after
 * healing everything goes on; `orders`: an order is carried out, refused or expired, never lost;
 * `removal`: what was removed is not delivered any more; `data`: it is read as it was published, or
 * its publisher gets an error.
 */
export type Rule =
  | "H1"
  | "H2"
  | "H3"
  | "H4"
  | "H5"
  | "H6"
  | "H7"
  | "H8"
  | "progress"
  | "orders"
  | "removal"
  | "data"
  | "bug";

/** A rule that a run broke, with the simulated time in ms and what was seen. */
export interface Violation {
  readonly rule: Rule;
  readonly atMs: number;
  readonly text: string;
}

/** Collects violations; the run stops at the first. */
export class Verdict {
  readonly violations: Violation[] = [];
  readonly #now: () => number;
  readonly #told: (violation: Violation) => void;

  constructor(now: () => number, told: (violation: Violation) => void) {
    this.#now = now;
    this.#told = told;
  }

  get guilty(): boolean {
    return this.violations.length > 0;
  }

  broken(rule: Rule, text: string): void {
    // One cause breaks many things; the first few are enough to understand it.
    if (this.violations.length >= 10) return;
    const violation = { rule, atMs: this.#now(), text };
    this.violations.push(violation);
    this.#told(violation);
  }
}
