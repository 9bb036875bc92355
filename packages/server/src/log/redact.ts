// Owns: what a log line may contain. Pure: fields in, plain JSON values out, bounded and without
// secrets.

/** Bounds on one line. What exceeds a bound is cut, and the line says so. */
export const LINE_LIMITS = {
  textLengthMax: 2048,
  listLengthMax: 20,
  membersMax: 40,
  depthMax: 4,
  stackLinesMax: 12,
} as const;

export const HIDDEN = "[hidden]";

// By name: whatever the field holds, it is a secret or an application's data.
const SECRET_NAME =
  /(^|[a-z0-9]|[._-])(tokens?|secrets?|passwords?|authorization|cookies?|payloads?|resume|credentials?|api_?keys?)$/i;
const SECRET_NAMES = new Set(["key", "keys", "data", "body", "b", "d", "info", "caps", "claims"]);
// By shape: JWTs, resume tokens, bearer headers, and user info in URLs, in any text (also an
// error's).
const SECRET_TEXT =
  /\beyJ[\w-]{6,}(?:\.[\w-]*){1,4}|\bhf1\.[\w-]+(?:\.[\w-]*)?|\bbearer\s+[^\s"',;]+|(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)/gi;

/** Fields as they may be written. Never throws, whatever the values are. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    return redactMembers(fields, 0);
  } catch {
    return { unreadable: true }; // A getter or a proxy threw.
  }
}

function redactMembers(fields: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null);
  let count = 0;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || typeof value === "function" || typeof value === "symbol") continue;
    count += 1;
    if (count > LINE_LIMITS.membersMax) return { ...result, more: true };
    result[name] = isSecretName(name) ? HIDDEN : redactValue(value, depth + 1);
  }
  return result;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > LINE_LIMITS.depthMax) return "[deep]";
  if (value instanceof Error) return redactError(value, depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) {
    const list = value
      .slice(0, LINE_LIMITS.listLengthMax)
      .map((item) => redactValue(item, depth + 1));
    return value.length > list.length ? [...list, `[${value.length - list.length} more]`] : list;
  }
  return redactMembers(value, depth);
}

function redactText(text: string): string {
  // Cut first: a pattern over megabytes of text would stall the node. A secret cut in two is still
  // a prefix that matches.
  const cut =
    text.length > LINE_LIMITS.textLengthMax
      ? `${text.slice(0, LINE_LIMITS.textLengthMax)}...`
      : text;
  return cut.replace(SECRET_TEXT, HIDDEN);
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { code } = error as { code?: unknown };
  const stack = error.stack?.split("\n").slice(0, LINE_LIMITS.stackLinesMax).join("\n");
  return {
    name: redactText(error.name),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    message: redactText(error.message),
    ...(stack === undefined ? {} : { stack: redactText(stack) }),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}

function isSecretName(name: string): boolean {
  return SECRET_NAMES.has(name.toLowerCase()) || SECRET_NAME.test(name);
}
