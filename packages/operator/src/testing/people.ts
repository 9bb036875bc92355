// Owns: the people of the simulated cluster: sessions on pods, and how they move.

export interface Session {
  readonly id: number;
  readonly isFixed: boolean;
  /** Moves that releases caused, by release. */
  readonly moves: Map<string, number>;
  /** True time at which it was moved last to even pods out. */
  evenedAtMs?: number;
}

/** What a pod's data plane does: the part of a pod that the operator sees by reports only. */
export interface Plane {
  state: "starting" | "ready" | "draining";
  fence: number;
  /** True time of the end of its drain. */
  endsAtMs: number;
  /** True time from which it moves people and takes nobody. */
  movesAtMs: number;
  toRevision: string | undefined;
  /** Whoever finds no place on `toRevision` may go elsewhere. */
  isPreferred: boolean;
  keep: { sessions: number; toRevision: string; orderedIn: string } | undefined;
  /** Places elsewhere that were left after its moves of the tick before. */
  roomBefore: number;
  /** In the tick before, people who moved could reach a pod of `toRevision` with a place. */
  hadReceivers: boolean;
  readonly places: number;
  /** It never obeys. */
  readonly refuses: boolean;
  /** It reports a token that no leader gave, or always one above its order's. */
  readonly poison: "huge" | "climbing" | undefined;
  sessions: Session[];
  /** True times at which it turned somebody away. */
  turnedAwayMs: number[];
}

export const room = ({ places, sessions }: Plane): number => places - sessions.length;
