// Owns: the events of a stream, out of the bytes of an answer.

export interface StreamLine {
  readonly event: string;
  readonly id?: string;
  readonly data: unknown;
}

/** Characters of one line at most: a publication of a few MiB, as base64. */
const LINE_LENGTH_MAX = 64 * 1024 * 1024;

/** Whole lines only. Undefined: a line that is none of a node's. Silence is the caller's matter. */
export async function* linesOf(
  body: ReadableStream<Uint8Array>,
  onBytes: () => void,
): AsyncGenerator<StreamLine | undefined, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      onBytes();
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) yield lineOf(line);
      if (rest.length > LINE_LENGTH_MAX) yield undefined;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function lineOf(line: string): StreamLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "event" in value
      ? (value as StreamLine)
      : undefined;
  } catch {
    return undefined;
  }
}
