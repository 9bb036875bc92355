// Owns: one request to the API server: credentials, TLS, bounds of time and bytes, and one more try
// with new credentials after a 401.
import { answerText, parsedJson } from "../answer-text.ts";
import type { Credentials } from "../cluster/credentials.ts";
import { type ClusterAccess, ClusterError } from "../cluster/kubeconfig.ts";
import type { CredentialsSource } from "./credentials-source.ts";
import { KubeApiError, refusal, unanswered } from "./kube-api-error.ts";

const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Names of Kubernetes need no escapes, and a path with dots would be another one when sent. */
const PATH = /^(?!.*\/\.{1,2}(?:\/|$))\/[\w.~:@/-]+$/;

export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Until the status of the answer is there, and for a whole answer until its end. */
  readonly timeoutMs: number;
}

/** An answer whose body comes in pieces. */
export interface OpenAnswer {
  readonly body: ReadableStream<Uint8Array> | null;
}

export interface Transport {
  /** The JSON of an answer. Rejects with KubeApiError. */
  ask(request: KubeRequest): Promise<unknown>;
  /** Resolves when the status is there; `signal` ends the body. Rejects with KubeApiError. */
  open(request: KubeRequest): Promise<OpenAnswer>;
}

export function createTransport(
  access: ClusterAccess,
  source: CredentialsSource,
  userAgent: string,
): Transport {
  const tlsOf = tlsOptions(access);

  /** The answer, whatever its status. */
  const send = async (request: KubeRequest, signal: AbortSignal): Promise<Response> => {
    const url = `${access.server}${request.path}${queryOf(request.query)}`;
    const once = ({ token }: Credentials, tls: object): Promise<Response> =>
      fetch(url, {
        method: request.method,
        headers: {
          Accept: "application/json",
          "User-Agent": userAgent,
          ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
          ...(request.body === undefined
            ? {}
            : { "Content-Type": request.contentType ?? "application/json" }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        tls,
        // A redirect would send the token to the host that it names.
        redirect: "error",
        // Bun ends what is idle for five minutes; the signal is the only limit here.
        timeout: false,
        signal,
      } as RequestInit);
    const credentials = await source.current();
    const answer = await once(credentials, tlsOf(credentials));
    if (answer.status !== 401) return answer;
    const renewed = await source.renewed(credentials);
    if (renewed === credentials) return answer;
    await answer.body?.cancel().catch(() => {});
    return await once(renewed, tlsOf(renewed));
  };

  /** Runs `work` under the request's limits; names what went wrong. */
  const limited = async <T>(
    request: KubeRequest,
    work: (answer: Response, act: string) => Promise<T>,
    isOpen: boolean,
  ): Promise<T> => {
    const act = `${request.method} ${request.path}`;
    if (!PATH.test(request.path)) throw unanswered(act, "BadPath");
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), request.timeoutMs);
    const abort = () => limit.abort();
    request.signal?.addEventListener("abort", abort);
    let isHanded = false;
    try {
      if (request.signal?.aborted) throw unanswered(act, "Stopped");
      const answer = await send(request, limit.signal);
      const result = await work(answer, act);
      isHanded = isOpen;
      return result;
    } catch (cause) {
      if (cause instanceof KubeApiError) throw cause;
      if (cause instanceof ClusterError) throw noCredentials(act, cause);
      if (request.signal?.aborted) throw unanswered(act, "Stopped");
      throw limit.signal.aborted
        ? unanswered(act, "Timeout")
        : unanswered(act, "Unreachable", cause);
    } finally {
      clearTimeout(timer);
      // The signal of an open answer goes on to end its body.
      if (!isHanded) request.signal?.removeEventListener("abort", abort);
    }
  };

  return {
    ask: (request) =>
      limited(
        request,
        async (answer, act) => {
          const body = parsedJson(await content(answer, act));
          if (!answer.ok) throw refused(act, answer, body);
          if (body === undefined) throw unanswered(act, "Malformed");
          return body;
        },
        false,
      ),
    open: (request) =>
      limited(
        request,
        async (answer, act) => {
          if (!answer.ok) throw refused(act, answer, parsedJson(await content(answer, act)));
          return { body: answer.body };
        },
        true,
      ),
  };
}

function noCredentials(act: string, cause: ClusterError): KubeApiError {
  const reason = "Credentials";
  return new KubeApiError(`Cannot ${act}: ${cause.message}`, { status: 0, reason, cause });
}

function refused(act: string, answer: Response, body: unknown): KubeApiError {
  return refusal(act, {
    status: answer.status,
    body,
    retryAfter: answer.headers.get("Retry-After"),
  });
}

async function content(answer: Response, act: string): Promise<string> {
  const read = await answerText(answer, ANSWER_BYTES_MAX);
  if (read === undefined) throw unanswered(act, "TooLarge");
  return read;
}

function queryOf(query: KubeRequest["query"]): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) given.set(name, value);
  return given.size === 0 ? "" : `?${given}`;
}

/** The same object for the same credentials, so that connections are used again. */
function tlsOptions(access: ClusterAccess): (credentials: Credentials) => object {
  let last: { readonly of: Credentials; readonly tls: object } | undefined;
  return (of) => {
    if (last?.of === of) return last.tls;
    const { ca, cert, key } = of;
    const tls = {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(access.serverName === undefined ? {} : { serverName: access.serverName }),
      ...(access.unverified ? { rejectUnauthorized: false } : {}),
    };
    last = { of, tls };
    return tls;
  };
}
