// Owns: the arithmetic of places: how many connections there are, how many fit on the pods that
// take them, and whether a pod may go.
import type { PodView } from "./survey.ts";

/** Connections on all pods, draining ones too: all of them need a place afterwards. */
export function connectionsOf(views: readonly PodView[]): number {
  return views.reduce((sum, { load }) => sum + load, 0);
}

/** Places on pods that take sessions now. */
export function placesOf(views: readonly PodView[]): number {
  return views.reduce((sum, { stage, places }) => sum + (stage === "ready" ? places : 0), 0);
}

/** Whether all connections have a place, and `headroom` of the places stays free. */
export function fits(connections: number, places: number, headroom = 0): boolean {
  return connections <= places * (1 - headroom);
}

/**
 * Pods that carry so many connections with the headroom free and with one pod dead. At least 1.
 * `perPod` above 0.
 */
export function podsFor(
  connections: number,
  { perPod, headroom }: { readonly perPod: number; readonly headroom: number },
): number {
  const carrying = Math.ceil(connections / (perPod * (1 - headroom)) - 1e-9);
  return Math.max(1, carrying + 1);
}
