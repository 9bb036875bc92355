// Owns: the first line of a POST to `/events/socket`, read and checked. Pure.
import type { ClientProblem } from "./answers.ts";
import { POLL_WAIT_MS_MAX, type SocketHead } from "./sockets.ts";

const ID_LENGTH_MAX = 200;
const SUBPROTOCOL_LENGTH_MAX = 64;
const LINE_FEED = 0x0a;

/** The head and the message behind it, or what is wrong. */
export function readHead(
  body: Uint8Array,
): { readonly head: SocketHead; readonly message: Uint8Array } | ClientProblem {
  const feed = body.indexOf(LINE_FEED);
  const end = feed < 0 ? body.length : feed;
  const head = headOf(Buffer.from(body.subarray(0, Math.min(end, 1_024))).toString("utf8"));
  if (head === undefined)
    return {
      code: "request_invalid",
      detail:
        "Cannot read the first line: found something else, expected open, send, poll or close",
    };
  return { head, message: body.subarray(Math.min(body.length, end + 1)) };
}

function headOf(line: string): SocketHead | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { open, subprotocol, id, send, poll, waitMs = 0, close } = value as Record<string, unknown>;
  if (open === "stream" || open === "poll") {
    const isName = typeof subprotocol === "string" && subprotocol.length <= SUBPROTOCOL_LENGTH_MAX;
    return isName ? { open, subprotocol } : undefined;
  }
  if (typeof id !== "string" || id.length > ID_LENGTH_MAX) return undefined;
  if (isCount(send)) return { id, send };
  if (isCount(close)) return { id, close };
  if (!isCount(poll) || !isCount(waitMs)) return undefined;
  return { id, poll, waitMs: Math.min(waitMs, POLL_WAIT_MS_MAX) };
}

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
