// Owns: which pod goes first: the one whose going costs people least.
import { isLeavingMachine, type PodView } from "./survey.ts";

/** What the cost of a pod depends on besides the pod. */
export interface Surroundings {
  /** Pods that stay, by zone and by machine. */
  readonly inZone: ReadonlyMap<string, number>;
  readonly onMachine: ReadonlyMap<string, number>;
}

/** Counts the pods that stay. */
export function surroundingsOf(staying: readonly PodView[]): Surroundings {
  const inZone = new Map<string, number>();
  const onMachine = new Map<string, number>();
  for (const { machine } of staying) {
    if (machine === undefined) continue;
    inZone.set(machine.zone, (inZone.get(machine.zone) ?? 0) + 1);
    onMachine.set(machine.name, (onMachine.get(machine.name) ?? 0) + 1);
  }
  return { inZone, onMachine };
}

/**
 * Orders pods by what their going costs, cheapest first. Pods that drain already come first, those
 * with the fewest connections left before others: their people have moved. Then pods that nobody
 * can be on, pods of a machine that goes, pods of fuller zones and machines, few sockets that
 * cannot move, few sessions, and the oldest.
 */
export function byCost(around: Surroundings): (a: PodView, b: PodView) => number {
  const cost = (view: PodView): readonly number[] => [
    view.mark === undefined ? 1 : 0,
    view.mark === undefined ? 0 : view.load,
    view.stage === "unborn" ? 0 : 1,
    isLeavingMachine(view) ? 0 : 1,
    -(around.inZone.get(view.machine?.zone ?? "") ?? 0),
    -(around.onMachine.get(view.machine?.name ?? "") ?? 0),
    view.fixedSockets,
    view.load,
    view.pod.createdAtMs,
  ];
  return (a, b) => {
    const [mine, theirs] = [cost(a), cost(b)];
    const at = mine.findIndex((value, index) => value !== theirs[index]);
    if (at < 0) return a.pod.name < b.pod.name ? -1 : 1;
    return (mine[at] ?? 0) - (theirs[at] ?? 0);
  };
}
