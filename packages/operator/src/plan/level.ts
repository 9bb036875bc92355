// Owns: which of several pods receive so that all of them end up with as much.
import type { Desired } from "../model/desired.ts";
import { connectionsOf } from "./places.ts";
import type { PodView } from "./survey.ts";

/** How much higher the highest pod may end than it could before labels change, as a part of it. */
const CHANGE_FROM = 0.05;
/** A pod with less than this part of the mean is one that newcomers should fill. */
const EMPTY_BELOW = 0.5;
/** The part of the mean up to which they fill it. */
const FILLED_FROM = 0.8;

/**
 * The emptiest pods of `among`: as many as make the fullest of them end lowest, if `arriving`
 * connections have come to them in equal parts. All that is under way may arrive before balancers
 * follow another choice, so all of it must fit. Pods that receive stay if that is hardly worse.
 */
export function emptiest(among: readonly PodView[], arriving: number): ReadonlySet<PodView> {
  const byLoad = [...among].sort((a, b) => a.load - b.load || (a.pod.name < b.pod.name ? -1 : 1));
  const peaks = byLoad.map(({ load }, i) => load + arriving / (i + 1));
  const best = Math.min(...peaks);
  const now = among.filter(({ pod }) => pod.receives);
  const peak = Math.max(...now.map(({ load }) => load)) + arriving / now.length;
  const isAlike = arriving <= 0 || peak <= best + Math.max(1, CHANGE_FROM * best);
  if (now.length > 0 && isAlike) return new Set(now);
  return new Set(arriving <= 0 ? among : byLoad.slice(0, peaks.lastIndexOf(best) + 1));
}

/** What a pod carries if all carry as much. */
export const meanOf = (views: readonly PodView[]): number =>
  connectionsOf(views) / Math.max(1, views.length);

/**
 * Pods that newcomers fill first, as others carry far more: after a scale-up, or if a machine
 * is back. None: all are alike enough.
 */
export function hollow(
  views: readonly PodView[],
  { sessionsMin }: Desired["rebalance"],
): readonly PodView[] {
  const ready = views.filter(({ stage }) => stage === "ready");
  const mean = meanOf(ready);
  const least = Math.min(...ready.map(({ load }) => load));
  const isUnderWay = ready.some(({ pod }) => !pod.receives);
  const isFar = isUnderWay ? least < FILLED_FROM * mean : least < EMPTY_BELOW * mean;
  if (!isFar || (!isUnderWay && mean - least < sessionsMin)) return [];
  return ready.filter(({ load }) => load < mean);
}
