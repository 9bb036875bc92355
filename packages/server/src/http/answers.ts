// Owns: how answers of the HTTP API look: status, headers, JSON or problem.
import type { Outcome } from "@holdfast/contract";
import { writeJson } from "./json.ts";
import { type Problem, problemBody, statusOf } from "./problem.ts";

type Headers = Readonly<Record<string, string>>;

const COMMON: Headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

export function jsonAnswer(value: unknown, status: number, headers: Headers = {}): Response {
  return new Response(writeJson(value), {
    status,
    headers: { ...COMMON, "content-type": "application/json", ...headers },
  });
}

/** `retryMs` is also said as Retry-After, in whole seconds upwards. */
export function problemAnswer(
  problem: Problem,
  requestId: string,
  headers: Headers = {},
): Response {
  const retry: Headers =
    problem.retryMs === undefined
      ? {}
      : { "retry-after": String(Math.max(1, Math.ceil(problem.retryMs / 1000))) };
  const challenge: Headers =
    problem.code === "unauthorized" ? { "www-authenticate": 'Bearer realm="holdfast"' } : {};
  return new Response(writeJson(problemBody(problem, requestId)), {
    status: statusOf(problem.code),
    headers: {
      ...COMMON,
      "content-type": "application/problem+json",
      ...retry,
      ...challenge,
      ...headers,
    },
  });
}

export function emptyAnswer(status: number, headers: Headers): Response {
  return new Response(null, { status, headers: { ...COMMON, ...headers } });
}

export function problemOf({
  code,
  message,
  path,
  retryMs,
}: Extract<Outcome<unknown>, { ok: false }>): Problem {
  return {
    code,
    detail: message,
    ...(path === undefined ? {} : { path }),
    ...(retryMs === undefined ? {} : { retryMs }),
  };
}
