// Owns: whether this node should get new connections (H8): its state, its load, and a publish that
// arrived through the broker.
import { BrokerError, type BrokerErrorCode, type NodeState } from "@holdfast/core";

/** Why a node is not ready. `broker`: no probe publish arrived recently. */
export type UnreadyReason = "starting" | "draining" | "stopped" | "overloaded" | "broker";

export interface ReadinessReport {
  readonly ready: boolean;
  readonly state: NodeState;
  readonly reasons: readonly { readonly reason: UnreadyReason; readonly detail: string }[];
}

export interface ReadinessOptions {
  readonly state: () => NodeState;
  /** Resolves when a publish came back through the broker. */
  readonly probe: () => Promise<void>;
  /** What there is too much of for newcomers, if other nodes can take them; or undefined. */
  readonly overload?: () => string | undefined;
  /** A probe is not repeated sooner; its outcome stands until then. Default 2 seconds. */
  readonly probeEveryMs?: number;
  /** A probe that takes longer failed. Default 800 ms: below the second that a kubelet waits. */
  readonly probeTimeoutMs?: number;
  readonly onChange?: (report: ReadinessReport) => void;
  /** Never goes back; ms. */
  readonly nowMs?: () => number;
}

export interface Readiness {
  /** Never rejects; settles within the probe's timeout. Checks at once share one probe. */
  check(): Promise<ReadinessReport>;
  /** What the last check said; false before the first. */
  wasReady(): boolean;
}

type Probed = { readonly atMs: number; readonly fault: string | undefined };

export function createReadiness(options: ReadinessOptions): Readiness {
  const { nowMs = () => performance.now(), probeEveryMs = 2_000, probeTimeoutMs = 800 } = options;
  let last: Probed | undefined;
  let waiting: Promise<Probed> | undefined;
  let underWay = false;
  let wasReady: boolean | undefined;

  const probe = (): Promise<Probed> => {
    // The one before hangs still: another would hang behind it.
    if (underWay)
      return Promise.resolve({
        atMs: nowMs(),
        fault: `a publish has not arrived within ${probeTimeoutMs} ms`,
      });
    underWay = true;
    const arrival = startProbe(options.probe).finally(() => {
      underWay = false;
    });
    return settledWithin(arrival, probeTimeoutMs).then((fault) => ({ atMs: nowMs(), fault }));
  };

  const broker = async (): Promise<string | undefined> => {
    if (last !== undefined && nowMs() - last.atMs < probeEveryMs) return last.fault;
    waiting ??= probe().finally(() => {
      waiting = undefined;
    });
    last = await waiting;
    return last.fault;
  };

  return {
    async check() {
      const fault = await broker();
      // Read behind the wait: a drain may have begun meanwhile.
      const state = options.state();
      const overload = options.overload?.();
      const reasons = [
        ...(state === "ready" ? [] : [{ reason: state, detail: `the node is ${state}` } as const]),
        ...(overload === undefined ? [] : [{ reason: "overloaded", detail: overload } as const]),
        ...(fault === undefined ? [] : [{ reason: "broker", detail: fault } as const]),
      ];
      const report: ReadinessReport = { ready: reasons.length === 0, state, reasons };
      if (report.ready !== wasReady) options.onChange?.(report);
      wasReady = report.ready;
      return report;
    },
    wasReady: () => wasReady === true,
  };
}

/**
 * Undefined, or why it failed: a code, since texts of brokers may hold addresses and credentials.
 */
async function startProbe(probe: () => Promise<void>): Promise<string | undefined> {
  try {
    await probe();
    return undefined;
  } catch (error) {
    if (!(error instanceof BrokerError)) return "a publish through the broker failed";
    if (error.lacks.length > 0)
      return `the broker refuses the node (${error.code}): its account lacks the right to run ${error.lacks.join(", ")}`;
    return `a publish through the broker failed (${error.code}): ${WORDS[error.code]}`;
  }
}

const WORDS: Readonly<Record<BrokerErrorCode, string>> = {
  unavailable: "the broker is out of reach, or takes no writes now",
  timeout: "the broker did not answer in time",
  full: "the broker has no room left",
  share: "the broker keeps as much of this publisher as it has room left",
  busy: "more calls wait for the broker than may",
  refused: "the broker refused the node's account or a command",
  limit: "the broker is at a limit",
  fenced: "another took the state",
  closed: "the node has closed the broker",
  internal: "the broker answered in a way that it must not",
};

async function settledWithin(
  arrival: Promise<string | undefined>,
  timeoutMs: number,
): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, `a publish did not arrive within ${timeoutMs} ms`);
  });
  try {
    return await Promise.race([arrival, late]);
  } finally {
    clearTimeout(timer);
  }
}
