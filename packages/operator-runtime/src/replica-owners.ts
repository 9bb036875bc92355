// Owns: who wrote `spec.replicas`, and whether two take it from each other.
import { at, type Json, list, number, text } from "@holdfast/kube";

interface Write {
  /** Such as `kube-controller-manager`, as the API server names who wrote. */
  readonly by: string;
  readonly replicas: number;
  readonly atMs: number;
}

/** Changes of the number that are remembered. */
const WRITES_MAX = 8;
/** Whoever wrote longer ago does not fight. */
const FIGHT_MS = 600_000;
/** One takes it, the other takes it back, and the first takes it again. */
const TURNS_MIN = 3;

/** It writes the number of a set that states none, and owns none. */
const OPERATOR = "holdfast-operator";

/** Of one set. */
export class ReplicaOwners {
  #writes: readonly Write[] = [];

  /** In words who fights whom. Undefined: one owner, or nobody has written for ten minutes. */
  fight(stored: Json, nowMs: number): string | undefined {
    const last = this.#writes.at(-1);
    const replicas = number(at(stored, "spec", "replicas"));
    const by = writerOf(stored) ?? last?.by;
    if (replicas !== undefined && by !== undefined)
      if (last?.by !== by || last.replicas !== replicas)
        this.#writes = [...this.#writes, { by, replicas, atMs: nowMs }].slice(-WRITES_MAX);
    const lately = this.#writes.filter(({ atMs }) => nowMs - atMs < FIGHT_MS);
    return wordsOf(lately);
  }
}

/** Whose field `replicas` is: its manager, with the most recent write if there are several. */
function writerOf(stored: Json): string | undefined {
  const owners = list(at(stored, "metadata", "managedFields"))
    .filter((entry) => at(entry, "fieldsV1", "f:spec", "f:replicas") !== undefined)
    .filter((entry) => at(entry, "manager") !== OPERATOR)
    .sort((a, b) => ((text(at(a, "time")) ?? "") < (text(at(b, "time")) ?? "") ? 1 : -1));
  return text(at(owners[0], "manager"));
}

/** Turns of writers: the same one who writes twice has one turn. */
function wordsOf(writes: readonly Write[]): string | undefined {
  const turns = writes.filter(({ by }, i) => writes[i + 1]?.by !== by).slice(-TURNS_MIN);
  const [first, second, third] = turns;
  if (first === undefined || second === undefined || third === undefined) return undefined;
  if (first.by !== third.by) return undefined;
  return `Two owners of spec.replicas: ${second.by} wrote ${second.replicas}, and ${third.by} wrote ${third.replicas} again. Leave replicas out of what one of them applies.`;
}
