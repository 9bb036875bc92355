// Owns: the answer of a route that streams: its format, its place among the open streams, its head.
import { emptyAnswer, problemAnswer, problemOf } from "../answers.ts";
import type { Problem } from "../problem.ts";
import { problemBody } from "../problem.ts";
import { checkInput, type RouteContext, type StreamRoute } from "../route.ts";
import { type BodyTimes, createStreamBody } from "./body.ts";
import { formatFor, type StreamEvent } from "./format.ts";
import type { OpenStreams } from "./open-streams.ts";

/** Below the 30 s after which the strictest proxies cut a silent answer. */
export const STREAM_TIMES: BodyTimes = { aliveMs: 15_000, stalledMs: 60_000 };

export interface StreamCall {
  readonly request: Request;
  readonly requestId: string;
  readonly caller: { readonly key: string; readonly address: string };
  readonly context: RouteContext;
  readonly streams: OpenStreams;
  readonly times: BodyTimes;
  readonly onError: (error: unknown) => void;
  /** It has ended: the listener may cut a connection whose last bytes nobody takes. */
  readonly onEnd: () => void;
}

const HEAD = {
  // Neither a cache nor a proxy that compresses or gathers may hold events back.
  "cache-control": "no-store, no-transform",
  "x-accel-buffering": "no",
};

/** A problem until the first event could be made; a stream from then on. */
export async function streamAnswer(
  route: StreamRoute,
  given: unknown,
  call: StreamCall,
): Promise<Response> {
  const { request, requestId, streams } = call;
  const refuse = (problem: Problem): Response => {
    const answer = problemAnswer(problem, requestId);
    answer.headers.append("vary", "Accept");
    return answer;
  };
  const format = formatFor(request.headers.get("accept"));
  if (format === undefined)
    return refuse({
      code: "not_acceptable",
      detail: "the operation answers application/x-ndjson or text/event-stream",
    });
  const input = checkInput(route.input, withLastEventId(given, request));
  if (!input.ok) return refuse(problemOf(input));
  const headers = { ...HEAD, "content-type": format.contentType, vary: "Accept" };
  if (request.method === "HEAD") return emptyAnswer(200, headers);
  const taken = streams.take(route.name, call.caller);
  if (!taken.ok) return refuse(taken.problem);
  const { place } = taken;
  const gone = new AbortController();
  const lastEvent = (problem: Problem): StreamEvent => ({
    event: "error",
    data: problemBody(problem, requestId),
  });
  try {
    const opened = await route.open(input.value, { ...call.context, signal: gone.signal });
    if (!opened.ok) {
      place.release(undefined);
      return refuse(problemOf(opened));
    }
    const body = createStreamBody({
      source: opened.value,
      format,
      times: call.times,
      onError: (error) => {
        call.onError(error);
        return lastEvent({ code: "internal", detail: "see the node's log for the request id" });
      },
      onBytes: place.onBytes,
      onEnd: (why) => {
        gone.abort();
        place.release(why);
        call.onEnd();
      },
    });
    place.hold(body, lastEvent);
    const answer = emptyAnswer(200, headers);
    return new Response(body.bytes, { status: 200, headers: answer.headers });
  } catch (error) {
    place.release(undefined);
    throw error;
  }
}

/** Clients of server-sent events say where to go on in a header. The query goes before it. */
function withLastEventId(given: unknown, request: Request): unknown {
  const lastEventId = request.headers.get("last-event-id");
  if (lastEventId === null || lastEventId === "" || typeof given !== "object") return given;
  return { after: lastEventId, ...given };
}
