// Owns: the metrics of one node: what is counted, what is read at a scrape, and the scrape itself.

import type {
  BrokerUsage,
  NodeFigures,
  NodeInfo,
  NodeState,
  Observer,
  TapFigures,
} from "@holdfast/core";
import type { MqttFigures } from "@holdfast/door-mqtt";
import type { PipelineFigures, SinkFigures, SourceFigures } from "@holdfast/pipelines";
import { Registry } from "prom-client";
import { createFamilies, type Families } from "./families.ts";
import { readMqtt } from "./mqtt-figures.ts";
import { createMetricsObserver } from "./observer.ts";
import { readPipeline, readSink, readSource } from "./processing-figures.ts";
import type { MetricName } from "./table.ts";

export interface MetricsOptions {
  readonly node: string;
  readonly revision: string;
  readonly version: string;
  /** If absent, a new registry; never the global one. */
  readonly registry?: Registry;
}

/** Events of the server's own parts. Methods never throw. */
export interface ServerRecorder {
  socketRefused(reason: "full" | "origin" | "not_websocket" | "upgrade_failed"): void;
  forwardedUnread(reason: "untrusted" | "unreadable"): void;
  /** `route` is the operation's name; undefined for a path that is no operation. */
  httpRequest(route: string | undefined, status: number, ms: number): void;
  streamOpened(route: string): void;
  streamBytes(route: string, bytes: number): void;
  streamEnded(route: string, why: "complete" | "failed" | "draining" | "left" | "stalled"): void;
  /** Events of one request that the broker has, and the bytes of its body. */
  ingestTaken(events: number, bytes: number): void;
  /** `events` 0: a whole request. */
  ingestRefused(code: string, events: number): void;
  ingestHeld(bytes: number): void;
  /** A question for a back end has ended. */
  backEndAsked(
    backEnd: string,
    asked: { readonly type: string; readonly outcome: string; readonly ms: number },
  ): void;
  backEndAway(backEnd: string, isAway: boolean): void;
  /** A client of MQTT has its CONNACK; `mqttClosed` follows once. */
  mqttOpened(outcome: "new" | "resumed", version: 4 | 5): void;
  mqttClosed(version: 4 | 5): void;
  mqttTakeOverDelayed(): void;
  /** The reason is a name of a reason code. */
  mqttEnded(reason: string, where: "connack" | "disconnect"): void;
  mqttTakenOver(): void;
  mqttWill(outcome: "published" | "void" | "failed" | "adopted", count: number): void;
  mqttRefused(code: string): void;
  jwksFetched(outcome: "ok" | "failed"): void;
  logSuppressed(): void;
  eventLoopLag(ms: number): void;
  brokerLost(): void;
}

/** Figures that are read when scraped. None may throw or take long. */
export interface MetricsSources {
  readonly info: () => NodeInfo;
  readonly nodes?: () => readonly Pick<NodeFigures, "node" | "state" | "boundOdds">[];
  /** The last readiness check's outcome. */
  readonly ready?: () => boolean;
  readonly taps?: () => TapFigures;
  readonly pipelines?: () => readonly PipelineFigures[];
  readonly sinks?: () => readonly SinkFigures[];
  readonly logs?: () => readonly SourceFigures[];
  /** Absent: the node speaks no MQTT. */
  readonly mqtt?: (() => MqttFigures) | undefined;
  readonly eventLoopWorstMs?: () => number;
  /** Whether the last probe of the broker arrived. */
  readonly brokerUp?: () => boolean;
  /** What the broker holds, as last known. */
  readonly brokerUsage?: () => BrokerUsage | undefined;
  readonly connectionsMax?: number;
  /** When the public listener's certificate expires, in ms since 1970. */
  readonly certificateEndsMs?: number | undefined;
}

export interface Metrics {
  readonly observer: Observer;
  readonly recorder: ServerRecorder;
  readonly registry: Registry;
  /** Sets the source of the figures that are read at each scrape. Before this call they are 0. */
  bind(sources: MetricsSources): void;
  /** The exposition in Prometheus' text format. */
  render(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = options.registry ?? new Registry();
  let sources: MetricsSources | undefined;
  const families: Families = createFamilies(registry, () => {
    readProcess(families);
    if (sources !== undefined) readSources(families, sources);
  });
  families
    .number("holdfast_build_info")
    .cell(options.node, options.revision, options.version).value = 1;
  families.number("process_start_time_seconds").cell().value =
    (Date.now() - performance.now()) / 1000;
  for (const state of STATES) families.number("holdfast_node_state").cell(state);
  return {
    observer: createMetricsObserver(families),
    recorder: createRecorder(families),
    registry,
    bind(next) {
      sources = next;
    },
    async render() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

const STATES: readonly NodeState[] = ["starting", "ready", "draining", "stopped"];

/** By the level in CONNECT. */
const PROTOCOLS = { 4: "3.1.1", 5: "5" } as const;

function createRecorder(families: Families): ServerRecorder {
  const lag = families.histogram("holdfast_event_loop_lag_seconds").cell();
  const suppressed = families.number("holdfast_log_suppressed_total").cell();
  const losses = families.number("holdfast_broker_losses_total").cell();
  return {
    socketRefused(reason) {
      families.number("holdfast_sockets_refused_total").cell(reason).value += 1;
    },
    forwardedUnread(reason) {
      families.number("holdfast_forwarded_unread_total").cell(reason).value += 1;
    },
    httpRequest(route = "none", status, ms) {
      families.number("holdfast_http_requests_total").cell(route, String(status)).value += 1;
      families.histogram("holdfast_http_request_seconds").cell(route).observe(ms);
    },
    streamOpened(route) {
      families.number("holdfast_http_streams").cell(route).value += 1;
    },
    streamBytes(route, bytes) {
      families.number("holdfast_http_stream_bytes_total").cell(route).value += bytes;
    },
    streamEnded(route, why) {
      families.number("holdfast_http_streams").cell(route).value -= 1;
      families.number("holdfast_http_streams_ended_total").cell(route, why).value += 1;
    },
    backEndAsked(backEnd, { type, outcome, ms }) {
      families.number("holdfast_back_end_requests_total").cell(backEnd, type, outcome).value += 1;
      families.histogram("holdfast_back_end_seconds").cell(backEnd).observe(ms);
    },
    backEndAway(backEnd, isAway) {
      families.number("holdfast_back_end_away").cell(backEnd).value = isAway ? 1 : 0;
    },
    mqttOpened(outcome, version) {
      families.number("holdfast_mqtt_connections").cell(PROTOCOLS[version]).value += 1;
      families.number("holdfast_mqtt_sessions_total").cell(outcome).value += 1;
    },
    mqttClosed(version) {
      families.number("holdfast_mqtt_connections").cell(PROTOCOLS[version]).value -= 1;
    },
    mqttTakeOverDelayed() {
      families.number("holdfast_mqtt_take_overs_delayed_total").cell().value += 1;
    },
    mqttEnded(reason, where) {
      const isRefused = where === "connack";
      families
        .number(
          isRefused ? "holdfast_mqtt_connects_refused_total" : "holdfast_mqtt_disconnects_total",
        )
        .cell(reason).value += 1;
    },
    mqttTakenOver() {
      families.number("holdfast_mqtt_sessions_total").cell("taken_over").value += 1;
    },
    mqttWill(outcome, count) {
      families.number("holdfast_mqtt_wills_total").cell(outcome).value += count;
    },
    mqttRefused(code) {
      families.number("holdfast_mqtt_publishes_refused_total").cell(code).value += 1;
    },
    ingestTaken(events, bytes) {
      families.number("holdfast_ingest_events_total").cell("none").value += events;
      families.number("holdfast_ingest_bytes_total").cell().value += bytes;
    },
    ingestRefused(code, events) {
      if (events === 0) families.number("holdfast_ingest_refused_total").cell(code).value += 1;
      else families.number("holdfast_ingest_events_total").cell(code).value += events;
    },
    ingestHeld(bytes) {
      families.number("holdfast_ingest_held_bytes").cell().value = bytes;
    },
    jwksFetched(outcome) {
      families.number("holdfast_jwks_fetches_total").cell(outcome).value += 1;
    },
    logSuppressed() {
      suppressed.value += 1;
    },
    eventLoopLag: (ms) => lag.observe(ms),
    brokerLost() {
      losses.value += 1;
    },
  };
}

function readSources(families: Families, sources: MetricsSources): void {
  const {
    info,
    nodes,
    ready,
    taps,
    eventLoopWorstMs,
    brokerUp,
    brokerUsage,
    connectionsMax = 0,
    certificateEndsMs = 0,
    pipelines,
    sinks,
    logs,
    mqtt,
  } = sources;
  const set = (name: MetricName, value: number): void => {
    families.number(name).cell().value = value;
  };
  const now = info();
  set("holdfast_connections", now.connections);
  set("holdfast_connections_max", connectionsMax);
  set("holdfast_sessions", now.sessions);
  set("holdfast_subscriptions", now.subscriptions);
  set("holdfast_channels", now.channels);
  set("holdfast_queue_bytes", now.queueBytes);
  set("holdfast_held_bytes", now.heldBytes);
  const { lag = 0, bytes = 0 } = taps?.() ?? {};
  set("holdfast_tap_lag_publications", lag);
  set("holdfast_tap_buffered_bytes", bytes);
  for (const figures of pipelines?.() ?? []) readPipeline(families, figures);
  for (const figures of sinks?.() ?? []) readSink(families, figures);
  for (const figures of logs?.() ?? []) readSource(families, figures);
  const figures = mqtt?.();
  if (figures !== undefined) readMqtt(families, figures);
  set("holdfast_reconnect_window_seconds", now.windowMs / 1000);
  set("holdfast_handshake_capacity", now.handshakesPerSecond);
  set("holdfast_drain_sessions", now.drain?.total ?? 0);
  set("holdfast_drain_remaining_sessions", now.drain?.remaining ?? 0);
  set("holdfast_drain_asked_sessions", now.drain?.asked ?? 0);
  set("holdfast_shed_remaining_sessions", now.shed?.remaining ?? 0);
  set("holdfast_drain_deadline_seconds", (now.drain?.deadlineInMs ?? 0) / 1000);
  readFelt(families, now.felt);
  set("holdfast_broker_up", brokerUp?.() === true ? 1 : 0);
  const usage = brokerUsage?.();
  set("holdfast_broker_bytes", usage?.bytes ?? 0);
  set("holdfast_broker_limit_bytes", usage?.bytesMax ?? 0);
  set("holdfast_broker_presence_bytes", usage?.presenceBytes ?? 0);
  set("holdfast_broker_channels", usage?.channels ?? 0);
  set("holdfast_certificate_expiry_timestamp_seconds", certificateEndsMs / 1000);
  set("holdfast_ready", ready?.() === true ? 1 : 0);
  set("holdfast_event_loop_lag_max_seconds", (eventLoopWorstMs?.() ?? 0) / 1000);
  const known = nodes?.() ?? [];
  const self = known.find(({ node }) => node === now.node);
  set("holdfast_bound_odds", self?.boundOdds ?? 0);
  for (const state of STATES) {
    families.number("holdfast_node_state").cell(state).value = state === now.state ? 1 : 0;
    families.number("holdfast_nodes").cell(state).value = known.filter(
      (node) => node.state === state,
    ).length;
  }
}

function readFelt(families: Families, felt: NodeInfo["felt"]): void {
  families.number("holdfast_connection_minutes_total").cell().value = felt.connectionMinutes;
  const bad = (signal: string, value: number): void => {
    families.number("holdfast_bad_connection_minutes_total").cell(signal).value = value;
  };
  bad("lost", felt.lost);
  bad("slow", felt.slow);
  bad("closed_abnormally", felt.closedAbnormally);
  const resumes = families.number("holdfast_resumes_total");
  resumes.cell("ok").value = felt.resumes - felt.resumesFailed;
  resumes.cell("failed").value = felt.resumesFailed;
}

function readProcess(families: Families): void {
  const memory = process.memoryUsage();
  const cpu = process.cpuUsage();
  families.number("process_resident_memory_bytes").cell().value = memory.rss;
  families.number("holdfast_heap_bytes").cell().value = memory.heapUsed;
  families.number("process_cpu_user_seconds_total").cell().value = cpu.user / 1e6;
  families.number("process_cpu_system_seconds_total").cell().value = cpu.system / 1e6;
}
