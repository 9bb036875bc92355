// Owns: every event of a node that gets a line in the log: one function for each. No payloads, no
// tokens.
import type { DrainProgress, Observer } from "@holdfast/core";
import type { Logger } from "./log/index.ts";
import type { ServerRecorder } from "./metrics/index.ts";

/**
 * What a node tells its log. The names of events are the functions' names in snake_case. The logger
 * limits noisy ones.
 */
export type ServerEvents = ReturnType<typeof createEvents>;

/** What code of the contract says, with fields of its own. */
export interface ApplicationLine {
  readonly level?: "debug" | "info" | "warn" | "error";
  readonly text: string;
  readonly [field: string]: unknown;
}

export function createEvents(log: Logger) {
  return {
    // ---- the node's life ----
    nodeStarting: (fields: { node: string; revision: string; version: string; broker: string }) =>
      log.info("node_starting", fields),
    nodeListening: (fields: { url: string; internalUrl: string; startedInMs: number }) =>
      log.info("node_listening", fields),
    /**
     * Channel patterns and RPCs, those of the configuration included. A contract that is refused is
     * a StartError: the program that starts the node reports it.
     */
    contractLoaded: (fields: { channels: number; rpcs: number }) =>
      log.info("contract_loaded", fields),
    readinessChanged: (fields: { ready: boolean; reasons: readonly string[] }) =>
      log.info("readiness_changed", fields),
    /**
     * Ordered by a signal, by the API or by another node. `deadlineInMs` includes the delay before
     * the drain.
     */
    drainStarted: (fields: { connections: number; deadlineInMs: number }) =>
      log.info("drain_started", fields),
    drainFinished: (fields: Omit<DrainProgress, "deadlineInMs">) =>
      log.info("drain_finished", fields),
    drainUndone: (fields: { connections: number }) => log.info("drain_undone", fields),
    /** Ordered by the API: so many sessions should move to nodes of a revision. */
    shedStarted: (fields: { toMove: number }) => log.info("shed_started", fields),
    /** `left` of them are still here. */
    shedEnded: (fields: { how: string; left: number }) => log.info("shed_ended", fields),
    /** `cut` connections were not closed in order. */
    nodeStopped: (fields: { uptimeMs: number; cut: number }) => log.info("node_stopped", fields),

    // ---- pipelines ----
    pipelineTaken: (fields: { pipeline: string; partition: number }) =>
      log.info("pipeline_taken", fields),
    /** `why`: `moved`, `drained`, or `fenced` by another node. */
    pipelineReleased: (fields: { pipeline: string; partition: number; why: string }) =>
      log.info("pipeline_released", fields),
    pipelineRefused: (fields: { pipeline: string; partition: number; reason: string }) =>
      log.error("pipeline_refused", fields),
    pipelineCommitFailed: (fields: { pipeline: string; partition: number; reason: string }) =>
      log.warn("pipeline_commit_failed", fields),
    pipelineGap: (fields: { pipeline: string; channel: string; lost: number | string }) =>
      log.error("pipeline_gap", fields),
    sinkFailed: (fields: { pipeline: string; partition: number; sink: string; reason: string }) =>
      log.warn("sink_failed", fields),

    // ---- MQTT ----
    /** The node refused a client, or ended it, for what it did. The reason is MQTT's. */
    mqttRefused: (fields: { reason: string; where: "connack" | "disconnect" }) =>
      log.info("mqtt_refused", fields),
    /** Connections take a session from each other: two clients have one identifier. */
    mqttTakeOverDelayed: () => log.warn("mqtt_take_over_delayed", {}),
    /** Another node died: this one publishes the wills of its clients, unless they come back. */
    mqttWillsAdopted: (fields: { wills: number }) => log.warn("mqtt_wills_adopted", fields),

    // ---- sources ----
    sourceReading: (fields: { source: string }) => log.info("source_reading", fields),
    sourceReleased: (fields: { source: string }) => log.info("source_released", fields),
    sourceFailed: (fields: { source: string; reason: string; againInMs: number }) =>
      log.warn("source_failed", fields),
    /** Records were removed from the log before they were read. */
    sourceLost: (fields: { source: string; partition: string; records: number }) =>
      log.error("source_lost", fields),
    /** `reason`: `unreadable`, `name` or `refused`. One of each in 10 s at most. */
    sourceDead: (fields: { source: string; reason: string; why: string }) =>
      log.warn("source_dead", fields),

    // ---- sessions ----
    handshakeRefused: (fields: { code: string; ms: number }) =>
      log.info("handshake_refused", fields),
    sessionEnded: (fields: { session: string; user?: string; code: string; connectedMs: number }) =>
      log.debug("session_ended", fields),
    authFailed: (fields: { code: string }) => log.warn("auth_failed", fields),
    slowConsumer: (fields: { policy: string }) => log.warn("slow_consumer", fields),
    gapDeclared: (fields: { reason: string; publications: number }) =>
      log.info("gap_declared", fields),
    /** Before it was a WebSocket. `origin`: the page that was refused. */
    socketRefused: (fields: { reason: string; address: string; origin?: string; host?: string }) =>
      log.warn("socket_refused", fields),
    /** All clients behind the peer have its address, and share its limits. */
    forwardedUnread: (fields: { reason: string; peer: string; note: string }) =>
      log.warn("forwarded_unread", fields),
    clientLost: (fields: { lost: number; undeclared: number; gaps: number }) =>
      log.warn("client_lost", fields),

    nodeChanged: (fields: { other: string; change: string }) => log.info("node_changed", fields),
    rebalancing: (fields: { sessions: number }) => log.debug("rebalancing", fields),

    /** Of option `backEnds`: it has failed five times in a row, and is left alone for a while. */
    backEndAway: (fields: { backEnd: string; reason: string }) => log.warn("back_end_away", fields),
    backEndBack: (fields: { backEnd: string }) => log.info("back_end_back", fields),
    /** What code of the contract says. */
    application: ({ level = "info", ...fields }: ApplicationLine) =>
      log[level]("application", fields),

    // ---- what the node depends on ----
    brokerReached: () => log.info("broker_reached", {}),
    /** A start waits for it. */
    brokerAwaited: (fields: { reason: string; waitedMs: number; atMostMs: number }) =>
      log.warn("broker_awaited", fields),
    brokerLost: (fields: { reason: string }) => log.warn("broker_lost", fields),
    brokerFailed: (fields: { reason: string }) => log.debug("broker_failed", fields),
    brokerWarning: (fields: { message: string }) => log.warn("broker_warning", fields),
    holeFound: (fields: { outcome: string; publications: number }) =>
      log.warn("hole_found", fields),
    keysFetched: (fields: { keys: number }) => log.info("jwks_fetched", { count: fields.keys }),
    keysOutOfReach: (fields: { error: unknown }) => log.warn("jwks_failed", fields),
    eventLoopStalled: (fields: { ms: number }) => log.warn("event_loop_stalled", fields),
    bug: (fields: { where: string; error: unknown }) => log.error("bug", fields),

    // ---- the HTTP API ----
    /** A command that changes more than a channel's stream; `by` is the API key's name. */
    apiCommand: (fields: { operation: string; by: string; address: string; requestId: string }) =>
      log.info("api_command", fields),
    apiKeyRefused: (fields: { address: string; requestId: string }) =>
      log.warn("api_key_refused", fields),
    apiFailed: (fields: { operation?: string; requestId: string; error: unknown }) =>
      log.error("api_failed", fields),
  };
}

/** Stalls of at least this many ms are logged. */
const STALL_MS = 500;

/** Gets event-loop lag samples and logs the bad ones. */
export function stallWatcher(events: Pick<ServerEvents, "eventLoopStalled">): (ms: number) => void {
  return (ms) => {
    if (ms >= STALL_MS) events.eventLoopStalled({ ms: Math.round(ms) });
  };
}

const UNREAD = {
  untrusted: "it names a client, and is not in trustedProxies",
  unreadable: "what it says of a client is no address",
} as const;

/** Counts proxy headers that are ignored, and logs the first of each kind: anyone can send them. */
export function unreadListener(
  recorder: Pick<ServerRecorder, "forwardedUnread">,
  events: Pick<ServerEvents, "forwardedUnread">,
): (reason: keyof typeof UNREAD, peer: string) => void {
  const told = new Set<string>();
  return (reason, peer) => {
    recorder.forwardedUnread(reason);
    if (told.has(reason)) return;
    told.add(reason);
    events.forwardedUnread({ reason, peer, note: UNREAD[reason] });
  };
}

/**
 * An observer that counts with `metrics` and logs the events that get a line. Hot calls go only to
 * `metrics`.
 */
export function createObserver(metrics: Observer, events: ServerEvents): Observer {
  return {
    published: metrics.published,
    delivered: metrics.delivered,
    recovered: metrics.recovered,
    held: metrics.held,
    taps: metrics.taps,
    tapFailed: metrics.tapFailed,
    overShare: metrics.overShare,
    requestFailed: metrics.requestFailed,
    rpc: metrics.rpc,
    leaseRenewed: metrics.leaseRenewed,
    ordered: metrics.ordered,
    cameBack: metrics.cameBack,
    drainStep(step, count, progress) {
      metrics.drainStep(step, count, progress);
      const { deadlineInMs, ...counts } = progress;
      if (step === "started")
        events.drainStarted({ connections: count, deadlineInMs: Math.round(deadlineInMs) });
      else if (step === "finished") events.drainFinished(counts);
      else if (step === "undone") events.drainUndone({ connections: count });
    },
    shedStep(step, count) {
      metrics.shedStep(step, count);
      if (step === "started") events.shedStarted({ toMove: count });
      else if (step !== "migrate") events.shedEnded({ how: step, left: count });
    },
    rebalanced(count) {
      metrics.rebalanced(count);
      events.rebalancing({ sessions: count });
    },
    nodeChanged(node, change) {
      metrics.nodeChanged(node, change);
      events.nodeChanged({ other: node, change });
    },
    handshake(outcome, code, ms) {
      metrics.handshake(outcome, code, ms);
      if (code !== undefined) events.handshakeRefused({ code, ms: Math.round(ms) });
    },
    ended(info) {
      metrics.ended(info);
      const { session, user, code = "none", connectedMs } = info;
      events.sessionEnded({
        session,
        code,
        connectedMs: Math.round(connectedMs),
        ...(user === undefined ? {} : { user }),
      });
    },
    slowConsumer(policy) {
      metrics.slowConsumer(policy);
      events.slowConsumer({ policy });
    },
    gap(reason, count) {
      metrics.gap(reason, count);
      events.gapDeclared({ reason, publications: count });
    },
    hole(outcome, count) {
      metrics.hole(outcome, count);
      events.holeFound({ outcome, publications: count });
    },
    authFailed(code) {
      metrics.authFailed(code);
      events.authFailed({ code });
    },
    experienced(counts) {
      metrics.experienced(counts);
      const { lost, undeclared, gaps } = counts;
      if (lost > 0 || undeclared > 0) events.clientLost({ lost, undeclared, gaps });
    },
    bug(where, error) {
      metrics.bug(where, error);
      events.bug({ where, error });
    },
  };
}
