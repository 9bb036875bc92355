// Owns: what one gateway gives another of a Socket.IO client, as frames.
import type { Frame } from "../frame.ts";
import type { Saved } from "../profile.ts";
import type { SavedNamespace } from "./socketio-namespace.ts";

export interface SavedSocketIo {
  readonly pingIntervalMs: number;
  readonly namespaces: readonly SavedNamespace[];
  /** Of a packet that waits for its last attachments. */
  readonly begun: readonly Frame[];
}

const isCount = (found: unknown): found is number =>
  typeof found === "number" && Number.isSafeInteger(found) && found >= 0;
const isText = (found: unknown): found is string | undefined =>
  found === undefined || typeof found === "string";

export function savedFrames({ pingIntervalMs, namespaces, begun }: SavedSocketIo): Saved {
  const known = namespaces.map(({ frames, ...rest }) => ({ ...rest, count: frames.length }));
  const frames = namespaces.flatMap((one) => one.frames);
  return [JSON.stringify({ pingIntervalMs, known }), ...frames, ...begun];
}

/** Undefined: it is none, whoever wrote it. */
export function readSaved([text, ...frames]: Saved): SavedSocketIo | undefined {
  const { pingIntervalMs, known } = parsed(text);
  if (!isCount(pingIntervalMs) || pingIntervalMs === 0 || !Array.isArray(known)) return undefined;
  const namespaces: SavedNamespace[] = [];
  let left = frames;
  for (const found of known) {
    const one = namespaceOf(found, left);
    if (one === undefined) return undefined;
    namespaces.push(one);
    left = left.slice(one.frames.length);
  }
  return { pingIntervalMs, namespaces, begun: left };
}

function namespaceOf(found: unknown, frames: readonly Frame[]): SavedNamespace | undefined {
  const { name, auth, isConnected, session, offset, ...rest } = Object(found);
  const { firstQuestion, nextQuestion, unanswered, count } = rest;
  if (typeof name !== "string" || typeof isConnected !== "boolean") return undefined;
  if (typeof auth !== "object" || auth === null || !isText(session) || !isText(offset))
    return undefined;
  if (!isCount(firstQuestion) || !isCount(nextQuestion) || !isCount(count)) return undefined;
  const areQuestions =
    Array.isArray(unanswered) &&
    unanswered.every((pair) => Array.isArray(pair) && isCount(pair[0]) && isCount(pair[1]));
  if (!areQuestions || count > frames.length) return undefined;
  return {
    ...{ name, auth, isConnected, session, offset, firstQuestion, nextQuestion, unanswered },
    frames: frames.slice(0, count),
  };
}

function parsed(text: Frame | undefined): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(String(text)));
  } catch {
    return {};
  }
}
