// Owns: asking dev for its nodes while the page is visible, if there are several.
import { useHoldfast } from "@holdfast/client/react";
import { useEffect, useState } from "react";
import type { DemoContract } from "../contract.ts";
import { type FleetNode, NODES_META, NODES_PATH } from "../names.ts";
import { type FleetSight, isRolling, readNodes, seeFleet } from "./fleet.ts";

const ASK_MS = 1_000;
/** While nodes are replaced, a state lasts less than a second. */
const ASK_ROLLING_MS = 250;
const ANSWER_MS = 3_000;
/** Twice what dev runs: each node and the one that follows it. */
const NODES_MAX = 16;

export interface FleetSeen {
  /** Undefined before the first answer. */
  readonly sight: FleetSight | undefined;
  /** True while dev cannot be asked: the page shows the last known nodes. */
  readonly stale: boolean;
}

/** How many nodes serve this page. */
export function fleetSize(): number {
  return Number(
    document.querySelector<HTMLMetaElement>(`meta[name="${NODES_META}"]`)?.content ?? 1,
  );
}

/** Nothing is asked if there is one node, or the page is hidden. One question at a time. */
export function useFleet(size: number): FleetSeen {
  const client = useHoldfast<DemoContract>();
  const [seen, setSeen] = useState<FleetSeen>({ sight: undefined, stale: false });
  useEffect(() => {
    if (size === 1) return;
    const over = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let sight: FleetSight | undefined;
    let asking = false;
    const ask = async () => {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      // Without a connection there is nobody to ask either, and the browser would log each failure.
      const nodes =
        document.hidden || client.state !== "connected" ? undefined : await askNodes(over.signal);
      asking = false;
      if (over.signal.aborted) return;
      if (nodes !== undefined) sight = seeFleet(sight, nodes, performance.now());
      if (!document.hidden) setSeen({ sight, stale: nodes === undefined });
      timer = setTimeout(
        () => void ask(),
        isRolling(sight, performance.now()) ? ASK_ROLLING_MS : ASK_MS,
      );
    };
    const stopListening = client.on("state", () => void ask());
    document.addEventListener("visibilitychange", ask);
    void ask();
    return () => {
      over.abort();
      clearTimeout(timer);
      stopListening();
      document.removeEventListener("visibilitychange", ask);
    };
  }, [client, size]);
  return seen;
}

async function askNodes(over: AbortSignal): Promise<readonly FleetNode[] | undefined> {
  try {
    const response = await fetch(NODES_PATH, {
      signal: AbortSignal.any([over, AbortSignal.timeout(ANSWER_MS)]),
    });
    return response.ok ? readNodes(await response.json(), NODES_MAX) : undefined;
  } catch {
    return undefined;
  }
}
