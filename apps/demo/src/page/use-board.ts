// Owns: the board's channel in this window: others' cursors in, one's own out, nothing queued.
import { useHoldfast } from "@holdfast/client/react";
import { useCallback, useEffect, useMemo, useRef } from "react";
import type { DemoContract } from "../contract.ts";
import { BOARD } from "../names.ts";
import { type CursorSample, Cursors } from "./cursors.ts";

/**
 * Samples without an acknowledgement at most; further ones are skipped: a newer one follows in 33
 * ms.
 */
const UNANSWERED_MAX = 4;
const PUBLISH_TIMEOUT_MS = 2_000;

export interface Board {
  readonly cursors: Cursors;
  readonly move: (sample: CursorSample) => void;
}

export function useBoard(): Board {
  const client = useHoldfast<DemoContract>();
  const cursors = useMemo(() => new Cursors(), []);
  const unanswered = useRef(0);
  useEffect(() => {
    const subscription = client
      .channel(BOARD)
      .subscribe((message) =>
        cursors.observe(message.session ?? "", message.data, performance.now()),
      );
    return () => subscription.unsubscribe();
  }, [client, cursors]);
  const move = useCallback(
    (sample: CursorSample) => {
      if (client.state !== "connected" || unanswered.current >= UNANSWERED_MAX) return;
      unanswered.current++;
      client
        .channel(BOARD)
        .publish(sample, { timeoutMs: PUBLISH_TIMEOUT_MS, ordered: false })
        // The next sample replaces one that was lost.
        .catch(() => {})
        .finally(() => unanswered.current--);
    },
    [client],
  );
  return { cursors, move };
}
