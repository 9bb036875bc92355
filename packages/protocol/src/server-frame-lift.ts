// Owns: turning a received map into a frame on a client: known types only, `d` or `b` becomes
// `data`.
import type { ServerFrame } from "./frames.ts";

type Members = Record<string, unknown>;

const TYPES = new Set(
  "connected ok published err subscribed pub gap history members presence unsubscribed pong advice migrate goodbye".split(
    " ",
  ),
);

/**
 * The frame in `map` with its data read by `data`, or undefined when its type is not known here.
 * Throws a TypeError when `map` has not the shape of a frame.
 */
export function liftFrame(
  map: unknown,
  data: (map: Members) => unknown,
): ServerFrame<unknown> | undefined {
  const lift = (from: Members): Members => {
    const { d, b, ...members } = from;
    if ("d" in from || "b" in from) members.data = data(from);
    return members;
  };
  const liftAll = (list: unknown): Members[] => (list as Members[]).map(lift);
  const { t } = map as Members;
  if (typeof t !== "string") throw new TypeError("Expected a frame");
  if (!TYPES.has(t)) return undefined;
  const frame = lift(map as Members);
  if (t === "history") frame.pubs = liftAll(frame.pubs);
  else if (t === "members") frame.list = liftAll(frame.list);
  else if (t === "presence") {
    frame.join = liftAll(frame.join);
    frame.update = liftAll(frame.update);
  }
  return frame as unknown as ServerFrame<unknown>;
}
