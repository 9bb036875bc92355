// Owns: HTTP requests that ask for no socket: they pass in both directions as streams.
import type { Route } from "./route.ts";
import { type ClientFacts, requestHeaders, responseHeaders } from "./upstream-headers.ts";
import { fetchTls } from "./upstream-tls.ts";

const ANSWER_MS_MAX = 60_000;
/** Endpoints that are tried for a request that may be sent again. */
const TRIES_MAX = 3;

export interface Passing {
  readonly route: Route;
  readonly client: ClientFacts;
  /** Called once: the answer's body ended, or the client went. */
  readonly onOver: () => void;
}

/**
 * 502: no answer. 503: no endpoint takes requests. 504: no answer in time. A body is never sent
 * twice. The endpoint has the request until the answer's body ended, or the client went.
 */
export async function passThrough(request: Request, url: URL, passing: Passing): Promise<Response> {
  const { route, onOver } = passing;
  const key = route.keyOf?.(request, url);
  const maySendAgain = request.body === null && ["GET", "HEAD"].includes(request.method);
  const not = new Set<string>();
  const cohort = route.cohortOf?.(request, url);
  for (let tries = maySendAgain ? (route.triesMax ?? TRIES_MAX) : 1; tries > 0; tries--) {
    const choice = { key, cohort, not, zone: route.zone, chance: Math.random() };
    const address = route.endpoints.choose(choice, performance.now());
    if (address === undefined) {
      onOver();
      return text(503, "No server takes requests now.\n");
    }
    const answer = await ask(request, url, { ...passing, address });
    if (answer !== undefined) return answer;
    not.add(address);
  }
  onOver();
  return text(502, "The server did not answer.\n");
}

/** Undefined: the endpoint could not be reached. */
async function ask(
  request: Request,
  { pathname, search }: URL,
  { route, client, address, onOver }: Passing & { readonly address: string },
): Promise<Response | undefined> {
  const { tls } = route;
  const scheme = tls === undefined ? "http" : "https";
  const late = new AbortController();
  const body = request.body === null ? undefined : tracked(request.body);
  const timer = setTimeout(() => late.abort(), route.answerMsMax ?? ANSWER_MS_MAX);
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    route.endpoints.closed(address, false, performance.now());
    onOver();
  };
  try {
    const answer = await fetch(`${scheme}://${address}${pathname}${search}`, {
      method: request.method,
      headers: { ...requestHeaders(request.headers, client), ...lengthOf(request) },
      ...(body === undefined ? {} : { body: body.stream }),
      ...(tls === undefined ? {} : { tls: fetchTls(tls, address) }),
      redirect: "manual",
      decompress: false,
      signal: AbortSignal.any([request.signal, late.signal]),
    });
    route.endpoints.opened(address, performance.now());
    const headers = responseHeaders(answer.headers);
    // What comes after an answer is read by nobody: it could come byte by byte for ever.
    if (body?.isRead() === false) headers.push(["connection", "close"]);
    // Without a body of its own, the length is that of what a GET would have got.
    const length = answer.headers.get("content-length");
    if (length !== null && (request.method === "HEAD" || answer.status === 304))
      headers.push(["content-length", length]);
    const init = { status: answer.status, headers };
    if (answer.body === null) {
      over();
      return new Response(null, init);
    }
    request.signal.addEventListener("abort", over, { once: true });
    return new Response(untilEnd(answer.body, over), init);
  } catch {
    if (request.signal.aborted || late.signal.aborted) {
      over();
      return request.signal.aborted
        ? new Response(null, { status: 499 })
        : text(504, "The server did not answer in time.\n");
    }
    if (!isOver) route.endpoints.failed(address, performance.now());
    isOver = true;
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** The length of a body that is known: many servers take no body without one. */
function lengthOf({ body, headers }: Request): Readonly<Record<string, string>> {
  const length = headers.get("content-length");
  return body === null || length === null ? {} : { "content-length": length };
}

/** The same bytes, and whether all of them were read. */
function tracked(body: ReadableStream<Uint8Array>): {
  readonly stream: ReadableStream<Uint8Array>;
  isRead(): boolean;
} {
  let isRead = false;
  const end = new TransformStream<Uint8Array, Uint8Array>({
    flush() {
      isRead = true;
    },
  });
  return { stream: body.pipeThrough(end), isRead: () => isRead };
}

/** The same bytes. `over` is called when they end, break off, or nobody wants them any more. */
function untilEnd(body: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        over();
        controller.close();
      } catch (error) {
        over();
        controller.error(error);
      }
    },
    async cancel(reason) {
      over();
      await reader.cancel(reason);
    },
  });
}

const text = (status: number, words: string): Response => new Response(words, { status });
