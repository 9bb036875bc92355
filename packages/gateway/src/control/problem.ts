// Owns: errors of the control API: problem details (RFC 9457), in the form of a node's.

export interface Problem {
  readonly status: number;
  readonly code: string;
  /** For people: what was found, what is expected. Nothing secret. */
  readonly detail: string;
  /** The part of the request that is wrong. */
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function problem({ status, code, detail, path, headers }: Problem): Response {
  const body = {
    type: `urn:holdfast:problem:${code}`,
    ...{ status, code, detail },
    ...(path === undefined ? {} : { path }),
  };
  return Response.json(body, {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...headers,
    },
  });
}
