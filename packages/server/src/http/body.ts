// Owns: reading a request's body: bounded in bytes, time and depth, JSON only.
import { type JsonProblem, jsonProblem } from "@holdfast/protocol/node";
import type { Problem } from "./problem.ts";

/** Levels around data in the deepest request: a batch's body, list and command. */
const LEVELS_AROUND_DATA = 3;

export interface BodyLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export type BodyResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: Problem };

/**
 * The JSON value of a body; an empty body is `{}`. Never more than the limit and one chunk is in
 * memory.
 */
export async function readJson(request: Request, limits: BodyLimits): Promise<BodyResult> {
  const type = request.headers.get("content-type");
  if (type !== null && !/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    return refuse({
      code: "unsupported_media_type",
      detail: "send Content-Type: application/json",
    });
  }
  if (Number(request.headers.get("content-length") ?? 0) > limits.bytesMax) return tooLarge(limits);
  const read = await readBytes(request, limits);
  if (!(read instanceof Uint8Array)) return refuse(read);
  if (read.length === 0) return { ok: true, value: {} };
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(read);
    // Before anything recursive sees it, and while every digit is there.
    const found = jsonProblem(text, LEVELS_AROUND_DATA);
    if (found?.isJson) return refuse(problemOf(found));
    return { ok: true, value: JSON.parse(text) };
  } catch {
    return refuse({ code: "request_invalid", detail: "the body is not JSON in UTF-8" });
  }
}

/** Data that clients could not send either, or a member of the request itself that is no data. */
function problemOf({ found, path }: JsonProblem): Problem {
  // Nothing is named if the body is too deep: only data can be.
  const isInData = path === "" || /^(commands\[\d+\]\.)?data\b/.test(path);
  const code = isInData ? "payload_invalid" : "request_invalid";
  const detail = `Cannot read the body: found ${found}, expected plain data`;
  return path === "" ? { code, detail } : { code, detail, path };
}

async function readBytes(request: Request, limits: BodyLimits): Promise<Uint8Array | Problem> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, limits.timeoutMs, "late");
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const part = await Promise.race([reader.read(), late]);
      if (part === "late")
        return {
          code: "request_timeout",
          detail: `the body took longer than ${limits.timeoutMs} ms`,
        };
      if (part.done) return Buffer.concat(chunks);
      bytes += part.value.byteLength;
      if (bytes > limits.bytesMax) return tooLarge(limits).problem;
      chunks.push(part.value);
    }
  } catch {
    return { code: "request_invalid", detail: "the body broke off" };
  } finally {
    clearTimeout(timer);
    // The rest is not wanted; the peer may be gone already.
    reader.cancel().catch(() => {});
  }
}

const refuse = (problem: Problem) => ({ ok: false, problem }) as const;
const tooLarge = ({ bytesMax }: BodyLimits) =>
  refuse({ code: "payload_too_large", detail: `the body is larger than ${bytesMax} bytes` });
