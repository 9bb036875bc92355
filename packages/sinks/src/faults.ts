// Owns: how faults of targets become SinkErrors without secrets, and the time of one write.
import { type SinkContext, SinkError, type SinkErrorCode } from "@holdfast/pipelines/sink";

/**
 * Errors of clients and targets hold addresses, parts of statements and values. So only words of
 * ours and short codes travel on: `code` of an error if it looks like one. There is no cause.
 */
export function faultOf(error: unknown, what: string): SinkError {
  if (error instanceof SinkError) return error;
  const code = codeOf(error);
  return new SinkError(kindOf(code), code === undefined ? what : `${what} (${code})`);
}

/** A short word of a table, such as ECONNREFUSED or 23505. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  const { code, errno } = error as { readonly code?: unknown; readonly errno?: unknown };
  for (const one of [code, errno])
    if (typeof one === "string" && /^[A-Za-z0-9_]{1,48}$/.test(one)) return one;
  const { cause } = error as { readonly cause?: unknown };
  return cause === undefined || cause === error ? undefined : codeOf(cause);
}

const REFUSED = /CERT|SELF_SIGNED|TLS|SSL|^EACCES$|^EPERM$|^EROFS$|^EISDIR$|^ENOTDIR$/;
const BUSY = /^ENOSPC$|^EDQUOT$|^EMFILE$|^ENFILE$/;
const LATE = /TIMEDOUT|TIMEOUT/i;

function kindOf(code: string | undefined): SinkErrorCode {
  if (code === undefined) return "unavailable";
  if (REFUSED.test(code)) return "refused";
  if (BUSY.test(code)) return "busy";
  return LATE.test(code) ? "timeout" : "unavailable";
}

/** What an option names in the environment. Throws SinkError "refused" if it is not there. */
export function secretOf(context: Pick<SinkContext, "secret">, name: string): string {
  const found = context.secret(name);
  if (found === undefined || found === "")
    throw new SinkError("refused", `the environment has no ${name}`);
  return found;
}

/**
 * Runs a task for at most `ms`. Behind that it rejects with "timeout", and `abandon` ends what is
 * open, so that nothing of the task goes on.
 */
export async function within<T>(
  ms: number,
  task: () => Promise<T>,
  abandon: () => void,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      abandon();
      reject(new SinkError("timeout", `the target did not answer within ${ms} ms`));
    }, ms);
  });
  const running = task();
  // Whoever comes second is of no interest.
  running.catch(() => {});
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}
