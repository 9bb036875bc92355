// Owns: the end of a node or a gateway: a signal drains it, a second one or the deadline forces the
// end.
import type { AppEvents } from "./events.ts";
import { EXIT } from "./exit-code.ts";
import type { Host, StopSignal } from "./host.ts";

/** How long a drained node may take to end, after the drain's own deadline. Then it is cut. */
const SLACK_MS = 5000;

/** A node, or a gateway. */
export interface Stoppable {
  info(): { readonly connections: number };
  /** Resolves when everybody has left, or the time is over. */
  drain(terms: { readonly preDelayMs: number; readonly windowMs: number }): Promise<unknown>;
  /** How many connections were cut. */
  stop(): Promise<number>;
}

export interface LifeOptions {
  readonly node: Stoppable;
  readonly events: AppEvents;
  /** How to drain, asked when the signal comes: a reload may have changed it. */
  readonly drain: () => { readonly preDelayMs: number; readonly windowMs: number };
  /** Calls the listener for each signal to stop, with its count from 1. */
  readonly onStop: (listener: (signal: StopSignal, count: number) => void) => void;
}

/** Resolves with the exit status when the node has ended. The node has been started. */
export function untilStopped({
  node,
  events,
  drain: drainOf,
  onStop,
}: LifeOptions): Promise<number> {
  return new Promise((resolve) => {
    let ending = false;
    const end = async (forcedBy?: "signal" | "deadline") => {
      if (ending) return;
      ending = true;
      clearTimeout(deadline);
      const cut = await node.stop();
      if (forcedBy !== undefined) events.forced({ by: forcedBy, cut });
      events.stopped({ exitCode: EXIT.ok });
      resolve(EXIT.ok);
    };
    let deadline: ReturnType<typeof setTimeout> | undefined;
    onStop((signal, count) => {
      if (count > 1) return void end("signal");
      const { preDelayMs, windowMs } = drainOf();
      const drain = { preDelayMs, windowMs };
      events.stopping({ signal, ...drain, connections: node.info().connections });
      deadline = setTimeout(() => void end("deadline"), preDelayMs + windowMs + SLACK_MS);
      node.drain(drain).then(
        () => end(),
        () => end("deadline"),
      );
    });
  });
}

/**
 * Logs uncaught errors. A rejection concerns one task: the node continues. After an exception
 * shared state may be wrong: the process ends.
 */
export function watchFaults(host: Host, events: AppEvents): void {
  host.onFault((kind, error) => {
    if (kind === "rejection") return events.rejection(error);
    events.exception(error);
    host.exit(EXIT.failed);
  });
}
