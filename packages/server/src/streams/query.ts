// Owns: what a GET of `/events` asks for, read from its query and headers.
import { CHANNELS_MAX, ID_LENGTH_MAX, type Places, readPlaces, SEAL } from "@holdfast/door-sse";
import { CHANNEL_LENGTH_CEILING, HISTORY_PAGE_MAX, TOKEN_LENGTH_MAX } from "@holdfast/protocol";
import type { ClientProblem } from "./answers.ts";

export interface EventsQuery {
  readonly channels: readonly string[];
  readonly places: Places;
  /** What the node added to the id: the proof of a ticket. */
  readonly seal: string | undefined;
  readonly last: number | undefined;
  readonly ticket: string | undefined;
  /** Of long polling: how long the node waits for something to say. */
  readonly waitMs: number;
}

export const WAIT_MS_MAX = 60_000;
const WAIT_MS = 25_000;
const NAMES = new Set(["channel", "after", "last", "ticket", "waitMs"]);

/** A checked query, or what is wrong with it. The header Last-Event-ID goes before `after`. */
export function readEventsQuery(
  query: URLSearchParams,
  headers: Headers,
): EventsQuery | ClientProblem {
  for (const name of query.keys()) {
    if (!NAMES.has(name)) return wrong(name, `an unknown member`, [...NAMES].join(", "));
    if (name !== "channel" && query.getAll(name).length > 1)
      return wrong(name, "it more than once", "it once");
  }
  const channels = [...new Set(query.getAll("channel"))];
  if (channels.length === 0 || channels.length > CHANNELS_MAX)
    return wrong("channel", `${channels.length} channels`, `1 to ${CHANNELS_MAX}`);
  const long = channels.find((name) => name === "" || name.length > CHANNEL_LENGTH_CEILING);
  if (long !== undefined)
    return wrong("channel", `${long.length} characters`, `1 to ${CHANNEL_LENGTH_CEILING}`);
  const given = headers.get("last-event-id") || query.get("after") || undefined;
  const [after, seal] = given?.slice(0, ID_LENGTH_MAX + 1).split(SEAL, 2) ?? [];
  const places = after === undefined ? NOWHERE : readPlaces(after, channels);
  if (places === "invalid")
    return wrong("after", "no id of an event", "the id of one that was sent");
  const last = wholeOf(query.get("last"), 0, HISTORY_PAGE_MAX);
  const waitMs = wholeOf(query.get("waitMs"), 0, WAIT_MS_MAX);
  if (last === "invalid") return wrong("last", "something else", `0 to ${HISTORY_PAGE_MAX}`);
  if (waitMs === "invalid") return wrong("waitMs", "something else", `0 to ${WAIT_MS_MAX}`);
  const ticket = query.get("ticket") ?? undefined;
  if (ticket !== undefined && ticket.length > TOKEN_LENGTH_MAX)
    return wrong("ticket", `${ticket.length} characters`, `at most ${TOKEN_LENGTH_MAX}`);
  return { channels, places, seal, last, ticket, waitMs: waitMs ?? WAIT_MS };
}

const NOWHERE: Places = new Map();

function wholeOf(text: string | null, min: number, max: number): number | undefined | "invalid" {
  if (text === null) return undefined;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : "invalid";
}

const wrong = (path: string, found: string, expected: string): ClientProblem => ({
  code: "request_invalid",
  detail: `Cannot read ${path}: found ${found}, expected ${expected}`,
  path,
});
