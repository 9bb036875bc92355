// Owns: KEDA's external scaler over gRPC: its calls, and the limits of each.
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
  status,
} from "@grpc/grpc-js";
import type { DemandAnswer, DemandRefusal, SetPlace } from "@holdfast/operator-runtime";
import {
  ExternalScaler,
  type GetMetricSpecResponse,
  type GetMetricsRequest,
  type GetMetricsResponse,
  type IsActiveResponse,
  type ScaledObjectRef,
} from "./service.ts";

/** Key of a trigger's metadata that names the set. */
export const SET_KEY = "realtimeSet";
/**
 * The metric counts pods, and one is the target. What a pod carries is learned, and changes. If it
 * were the target, value and target would be from different moments now and then.
 */
export const METRIC = "holdfast-pods";
const METRIC_SPECS: GetMetricSpecResponse = {
  metricSpecs: [{ metricName: METRIC, targetSize: 1, targetSizeFloat: 1 }],
};

export interface ScalerLimits {
  /** Of one message in either direction. */
  readonly messageBytesMax: number;
  /** Calls and streams of one connection at a time. More wait at the client. */
  readonly callsPerConnectionMax: number;
  /** Streams of one address at a time; more are refused. */
  readonly streamsPerPeerMax: number;
  /** Streams of all; more are refused. */
  readonly streamsMax: number;
  /** A stream ends after this. Whoever wants another asks again, and is checked again. */
  readonly streamMs: number;
  /** A connection ends after this, with all that hangs on it. */
  readonly connectionMs: number;
}

export const SCALER_LIMITS: ScalerLimits = {
  messageBytesMax: 16_384,
  callsPerConnectionMax: 1000,
  streamsPerPeerMax: 1000,
  streamsMax: 4000,
  streamMs: 300_000,
  connectionMs: 1_800_000,
};
/** What runs when a connection is to end gets so long. */
const GRACE_MS = 10_000;
/** A peer that is gone without a word is noticed after both. */
const PING_MS = 30_000;
const PING_ANSWER_MS = 10_000;

export interface ScalerEvents {
  /** A call was answered or refused: `answered`, or the code of gRPC. MUST NOT throw. */
  scalerCalled(call: ScalerCall, outcome: string): void;
}

export interface ScalerParts {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM. Absent: without TLS. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  readonly demandOf: (place: SetPlace) => DemandAnswer;
  readonly events: ScalerEvents;
  readonly limits?: Partial<ScalerLimits>;
}

export interface ScalerServer {
  readonly port: number;
  readonly streams: number;
  /** Ends everything at once: another operator may lead. */
  close(): void;
}

const CODES: Readonly<Record<DemandRefusal, status>> = {
  unavailable: status.UNAVAILABLE,
  forbidden: status.PERMISSION_DENIED,
  unknown: status.NOT_FOUND,
  refused: status.FAILED_PRECONDITION,
};

// What goes wrong is told by the operator's own log.
setLogVerbosity(logVerbosity.NONE);

/** Rejects if the port cannot be had or the certificate cannot be read. */
export async function serveScaler(parts: ScalerParts): Promise<ScalerServer> {
  const limits = { ...SCALER_LIMITS, ...parts.limits };
  const server = new Server({
    "grpc.max_receive_message_length": limits.messageBytesMax,
    "grpc.max_send_message_length": limits.messageBytesMax,
    "grpc.max_concurrent_streams": limits.callsPerConnectionMax,
    "grpc.max_connection_age_ms": limits.connectionMs,
    "grpc.max_connection_age_grace_ms": GRACE_MS,
    "grpc.keepalive_time_ms": PING_MS,
    "grpc.keepalive_timeout_ms": PING_ANSWER_MS,
    "grpc.enable_channelz": 0,
  });
  const streams = new Streams(limits);
  server.addService(ExternalScaler.service, handlersOf(parts, streams));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${parts.host}:${parts.port}`, credentialsOf(parts), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    get streams() {
      return streams.count;
    },
    close() {
      streams.endAll();
      server.forceShutdown();
    },
  };
}

function credentialsOf({ tls }: ScalerParts): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
}

/** Names of the calls, for metrics. */
export const SCALER_CALLS = [
  "IsActive",
  "StreamIsActive",
  "GetMetricSpec",
  "GetMetrics",
  "StreamMetricSpec",
] as const;
export type ScalerCall = (typeof SCALER_CALLS)[number];

interface Refusal {
  readonly code: status;
  readonly details: string;
}

type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: Refusal };

/** Nobody could connect to a set without pods, so nobody would ever wake it. */
const ACTIVE: IsActiveResponse = { result: true };

function handlersOf({ demandOf, events }: ScalerParts, streams: Streams) {
  const podsFor = (ref: ScaledObjectRef | null): Answer<number> => {
    const place = placeOf(ref);
    if (!place.ok) return place;
    const found = demandOf(place.value);
    return found.ok
      ? { ok: true, value: found.demand.pods }
      : refused(CODES[found.code], found.message);
  };
  const tell = (call: ScalerCall, answer: Answer<unknown>): void =>
    events.scalerCalled(call, answer.ok ? "answered" : outcomeOf(answer.refusal));
  const unary =
    <Request, Response>(name: ScalerCall, respond: (request: Request) => Answer<Response>) =>
    ({ request }: ServerUnaryCall<Request, Response>, done: sendUnaryData<Response>): void => {
      const answer = respond(request);
      tell(name, answer);
      if (answer.ok) done(null, answer.value);
      else done(answer.refusal);
    };
  const stream =
    <Response>(name: ScalerCall, first: Response) =>
    (call: ServerWritableStream<ScaledObjectRef, Response>): void => {
      const known = podsFor(call.request);
      const answer = known.ok ? streams.place(call) : known;
      tell(name, answer);
      if (answer.ok) call.write(first);
      else call.emit("error", answer.refusal);
    };
  /** An answer to those who ask for a set that can be answered for. */
  const always =
    <T>(value: T) =>
    (ref: ScaledObjectRef): Answer<T> => {
      const known = podsFor(ref);
      return known.ok ? { ok: true, value } : known;
    };
  const metricsFor = ({ metricName, scaledObjectRef }: GetMetricsRequest) => {
    if (metricName !== METRIC)
      return invalid(`found the metric ${JSON.stringify(metricName)}, expected "${METRIC}"`);
    const pods = podsFor(scaledObjectRef);
    if (!pods.ok) return pods;
    const { value } = pods;
    const metricValues = [{ metricName, metricValue: value, metricValueFloat: value }];
    return { ok: true as const, value: { metricValues } };
  };
  return {
    IsActive: unary("IsActive", always(ACTIVE)),
    GetMetricSpec: unary("GetMetricSpec", always(METRIC_SPECS)),
    GetMetrics: unary<GetMetricsRequest, GetMetricsResponse>("GetMetrics", metricsFor),
    StreamIsActive: stream("StreamIsActive", ACTIVE),
    StreamMetricSpec: stream("StreamMetricSpec", METRIC_SPECS),
  };
}

const NOBODY: ScaledObjectRef = { name: "", namespace: "", scalerMetadata: {} };

function placeOf(ref: ScaledObjectRef | null): Answer<SetPlace> {
  const { namespace, scalerMetadata } = ref ?? NOBODY;
  const name = scalerMetadata[SET_KEY] ?? "";
  if (namespace === "") return invalid("found no namespace, expected that of the ScaledObject");
  if (name !== "") return { ok: true, value: { namespace, name } };
  const keys = Object.keys(scalerMetadata).sort().slice(0, KEYS_SHOWN_MAX).join(", ");
  return invalid(`found ${keys || "nothing"} in the trigger's metadata, expected ${SET_KEY}: NAME`);
}

const KEYS_SHOWN_MAX = 10;

const refused = (code: status, details: string): { ok: false; refusal: Refusal } => ({
  ok: false,
  refusal: { code, details },
});
const invalid = (details: string) => refused(status.INVALID_ARGUMENT, details);

/** `FAILED_PRECONDITION` becomes `failed-precondition`. */
const outcomeOf = ({ code }: Refusal): string =>
  (status[code] ?? "UNKNOWN").toLowerCase().replaceAll("_", "-");

type OpenStream = ServerWritableStream<ScaledObjectRef, unknown>;

/** Streams that are open, each until its time is over or its peer goes. */
class Streams {
  readonly #limits: ScalerLimits;
  readonly #open = new Map<OpenStream, { readonly peer: string; readonly timer: Timer }>();

  constructor(limits: ScalerLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#open.size;
  }

  place(call: OpenStream): Answer<undefined> {
    const { streamsMax, streamsPerPeerMax, streamMs } = this.#limits;
    if (this.#open.size >= streamsMax)
      return refused(status.RESOURCE_EXHAUSTED, `found ${streamsMax} streams open, the most`);
    const peer = addressOf(call.getPeer());
    const theirs = [...this.#open.values()].filter((one) => one.peer === peer).length;
    if (theirs >= streamsPerPeerMax)
      return refused(
        status.RESOURCE_EXHAUSTED,
        `found ${theirs} streams open from ${peer}, the most`,
      );
    const timer = setTimeout(() => this.#end(call), streamMs);
    this.#open.set(call, { peer, timer });
    call.on("cancelled", () => this.#forget(call));
    call.on("close", () => this.#forget(call));
    return { ok: true, value: undefined };
  }

  endAll(): void {
    for (const call of [...this.#open.keys()]) this.#end(call);
  }

  #end(call: OpenStream): void {
    this.#forget(call);
    call.end();
  }

  #forget(call: OpenStream): void {
    clearTimeout(this.#open.get(call)?.timer);
    this.#open.delete(call);
  }
}

type Timer = ReturnType<typeof setTimeout>;

/** Without the port. */
const addressOf = (peer: string): string => peer.slice(0, peer.lastIndexOf(":"));
