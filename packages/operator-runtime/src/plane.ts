// Owns: what the runtime needs of a data plane: what it says of itself, and the orders that it
// takes.
import type { PodReport, Revision } from "@holdfast/operator";
import type { GatewayTrouble } from "./silent-gateways.ts";

/** What clients of one process felt since it started. Counts never fall. */
export interface Felt {
  readonly connectionMinutes: number;
  readonly resumes: number;
  readonly lost: number;
  readonly slow: number;
  readonly resumesFailed: number;
  readonly closedAbnormally: number;
}

/** One answer. */
export interface PlaneAnswer {
  readonly report: Omit<PodReport, "ageMs">;
  /** Changes with each process: its counts begin anew. */
  readonly run: string;
  /** Absent: it does not count. */
  readonly felt?: Felt;
}

export interface DrainOrder {
  readonly token: number;
  readonly windowMs: number;
  readonly preDelayMs?: number;
  readonly toRevision?: Revision;
  /** Sessions that find no place on that revision may go to any ready pod. */
  readonly isPreferred?: boolean;
}

/** To keep only so many sessions. */
export interface ShedOrder {
  /** Absent: the data plane reports a token that no leader gave, and takes none below it. */
  readonly token?: number;
  readonly keep: number;
  readonly toRevision: Revision;
  readonly windowMs: number;
}

/** Where a pod's data plane is. */
export interface PlanePlace {
  readonly uid: string;
  readonly address: string;
}

/**
 * The data planes of one set. Every call MUST settle within some seconds. It rejects with
 * PlaneError if nobody answered, or if the answer was a refusal. An order MUST be safe to repeat.
 */
export interface Planes {
  ask(place: PlanePlace): Promise<PlaneAnswer>;
  drain(place: PlanePlace, order: DrainOrder): Promise<void>;
  serve(place: PlanePlace, order: { readonly token: number }): Promise<void>;
  shed(place: PlanePlace, order: ShedOrder): Promise<void>;
  /** What keeps reports away, or makes them less than whole, for people. Absent: nothing. */
  trouble?(): GatewayTrouble;
}

/** `unreachable`: nobody answered. `refused`: it answered that it will not. `key`: a bad key. */
export class PlaneError extends Error {
  readonly code: "unreachable" | "refused" | "key";

  constructor(code: "unreachable" | "refused" | "key", message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "PlaneError";
    this.code = code;
  }
}
