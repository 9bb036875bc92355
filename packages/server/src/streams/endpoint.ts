// Owns: `/events` and `/events/ticket`: who may ask from where, and which part answers.
import type { Authenticator, DoorEngine, Random } from "@holdfast/core";
import type { StreamFormat } from "@holdfast/door-sse";
import type { Tickets } from "../auth/index.ts";
import { readBody } from "../ingest/body.ts";
import { ByteRoom } from "../ingest/byte-room.ts";
import { type ClientProblem, jsonAnswer, PLAIN_HEADERS, problemAnswer } from "./answers.ts";
import { type Credentials, credentialsOf } from "./credentials.ts";
import { answerPublish } from "./publish.ts";
import { type EventsQuery, readEventsQuery } from "./query.ts";
import { type ReaderRecorder, Readers } from "./reader.ts";
import type { AskingSessions } from "./sessions.ts";
import { readHead } from "./socket-head.ts";
import type { HttpSockets } from "./sockets.ts";

export const EVENTS_PATH = "/events";
export const TICKET_PATH = "/events/ticket";
export const SOCKET_PATH = "/events/socket";
/** Which of the paths a request was sent to. */
export type EventsPath = "events" | "ticket" | "socket";

export interface EventsOptions {
  readonly engine: DoorEngine;
  readonly random: Pick<Random, "next">;
  readonly authenticator: Pick<Authenticator, "verify"> & { readonly tickets: Tickets };
  /** The cookie that carries a token. Absent: no cookie is read. */
  readonly cookie: string | undefined;
  /** Whether pages of an origin may come, as for WebSockets. */
  readonly mayConnect: (page: {
    readonly origin: string | null;
    readonly host: string | null;
    readonly scheme?: "http" | "https" | undefined;
  }) => boolean;
  readonly recorder?: ReaderRecorder & {
    httpRequest(route: string | undefined, status: number, ms: number): void;
    socketRefused(reason: "origin"): void;
  };
  readonly onError: (where: string, error: unknown) => void;
  /** A stream that is silent for as long gets a sign of life. */
  readonly heartbeatMs: number;
  readonly bodyBytesMax: number;
  /** Longest message of a client that speaks holdfast.v1. */
  readonly messageBytesMax: () => number;
  /** The connections behind requests that ask, of all parts that have such requests. */
  readonly sessions: AskingSessions;
  readonly sockets: HttpSockets;
  readonly wallMs?: () => number;
}

export interface EventsFrom {
  readonly address: string;
  /** What the client asked for, if a trusted proxy says it. */
  readonly host?: string | undefined;
  readonly scheme?: "http" | "https" | undefined;
  readonly mayCut: (may: boolean) => void;
}

export interface EventsEndpoint {
  /** Never rejects. */
  answer(request: Request, path: EventsPath, from: EventsFrom): Promise<Response>;
  /** Ends what is kept between requests. */
  end(): void;
}

const BODY_TIMEOUT_MS = 10_000;
/** Of bodies in memory. One address may have as much of it as is still free. */
const BODIES_BYTES_MAX = 64 * 1024 * 1024;
const NO_ROOM: ClientProblem = {
  code: "try_later",
  detail: "Cannot take the body: found as many bytes of bodies as this node holds, or as its share",
  retryMs: 1_000,
};
/** The first line of a POST to `/events/socket`. */
const HEAD_LENGTH_MAX = 1_024;

export function createEventsEndpoint(options: EventsOptions): EventsEndpoint {
  const { engine, random, recorder, onError, heartbeatMs } = options;
  const readers = new Readers({ engine, random, recorder, heartbeatMs });
  const parts: Parts = { ...options, readers, bodies: new ByteRoom(BODIES_BYTES_MAX) };
  return {
    async answer(request, path, from) {
      const startedMs = performance.now();
      let response: Response;
      let route: string | undefined;
      try {
        const call = callOf(options, request, from);
        route = routeOf(path, request.method);
        response = await answerAt(parts, path, call);
      } catch (error) {
        onError("events", error);
        response = problemAnswer({ code: "internal", detail: "see the node's log" });
      }
      recorder?.httpRequest(route, response.status, performance.now() - startedMs);
      return response;
    },
    end() {
      options.sessions.end();
      options.sockets.end();
    },
  };
}

const routeOf = (path: EventsPath, method: string): string => {
  if (path !== "events") return `events_${path}`;
  return method === "POST" ? "events_publish" : "events";
};

interface Parts extends EventsOptions {
  readonly readers: Readers;
  /** Bodies that are being read. */
  readonly bodies: ByteRoom;
}

interface Call {
  readonly request: Request;
  readonly from: EventsFrom;
  readonly mayCome: boolean;
  /** For every answer: whether the page may read it. */
  readonly headers: Readonly<Record<string, string>>;
}

function callOf({ mayConnect }: EventsOptions, request: Request, from: EventsFrom): Call {
  const origin = request.headers.get("origin");
  const host = from.host ?? request.headers.get("host");
  const mayCome = mayConnect({ origin, host, scheme: from.scheme });
  const cors: Record<string, string> =
    origin === null || !mayCome
      ? {}
      : {
          "access-control-allow-origin": origin,
          // The cookie of a page that may come is good here; never with `*`.
          "access-control-allow-credentials": "true",
          "access-control-expose-headers": "Retry-After",
        };
  return { request, from, mayCome, headers: { vary: "Origin, Accept", ...cors } };
}

function answerAt(parts: Parts, path: EventsPath, call: Call): Promise<Response> {
  const { request, headers, mayCome } = call;
  const allow = path === "events" ? "GET, HEAD, POST, OPTIONS" : "POST, OPTIONS";
  if (!mayCome) {
    parts.recorder?.socketRefused("origin");
    const detail = "Cannot connect: found a page of another origin, expected one of allowedOrigins";
    return Promise.resolve(problemAnswer({ code: "permission_denied", detail }, headers));
  }
  if (request.method === "OPTIONS") {
    const preflight = {
      allow,
      "access-control-allow-methods": allow,
      "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
      "access-control-max-age": "600",
    };
    const all = { ...PLAIN_HEADERS, ...headers, ...preflight };
    return Promise.resolve(new Response(null, { status: 204, headers: all }));
  }
  if (path === "ticket" && request.method === "POST") return answerTicket(parts, call);
  if (path === "socket" && request.method === "POST") return answerSocket(parts, call);
  if (path === "events" && request.method === "POST") return answerPost(parts, call);
  if (path === "events" && (request.method === "GET" || request.method === "HEAD"))
    return answerGet(parts, call);
  const problem: ClientProblem = { code: "method_not_allowed", detail: `expected ${allow}` };
  return Promise.resolve(problemAnswer(problem, { ...headers, allow }));
}

async function answerGet(parts: Parts, { request, from, headers }: Call): Promise<Response> {
  const format = formatOf(request.headers.get("accept"));
  if (format === undefined) {
    const detail = "expected Accept: text/event-stream, application/x-ndjson or application/json";
    return problemAnswer({ code: "not_acceptable", detail }, headers);
  }
  const query = readEventsQuery(new URL(request.url).searchParams, request.headers);
  if ("code" in query) return problemAnswer(query, headers);
  const given = credentialsOf(request.headers, query.ticket, parts);
  if (given === "malformed") return problemAnswer(NO_BEARER, headers);
  if (request.method === "HEAD")
    return new Response(null, { headers: { ...PLAIN_HEADERS, ...headers } });
  const { tickets } = parts.authenticator;
  const { wallMs = Date.now } = parts;
  const { ticket } = query;
  const isByTicket = given.from === "ticket" && ticket !== undefined;
  return parts.readers.answer({
    query,
    format,
    token: isByTicket ? renewedOf(parts, ticket, query) : given.token,
    seal: isByTicket ? () => tickets.prove(ticket, wallMs()) : undefined,
    address: from.address,
    signal: request.signal,
    headers,
    mayCut: from.mayCut,
  });
}

/** Who shows an id of the ticket's own stream returns after the ticket's time. */
function renewedOf(
  { authenticator, wallMs = Date.now }: Parts,
  ticket: string,
  { seal }: EventsQuery,
): string {
  const renewed =
    seal === undefined ? undefined : authenticator.tickets.renew(ticket, seal, wallMs());
  return renewed ?? ticket;
}

async function answerPost(parts: Parts, { request, from, headers }: Call): Promise<Response> {
  const given = credentialsOf(request.headers, undefined, parts);
  if (given === "malformed") return problemAnswer(NO_BEARER, headers);
  const problem = forgeryOf(given, request);
  if (problem !== undefined) return problemAnswer(problem, headers);
  const { bodyBytesMax: bytesMax, bodies } = parts;
  const declared = Number(request.headers.get("content-length") ?? bytesMax);
  const reserved = bodies.reserve(from.address);
  try {
    if (!reserved.grow(Math.min(declared, bytesMax))) return problemAnswer(NO_ROOM, headers);
    return await answerPublish(parts.sessions, {
      request,
      token: given.token,
      address: from.address,
      headers,
      limits: { bytesMax, timeoutMs: BODY_TIMEOUT_MS },
    });
  } finally {
    reserved.release();
  }
}

/** For EventSource, which cannot set headers: the token in a header, the ticket in the answer. */
async function answerTicket(parts: Parts, { request, headers }: Call): Promise<Response> {
  const given = credentialsOf(request.headers, undefined, { cookie: undefined });
  if (given === "malformed" || given.token === undefined) return problemAnswer(NO_BEARER, headers);
  const verified = await parts.authenticator.verify(given.token);
  if (!verified.ok) {
    const { code, message: detail } = verified;
    const retry = verified.code === "try_later" ? { retryMs: verified.retryMs } : {};
    return problemAnswer({ code, detail, ...retry }, headers);
  }
  const { wallMs = Date.now } = parts;
  return jsonAnswer(parts.authenticator.tickets.issue(verified.identity, wallMs()), 201, headers);
}

/** A POST of a client that speaks holdfast.v1 over HTTP (spec/http.md). */
async function answerSocket(parts: Parts, { request, from, headers }: Call): Promise<Response> {
  const limits = {
    bytesMax: parts.messageBytesMax() + HEAD_LENGTH_MAX,
    timeoutMs: BODY_TIMEOUT_MS,
  };
  const reserved = parts.bodies.reserve(from.address);
  let read: Awaited<ReturnType<typeof readBody>>;
  try {
    read = await readBody(request, {
      ...limits,
      encoding: "identity",
      reserved,
      onBytes: () => {},
    });
  } finally {
    reserved.release();
  }
  if (!(read instanceof Uint8Array)) return problemAnswer(read as ClientProblem, headers);
  const parsed = readHead(read);
  if ("code" in parsed) return problemAnswer(parsed, headers);
  return parts.sockets.answer({
    ...parsed,
    address: from.address,
    signal: request.signal,
    headers,
    mayCut: from.mayCut,
  });
}

const NO_BEARER: ClientProblem = {
  code: "unauthorized",
  detail: "expected Authorization: Bearer and a token",
};

/**
 * Browsers send a cookie with requests of any page. A page of another site cannot send JSON without
 * a preflight, and says where it comes from.
 */
function forgeryOf({ from }: Credentials, { headers }: Request): ClientProblem | undefined {
  if (from !== "cookie") return undefined;
  const isJson = /^application\/json\s*(;|$)/i.test(headers.get("content-type") ?? "");
  if (isJson && (headers.has("origin") || headers.get("sec-fetch-site") === "same-origin"))
    return undefined;
  const detail = "Cannot publish by cookie: expected Content-Type application/json and an Origin";
  return { code: "permission_denied", detail };
}

/** Undefined: none that it can be. A browser's EventSource asks for `text/event-stream`. */
function formatOf(accept: string | null): StreamFormat | undefined {
  const types = (accept ?? "*/*")
    .split(",")
    .map((part) => part.split(";")[0]?.trim().toLowerCase());
  for (const type of types) {
    const format = FORMATS.get(type ?? "");
    if (format !== undefined) return format;
  }
  return undefined;
}

const FORMATS: ReadonlyMap<string, StreamFormat> = new Map([
  ["text/event-stream", "sse"],
  ["text/*", "sse"],
  ["*/*", "sse"],
  ["application/x-ndjson", "ndjson"],
  ["application/ndjson", "ndjson"],
  ["application/jsonl", "ndjson"],
  ["application/json", "poll"],
  ["application/*", "ndjson"],
]);
