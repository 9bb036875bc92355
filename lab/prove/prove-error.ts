// Owns: the error of a proof that could not be carried out. A proof that was carried out and failed
// is a result, not an error.

export type ProveErrorCode =
  | "argument_invalid"
  | "node_unusable"
  | "redis_unusable"
  | "server_unusable"
  | "cluster_unusable"
  | "not_in_time";

/** Nothing that was measured counts. */
export class ProveError extends Error {
  readonly code: ProveErrorCode;
  constructor(code: ProveErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ProveError";
    this.code = code;
  }
}

/**
 * Waits until `condition` holds, asking every `everyMs`; throws `not_in_time` with `what` when it
 * does not within `timeoutMs`.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeoutMs, everyMs = 25 }: { readonly timeoutMs: number; readonly everyMs?: number },
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs)
      throw new ProveError("not_in_time", `Not within ${timeoutMs} ms: ${what}`);
    await Bun.sleep(everyMs);
  }
}
