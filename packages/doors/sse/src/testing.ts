// Owns: reading what a stream wrote, for tests: server-sent events, or lines.
import type { StreamFormat } from "./formats.ts";

/** One event of a stream as a reader has it. */
export interface ReadEvent {
  readonly event: string;
  readonly id?: string;
  readonly retryMs?: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it.
  readonly data: any;
}

/** The whole events in `text`, in order; comments are left out. */
export function eventsIn(format: StreamFormat, text: string): readonly ReadEvent[] {
  if (format !== "sse")
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ReadEvent);
  return text.split("\n\n").flatMap((block) => {
    const fields = new Map(
      block
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith(":"))
        .map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]),
    );
    const data = fields.get("data");
    if (data === undefined) return [];
    const [id, retry] = [fields.get("id"), fields.get("retry")];
    return {
      event: fields.get("event") ?? "message",
      ...(id === undefined ? {} : { id }),
      ...(retry === undefined ? {} : { retryMs: Number(retry) }),
      data: JSON.parse(data),
    };
  });
}
