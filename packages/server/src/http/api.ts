// Owns: the HTTP API's way from a request to an answer: path, method, key, scope, input, operation.
import { randomUUID } from "node:crypto";
import type { Outcome } from "@holdfast/contract";
import type { NodeControl } from "@holdfast/core";
import { KEY_LENGTH_MAX } from "@holdfast/protocol";
import type { ServerEvents } from "../events.ts";
import type { Ingest } from "../ingest/index.ts";
import type { ServerRecorder } from "../metrics/index.ts";
import type { ApiKey } from "../options/index.ts";
import { emptyAnswer, jsonAnswer, problemAnswer, problemOf } from "./answers.ts";
import {
  type ApiKeys,
  type Caller,
  createApiKeys,
  createFailureLimit,
  type FailureLimit,
} from "./api-keys.ts";
import { readJson } from "./body.ts";
import { corsHeaders, PREFLIGHT_HEADERS } from "./cors.ts";
import { openApiDocument } from "./openapi.ts";
import { type Operation, operationAt } from "./operations.ts";
import type { Problem } from "./problem.ts";
import { readQuery } from "./query.ts";
import { checkInput, type Route, type RouteContext } from "./route.ts";
import { batchInput, runBatch } from "./routes/batch.ts";
import { ROUTES } from "./routes/index.ts";
import { STREAM_TIMES, streamAnswer } from "./stream/answer.ts";
import type { BodyTimes } from "./stream/body.ts";
import { OpenStreams } from "./stream/open-streams.ts";

export interface HttpApiOptions {
  readonly control: NodeControl;
  /** None: every operation answers 401. */
  readonly keys: readonly ApiKey[];
  /** Default 1 MiB. */
  readonly bodyBytesMax?: number;
  /** Time for a body to arrive. Default 10 seconds. */
  readonly bodyTimeoutMs?: number;
  /** Requests under way at once; further ones are answered 503. Default 256. */
  readonly inFlightMax?: number;
  /** Wrong keys of one address in a minute, beyond which they are answered 429. Default 20. */
  readonly failuresPerMinuteMax?: number;
  /** Origins whose pages may read answers; `*` for all. Default none. */
  readonly allowedOrigins?: readonly string[];
  readonly recorder?: Pick<
    ServerRecorder,
    "httpRequest" | "streamOpened" | "streamBytes" | "streamEnded"
  >;
  readonly events?: Pick<ServerEvents, "apiCommand" | "apiKeyRefused" | "apiFailed">;
  /** True while the node sends newcomers elsewhere; streams end then. Default: never. */
  readonly sendsAway?: () => boolean;
  /** Absent: nothing is taken. */
  readonly ingest?: Ingest;
  readonly streamTimes?: BodyTimes;
  /** For all and for each API key and address. Default 64 and 32. */
  readonly streamLimits?: { readonly streamsMax: number; readonly shareMax: number };
  /** Never goes back; ms. */
  readonly nowMs?: () => number;
}

/** Where a request comes from and which operation's path it was sent to; undefined: none. */
export interface ApiRequestFrom {
  readonly address: string;
  readonly path: string | undefined;
  /**
   * Whether the listener may cut the connection for silence. It must not while an operation works,
   * which has limits of its own, nor while a stream runs.
   */
  readonly mayCut?: (may: boolean) => void;
}

/** Answers a request to the API. Never rejects. */
type Respond = (request: Request, from: ApiRequestFrom) => Promise<Response>;

export interface HttpApi extends Respond {
  /** Ends every stream, with a last event that names the drain. */
  endStreams(): void;
}

interface Api
  extends Required<
    Pick<
      HttpApiOptions,
      "bodyBytesMax" | "bodyTimeoutMs" | "inFlightMax" | "allowedOrigins" | "nowMs"
    >
  > {
  readonly options: HttpApiOptions;
  readonly keys: ApiKeys;
  readonly failures: FailureLimit;
  readonly streams: OpenStreams;
}

interface Call {
  readonly request: Request;
  readonly url: URL;
  readonly address: string;
  readonly requestId: string;
  readonly mayCut: ((may: boolean) => void) | undefined;
}

export function createHttpApi(options: HttpApiOptions): HttpApi {
  const { nowMs = () => performance.now(), failuresPerMinuteMax = 20 } = options;
  const api: Api = {
    options,
    keys: createApiKeys(options.keys),
    failures: createFailureLimit(nowMs, { failuresMax: failuresPerMinuteMax }),
    bodyBytesMax: options.bodyBytesMax ?? 1024 * 1024,
    bodyTimeoutMs: options.bodyTimeoutMs ?? 10_000,
    inFlightMax: options.inFlightMax ?? 256,
    allowedOrigins: options.allowedOrigins ?? [],
    nowMs,
    streams: new OpenStreams({
      recorder: options.recorder,
      sendsAway: options.sendsAway ?? (() => false),
      ...options.streamLimits,
    }),
  };
  let inFlight = 0;
  const respond: Respond = async (request, { address, path, mayCut }) => {
    const startedMs = nowMs();
    const requestId = randomUUID();
    const headers = {
      "x-request-id": requestId,
      ...corsHeaders(api.allowedOrigins, request.headers.get("origin")),
    };
    inFlight += 1;
    let operation: Operation | undefined;
    let response: Response;
    mayCut?.(false);
    try {
      const call: Call = { request, url: new URL(request.url), address, requestId, mayCut };
      operation = path === undefined ? undefined : operationAt(path);
      if (inFlight > api.inFlightMax) {
        response = problemAnswer(
          {
            code: "try_later",
            detail: `${api.inFlightMax} requests are under way`,
            retryMs: 1_000,
          },
          requestId,
        );
      } else response = await answer(api, call, operation);
    } catch (error) {
      options.events?.apiFailed({
        requestId,
        error,
        ...(operation === undefined ? {} : { operation: operation.name }),
      });
      response = problemAnswer(
        { code: "internal", detail: "see the node's log for the request id" },
        requestId,
      );
    } finally {
      inFlight -= 1;
    }
    if (operation?.kind !== "stream" || response.status !== 200) mayCut?.(true);
    for (const [name, value] of Object.entries(headers)) response.headers.append(name, value);
    options.recorder?.httpRequest(operation?.name, response.status, nowMs() - startedMs);
    return response;
  };
  return Object.assign(respond, { endStreams: () => api.streams.endAll() });
}

async function answer(api: Api, call: Call, operation: Operation | undefined): Promise<Response> {
  const { request, requestId } = call;
  if (operation === undefined)
    return problemAnswer(
      { code: "not_found", detail: `no operation at ${call.url.pathname}` },
      requestId,
    );
  const isRead = operation.method === "GET";
  const allow = isRead ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
  if (request.method === "OPTIONS") {
    const isPreflight =
      api.allowedOrigins.length > 0 && request.headers.has("access-control-request-method");
    return emptyAnswer(204, {
      allow,
      ...(isPreflight ? { ...PREFLIGHT_HEADERS, "access-control-allow-methods": allow } : {}),
    });
  }
  if (request.method !== operation.method && !(isRead && request.method === "HEAD")) {
    return problemAnswer({ code: "method_not_allowed", detail: `expected ${allow}` }, requestId, {
      allow,
    });
  }
  if (operation.kind === "document") return jsonAnswer(openApiDocument(), 200);
  const caller = api.keys.find(request.headers.get("authorization"));
  if (operation.kind === "ingest") return answerIngest(api, call, caller);
  if (caller === undefined) return problemAnswer(unauthorized(api, call), requestId);
  if (operation.kind !== "batch" && !caller.may(operation.route.scope)) {
    return problemAnswer(
      { code: "permission_denied", detail: `the API key lacks the scope ${operation.route.scope}` },
      requestId,
    );
  }
  if (operation.kind === "stream") return openStream(api, call, { operation, caller });
  const outcome = await perform(api, call, { operation, caller });
  if (!outcome.ok) return problemAnswer(outcome.problem, requestId);
  return jsonAnswer(outcome.value, operation.kind === "route" ? operation.route.status : 200);
}

/** By an API key with the scope, or by a client's token. */
async function answerIngest(
  api: Api,
  { request, url, address, requestId, ...call }: Call,
  caller: Caller | undefined,
): Promise<Response> {
  const { ingest } = api.options;
  const isToken = caller === undefined && looksLikeToken(request.headers.get("authorization"));
  if (ingest === undefined || (caller === undefined && !isToken))
    return problemAnswer(
      unauthorized(api, { request, url, address, requestId, ...call }),
      requestId,
    );
  if (caller?.may("publish") === false) {
    const detail = "the API key lacks the scope publish";
    return problemAnswer({ code: "permission_denied", detail }, requestId);
  }
  return ingest.answer({ request, url, address, requestId, key: caller?.name });
}

/** A JWT. What is none is a wrong API key, and counts as a guess. */
const looksLikeToken = (authorization: string | null): boolean =>
  /^bearer +[\w-]+\.[\w-]+\.[\w-]+$/i.test(authorization ?? "");

function unauthorized(api: Api, { request, address, requestId }: Call): Problem {
  // No key is a mistake; a wrong one may be a guess.
  if (!request.headers.has("authorization"))
    return { code: "unauthorized", detail: "send Authorization: Bearer and an API key" };
  api.options.events?.apiKeyRefused({ address, requestId });
  const retryMs = api.failures.failed(address);
  if (retryMs !== undefined)
    return { code: "rate_limited", detail: "too many wrong API keys from this address", retryMs };
  return { code: "unauthorized", detail: "the API key is not known" };
}

type Performed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: Problem };
type Called = Exclude<Operation, { readonly kind: "stream" | "ingest" | "document" }>;
type Streamed = Extract<Operation, { readonly kind: "stream" }>;

function openStream(
  api: Api,
  call: Call,
  { operation, caller }: { readonly operation: Streamed; readonly caller: Caller },
): Promise<Response> {
  const { request, url, requestId, address } = call;
  const query = readQuery(url.searchParams, operation.route);
  if (!query.ok) return Promise.resolve(problemAnswer(problemOf(query), requestId));
  return streamAnswer(operation.route, query.value, {
    request,
    requestId,
    caller: { key: caller.name, address },
    context: contextOf(api, call),
    streams: api.streams,
    times: api.options.streamTimes ?? STREAM_TIMES,
    onEnd: () => call.mayCut?.(true),
    onError: (error) =>
      api.options.events?.apiFailed({ operation: operation.name, requestId, error }),
  });
}

const contextOf = (api: Api, { requestId }: Call): RouteContext => ({
  control: api.options.control,
  requestId,
  idempotencyKey: undefined,
});

async function perform(
  api: Api,
  call: Call,
  { operation, caller }: { readonly operation: Called; readonly caller: Caller },
): Promise<Performed> {
  const idempotencyKey = call.request.headers.get("idempotency-key") ?? undefined;
  if (
    idempotencyKey !== undefined &&
    (idempotencyKey === "" || idempotencyKey.length > KEY_LENGTH_MAX)
  ) {
    return refused({
      code: "request_invalid",
      detail: `the header Idempotency-Key takes 1 to ${KEY_LENGTH_MAX} characters`,
    });
  }
  const given = await readInput(api, call, operation);
  if (!given.ok) return given;
  const context = { ...contextOf(api, call), idempotencyKey };
  const audit = (route: Route): void =>
    api.options.events?.apiCommand({
      operation: route.name,
      by: caller.name,
      address: call.address,
      requestId: call.requestId,
    });
  if (operation.kind === "batch") {
    const input = checkInput(batchInput, given.value);
    return performed(
      input.ok ? await runBatch(ROUTES, input.value, { context, may: caller.may, audit }) : input,
    );
  }
  const input = checkInput(operation.route.input, given.value);
  if (!input.ok) return performed(input);
  if (operation.route.audited) audit(operation.route);
  return performed(await operation.route.handle(input.value, context));
}

async function readInput(api: Api, { request, url }: Call, operation: Called): Promise<Performed> {
  if (operation.kind === "route" && operation.method === "GET") {
    const query = readQuery(url.searchParams, operation.route);
    return query.ok ? query : performed(query);
  }
  return readJson(request, { bytesMax: api.bodyBytesMax, timeoutMs: api.bodyTimeoutMs });
}

const refused = (problem: Problem): Performed => ({ ok: false, problem });
const performed = (outcome: Outcome<unknown>): Performed =>
  outcome.ok ? outcome : refused(problemOf(outcome));
