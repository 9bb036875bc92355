// Owns: watching heartbeats, node, state and members in this window, and asking dev to restart the
// node, or to roll all.
import type { State } from "@holdfast/client";
import { useHoldfast } from "@holdfast/client/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { DemoContract } from "../contract.ts";
import { HEARTBEAT_INTERVAL_MS, ROOM, TICKER } from "../names.ts";
import { Heartbeats } from "./heartbeats.ts";
import {
  type RestartEvent,
  type RestartReport,
  type RestartWatch,
  reportRestart,
  watchRestart,
} from "./restart-watch.ts";

const DRAW_MS = 250;
const TOTALS_MS = 60_000;
const NODES_MAX = 16;
const RESTART_TIMEOUT_MS = 60_000;

export interface Restart {
  readonly heartbeats: Heartbeats;
  /**
   * Nodes that this window has been on, oldest first. Read by drawings, so it changes without a
   * render.
   */
  readonly nodes: readonly string[];
  readonly watch: RestartWatch;
  readonly report: RestartReport | undefined;
  readonly totals: {
    readonly received: number;
    readonly missing: number;
    readonly duplicated: number;
  };
  readonly ask: () => void;
}

interface View {
  readonly watch: RestartWatch;
  readonly report: RestartReport | undefined;
  readonly totals: Restart["totals"];
}

const nothingSeen: View = {
  watch: { phase: "idle" },
  report: undefined,
  totals: { received: 0, missing: 0, duplicated: 0 },
};

/** Every window watches; the one whose button was pressed asks. */
export function useRestart(): Restart {
  const client = useHoldfast<DemoContract>();
  const heartbeats = useMemo(() => new Heartbeats(), []);
  const nodes = useMemo<string[]>(() => [], []);
  const watch = useRef<RestartWatch>({ phase: "idle" });
  const [view, setView] = useState(nothingSeen);

  const tell = useCallback(
    (event: RestartEvent) => {
      watch.current = watchRestart(watch.current, event, nodes.at(-1) ?? "");
    },
    [nodes],
  );

  useEffect(() => {
    const room = client.channel(ROOM);
    const noteNode = () => {
      const node = client.node;
      if (node === undefined || node === nodes.at(-1)) return;
      tell({ kind: "node", atMs: performance.now(), node });
      nodes.push(node);
      if (nodes.length > NODES_MAX) nodes.splice(0, 2);
    };
    const ticks = client.channel(TICKER).subscribe(({ data }) => {
      noteNode();
      heartbeats.observe(data.run, { n: data.n, atMs: performance.now(), node: client.node ?? "" });
    });
    const stops = [
      () => ticks.unsubscribe(),
      client.on("state", ({ state }: { readonly state: State }) =>
        tell({ kind: "state", atMs: performance.now(), state }),
      ),
      room.presence.on("change", ({ leave }) => {
        for (const member of leave)
          tell({ kind: "left", atMs: performance.now(), name: member.data?.name ?? member.id });
      }),
    ];
    const timer = setInterval(() => {
      noteNode();
      tell({ kind: "time", atMs: performance.now() });
      setView(viewOf(watch.current, heartbeats));
    }, DRAW_MS);
    return () => {
      clearInterval(timer);
      for (const stop of stops) stop();
    };
  }, [client, heartbeats, nodes, tell]);

  const ask = useCallback(() => {
    tell({ kind: "asked", atMs: performance.now(), node: client.node ?? "" });
    setView(viewOf(watch.current, heartbeats));
    void askDev().then(
      (why) => why !== undefined && tell({ kind: "refused", atMs: performance.now(), why }),
    );
  }, [client, heartbeats, tell]);

  return { heartbeats, nodes, ...view, ask };
}

function viewOf(watch: RestartWatch, heartbeats: Heartbeats): View {
  const now = { nowMs: performance.now(), intervalMs: HEARTBEAT_INTERVAL_MS };
  const { received, missing, duplicated } = heartbeats.tally({
    fromMs: now.nowMs - TOTALS_MS,
    toMs: now.nowMs,
    intervalMs: now.intervalMs,
  });
  return {
    watch,
    report: reportRestart(watch, heartbeats, now),
    totals: { received, missing, duplicated },
  };
}

/** Undefined when dev took the order; otherwise why not. */
async function askDev(): Promise<string | undefined> {
  try {
    const response = await fetch("/dev/restart", {
      method: "POST",
      signal: AbortSignal.timeout(RESTART_TIMEOUT_MS),
    });
    await response.text();
    return response.ok
      ? undefined
      : `Nothing was restarted: the server answered ${response.status}.`;
  } catch {
    return "Nothing was restarted: the server could not be asked.";
  }
}
