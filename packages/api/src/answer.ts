// Owns: reading a node's answer: its value, its problem (RFC 9457), or something that is neither.

/** Bytes of an answer at most: a batch's results are the largest. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const SHOWN_LENGTH = 200;

export type Answer =
  | { readonly kind: "value"; readonly value: unknown }
  | {
      readonly kind: "problem";
      readonly code: string;
      readonly text: string;
      readonly details: object;
    }
  | { readonly kind: "foreign"; readonly text: string; readonly details: object };

/** Rejects if the connection breaks while the answer is read. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status } = response;
  const text = await readText(response);
  if (text === undefined)
    return foreign(response, `the answer is larger than ${ANSWER_BYTES_MAX} bytes`);
  const value = parse(text);
  const type = response.headers.get("content-type") ?? "";
  if (response.ok && type.startsWith("application/json") && isObject(value))
    return { kind: "value", value };
  if (
    type.startsWith("application/problem+json") &&
    isObject(value) &&
    typeof value.code === "string"
  ) {
    const { code, detail, path, retryMs, requestId } = value;
    const at = typeof path === "string" ? ` (at ${path})` : "";
    return {
      kind: "problem",
      code,
      text: `${typeof detail === "string" ? detail : code}${at}`,
      details: {
        status,
        ...(typeof path === "string" ? { path } : {}),
        ...retryOf(response, retryMs),
        ...(typeof requestId === "string" ? { requestId } : {}),
      },
    };
  }
  const begin = text.trim().slice(0, SHOWN_LENGTH);
  return foreign(
    response,
    `found an answer ${status} (${type || "of no type"}) that is not a node's: ${begin}`,
  );
}

const foreign = (response: Response, text: string): Answer => ({
  kind: "foreign",
  text,
  details: { status: response.status, ...retryOf(response, undefined) },
});

/** What the node says, or the header Retry-After in seconds, as proxies send it. */
function retryOf(response: Response, retryMs: unknown): { readonly retryMs?: number } {
  if (typeof retryMs === "number") return { retryMs };
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? { retryMs: seconds * 1000 } : {};
}

/** Undefined: it is too large. */
async function readText(response: Response): Promise<string | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > ANSWER_BYTES_MAX) {
      await reader.cancel().catch(() => {});
      return undefined;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
