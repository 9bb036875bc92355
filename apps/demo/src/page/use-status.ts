// Owns: what the header states: connection, node, round trip, and what this window's application
// experienced.
import type { Holdfast } from "@holdfast/client";
import { useConnectionState, useHoldfast } from "@holdfast/client/react";
import { useEffect, useState } from "react";
import type { DemoContract } from "../contract.ts";
import type { Status } from "./status-strip.tsx";

const POLL_MS = 250;
const ROUND_TRIP_EVERY_MS = 4_000;
const ROUND_TRIP_TIMEOUT_MS = 3_000;

/** Re-renders four times a second at most, and only when a figure changed. */
export function useStatus(): Status {
  const client = useHoldfast<DemoContract>();
  const state = useConnectionState();
  const roundTripMs = useRoundTrip(client);
  const [figures, setFigures] = useState(() => figuresOf(client));
  useEffect(() => {
    const timer = setInterval(() => {
      const next = figuresOf(client);
      setFigures((now) => (JSON.stringify(now) === JSON.stringify(next) ? now : next));
    }, POLL_MS);
    return () => clearInterval(timer);
  }, [client]);
  return { state, roundTripMs, ...figures };
}

function figuresOf(client: Holdfast<DemoContract>): Omit<Status, "state" | "roundTripMs"> {
  const { reconnects, migrations, lost, duplicates, resumeMsMax } = client.stats();
  return {
    node: client.node,
    reconnects,
    migrations,
    lost,
    duplicates,
    longestPauseMs: resumeMsMax,
  };
}

/**
 * Time from calling `time` to its answer, every few seconds while the page is visible; undefined
 * when the last call failed.
 */
function useRoundTrip(client: Holdfast<DemoContract>): number | undefined {
  const [roundTripMs, setRoundTripMs] = useState<number | undefined>(undefined);
  useEffect(() => {
    const over = new AbortController();
    const measure = async () => {
      if (document.hidden || client.state !== "connected") return;
      const startedMs = performance.now();
      const answer = await client
        .rpc("time", {}, { signal: over.signal, timeoutMs: ROUND_TRIP_TIMEOUT_MS })
        .catch(() => undefined);
      if (!over.signal.aborted) setRoundTripMs(answer && performance.now() - startedMs);
    };
    const stopListening = client.on("state", () => void measure());
    const timer = setInterval(() => void measure(), ROUND_TRIP_EVERY_MS);
    void measure();
    return () => {
      over.abort();
      stopListening();
      clearInterval(timer);
    };
  }, [client]);
  return roundTripMs;
}
