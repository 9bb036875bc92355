// Owns: the simulated device of the demo: a client like any other, which publishes heartbeats and a
// winch's readings.
import { Holdfast } from "@holdfast/client";
import type { DemoContract } from "./contract.ts";
import {
  BOARD,
  HEARTBEAT_INTERVAL_MS,
  type MetricKey,
  TELEMETRY_INTERVAL_MS,
  TICKER,
  WINCH,
} from "./names.ts";
import { pullOf } from "./page/rope.ts";
import { readings, restingWinch, stepWinch } from "./winch.ts";

/**
 * Most heartbeats without an acknowledgement. At this limit the device stops counting, so that none
 * is lost, and continues when it can.
 */
const HEARTBEATS_WAITING_MAX = 300;
/** A grip that was not heard of for this long has let go. */
const GRIP_STALE_MS = 3_500;
/** Grips that the winch feels at most. */
const GRIPS_MAX = 64;

/** A running device. */
export interface DemoDevice {
  /** Resolves when its connection is closed. */
  stop(): Promise<void>;
}

/**
 * Starts the device against a node's WebSocket endpoint (`ws://host:port/connect`): a numbered
 * heartbeat each `HEARTBEAT_INTERVAL_MS` into `ticker`, and each metric of the winch each
 * `TELEMETRY_INTERVAL_MS`. It is a real client: it may start before the node does, and moves and
 * reconnects like any other. `onError` hears of publishes that failed.
 */
export function startDemoDevice(
  url: string,
  options: { readonly onError?: (error: unknown) => void } = {},
): DemoDevice {
  const client = new Holdfast<DemoContract>(url);
  const onError = options.onError ?? (() => {});
  const stopHeartbeats = startHeartbeats(client, onError);
  const stopWinch = startWinch(client, onError);
  return {
    stop: async () => {
      stopHeartbeats();
      stopWinch();
      await client.close();
    },
  };
}

function startHeartbeats(
  client: Holdfast<DemoContract>,
  onError: (error: unknown) => void,
): () => void {
  const ticker = client.channel(TICKER);
  const run = crypto.randomUUID().slice(0, 8);
  let n = 0;
  let waiting = 0;
  const timer = setInterval(() => {
    if (waiting >= HEARTBEATS_WAITING_MAX) return;
    waiting++;
    n++;
    ticker
      .publish({ run, n })
      .catch(onError)
      .finally(() => waiting--);
  }, HEARTBEAT_INTERVAL_MS);
  return () => clearInterval(timer);
}

function startWinch(client: Holdfast<DemoContract>, onError: (error: unknown) => void): () => void {
  const channel = client.channel(WINCH);
  const grips = feelGrips(client);
  const busy = new Set<MetricKey>();
  let winch = restingWinch;
  const publish = (key: MetricKey, value: number) => {
    // The channel keeps the newest reading only, so one that cannot leave yet is not worth queueing
    // behind.
    if (busy.has(key)) return;
    busy.add(key);
    channel
      .publish({ value }, { key })
      .catch(onError)
      .finally(() => busy.delete(key));
  };
  const timer = setInterval(() => {
    winch = stepWinch(winch, TELEMETRY_INTERVAL_MS, {
      pull: grips.pull(performance.now()),
      chance: Math.random,
    });
    for (const [key, value] of readings(winch)) publish(key, value);
  }, TELEMETRY_INTERVAL_MS);
  return () => {
    clearInterval(timer);
    grips.stop();
  };
}

/** How far people hold the rope from where it would hang, summed. */
function feelGrips(client: Holdfast<DemoContract>): { pull(nowMs: number): number; stop(): void } {
  const held = new Map<string, { readonly pull: number; readonly atMs: number }>();
  const subscription = client.channel(BOARD).subscribe((message) => {
    const { knot, x, y } = message.data;
    const session = message.session ?? "";
    if (knot === null) held.delete(session);
    else if (held.has(session) || held.size < GRIPS_MAX)
      held.set(session, { pull: pullOf({ x, y }, knot), atMs: performance.now() });
  });
  return {
    pull: (nowMs) => {
      let sum = 0;
      for (const [session, grip] of held) {
        if (nowMs - grip.atMs > GRIP_STALE_MS) held.delete(session);
        else sum += grip.pull;
      }
      return sum;
    },
    stop: () => subscription.unsubscribe(),
  };
}
