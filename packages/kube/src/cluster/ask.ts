// Owns: one GET to the API server of a cluster, within bounds of time and bytes.
import { answerText, parsedJson } from "../answer-text.ts";
import { at, text } from "../reading.ts";
import type { Credentials } from "./credentials.ts";
import { type ClusterAccess, ClusterError } from "./kubeconfig.ts";

export interface Answer {
  readonly status: number;
  /** Undefined if the answer is no JSON. */
  readonly body: unknown;
}

/** Rejects with ClusterError: `unreachable`, `unauthorized` (401), `not_kubernetes`. */
export type Ask = (path: string) => Promise<Answer>;

const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const REASON_LENGTH_MAX = 200;

/** Why an answer is of no use, for people. */
export function reasonOf({ status, body }: Answer): string {
  const message = text(at(body, "message"))?.slice(0, REASON_LENGTH_MAX);
  return status === 403
    ? `403, not allowed${message === undefined ? "" : ` (${message})`}`
    : `${status}${message === undefined ? "" : ` (${message})`}`;
}

export function notKubernetes(found: string): ClusterError {
  return new ClusterError(
    "not_kubernetes",
    `Cannot read the cluster: ${found}, expected the API of Kubernetes`,
  );
}

/** `timeoutMs`: of one request. */
export function asker(access: ClusterAccess, credentials: Credentials, timeoutMs: number): Ask {
  const { ca, cert, key, token } = credentials;
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(access.serverName === undefined ? {} : { serverName: access.serverName }),
    ...(access.unverified ? { rejectUnauthorized: false } : {}),
  };
  const headers = {
    Accept: "application/json",
    ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
  };
  return async (path) => {
    let response: Response;
    let content: string;
    try {
      // A redirect would send the token to the host that it names.
      response = await fetch(`${access.server}${path}`, {
        method: "GET",
        headers,
        tls,
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
      });
      content = await bounded(response);
    } catch (cause) {
      if (cause instanceof ClusterError) throw cause;
      throw new ClusterError(
        "unreachable",
        `Cannot read ${access.server}: ${codeOf(cause)}, expected an answer of an API server that the kubeconfig's CA vouches for`,
        {
          cause,
        },
      );
    }
    if (response.status === 401)
      throw new ClusterError(
        "unauthorized",
        `Cannot read ${access.server}: 401, expected credentials that it knows (context ${access.context})`,
      );
    return { status: response.status, body: parsedJson(content) };
  };
}

async function bounded(response: Response): Promise<string> {
  const content = await answerText(response, ANSWER_BYTES_MAX);
  if (content === undefined)
    throw notKubernetes(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
  return content;
}

function codeOf(cause: unknown): string {
  const code = text(at(cause, "code"));
  return code ?? (cause instanceof Error ? cause.name : "it failed");
}
