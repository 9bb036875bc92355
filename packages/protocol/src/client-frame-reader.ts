// Owns: the check of every frame that a client may send, once its encoding is undone. Both node
// codecs use it.
import type { DecodeFault } from "./codec.ts";
import type { ClientFrame, ClientFrameType, ConnectFrame, ExperienceCounts } from "./frames.ts";
import {
  CHANNEL_LENGTH_CEILING,
  CLIENT_NAME_LENGTH_MAX,
  DURATION_MS_MAX,
  EPOCH_LENGTH_MAX,
  HISTORY_PAGE_MAX,
  KEY_LENGTH_MAX,
  REQUEST_ID_MAX,
  TOKEN_LENGTH_MAX,
} from "./limits.ts";
import {
  describe,
  isRequestId,
  MemberReader,
  type Problem,
  type ReceivedMap,
} from "./member-reader.ts";
import type { Payload, Position } from "./payload.ts";

/** What a node's `decode` yields for one frame. */
export type DecodedItem = ClientFrame | { readonly t: "fault"; readonly fault: DecodeFault };

/** A frame's `d` or `b` as the codec read it: nothing, data, or what is wrong with it. */
export type ReceivedData = Payload | Problem | undefined;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Frame<T extends ClientFrameType> = Mutable<Extract<ClientFrame, { t: T }>>;
type Reader = (members: MemberReader, data: ReceivedData) => ClientFrame;

/**
 * Client frames whose fault ends the connection although the rest of the message could be read:
 * nobody waits for an answer, or nothing can go on without it.
 */
const UNANSWERED: ReadonlySet<string> = new Set<ClientFrameType>(["connect", "report", "bye"]);

/**
 * Makes a checked frame of a received map, or a fault (spec section 3: with `id` when only this
 * request is wrong).
 */
export function readClientFrame(map: ReceivedMap, data: ReceivedData): DecodedItem {
  const type = map.t;
  const reader = typeof type === "string" ? READERS.get(type) : undefined;
  if (reader === undefined)
    return frameFault("a frame", describe(type), "a frame type of a client", "t");
  const members = new MemberReader(map);
  const frame = reader(members, data);
  const problem = members.problem;
  if (problem === undefined) return frame;
  const id = map.id;
  if (UNANSWERED.has(frame.t) || !isRequestId(id))
    return frameFault(`${frame.t} frame`, problem.found, problem.expected, problem.path);
  const message = faultText(`${frame.t} frame`, problem.found, problem.expected);
  const fault = { code: problem.code, message, path: problem.path, id };
  const named = "ch" in frame && frame.ch !== "";
  return { t: "fault", fault: named ? { ...fault, ch: frame.ch } : fault };
}

/** A fault that ends the connection. */
export function frameFault(
  what: string,
  found: string,
  expected: string,
  path?: string,
): DecodedItem {
  const message = faultText(what, found, expected);
  return {
    t: "fault",
    fault:
      path === undefined
        ? { code: "frame_invalid", message }
        : { code: "frame_invalid", message, path },
  };
}

const faultText = (what: string, found: string, expected: string): string =>
  `Cannot read ${what}: found ${found}, expected ${expected}`;

const channelOf = (members: MemberReader): string => members.string("ch", CHANNEL_LENGTH_CEILING);
const idOf = (members: MemberReader): number => members.integer("id", 1, REQUEST_ID_MAX);
const isProblem = (data: Payload | Problem): data is Problem => "code" in data;

const READERS: ReadonlyMap<string, Reader> = new Map<ClientFrameType, Reader>([
  ["publish", readPublish],
  ["ping", (members) => ({ t: "ping", id: idOf(members) })],
  ["connect", readConnect],
  ["subscribe", readSubscribe],
  ["unsubscribe", (members) => ({ t: "unsubscribe", id: idOf(members), ch: channelOf(members) })],
  ["history", readHistory],
  [
    "enter",
    (members, data) =>
      withData({ t: "enter", id: idOf(members), ch: channelOf(members) }, members, data),
  ],
  [
    "update",
    (members, data) =>
      withData({ t: "update", id: idOf(members), ch: channelOf(members) }, members, data),
  ],
  ["leave", (members) => ({ t: "leave", id: idOf(members), ch: channelOf(members) })],
  ["watch", (members) => ({ t: "watch", id: idOf(members), ch: channelOf(members) })],
  ["unwatch", (members) => ({ t: "unwatch", id: idOf(members), ch: channelOf(members) })],
  ["rpc", readRpc],
  ["cancel", (members) => ({ t: "cancel", id: idOf(members) })],
  [
    "refresh",
    (members) => ({
      t: "refresh",
      id: idOf(members),
      token: members.string("token", TOKEN_LENGTH_MAX),
    }),
  ],
  ["report", (members) => ({ t: "report", counts: readCounts(members) })],
  ["bye", readBye],
]);

function readPublish(members: MemberReader, data: ReceivedData): ClientFrame {
  const id = idOf(members);
  const ch = channelOf(members);
  const key = members.stringIfGiven("k", KEY_LENGTH_MAX);
  const idempotencyKey = members.stringIfGiven("idem", KEY_LENGTH_MAX);
  if (data === undefined) members.fail("d", "nothing", "data in d or b");
  else if (isProblem(data)) members.problem ??= data;
  const frame: Frame<"publish"> = {
    t: "publish",
    id,
    ch,
    data: data === undefined || isProblem(data) ? NO_DATA : data,
  };
  if (key !== undefined) frame.k = key;
  if (idempotencyKey !== undefined) frame.idem = idempotencyKey;
  return frame;
}

/** Stands in a publish whose fault is told instead of the frame. */
const NO_DATA: Payload = { kind: "json", text: "null" };

function readConnect(members: MemberReader): ClientFrame {
  const frame: Mutable<ConnectFrame> = { t: "connect", id: idOf(members) };
  const token = members.stringIfGiven("token", TOKEN_LENGTH_MAX);
  const resume = members.stringIfGiven("resume", TOKEN_LENGTH_MAX);
  const moving = members.booleanIfGiven("moving");
  const migrates = members.booleanIfGiven("migrates");
  const client = members.stringIfGiven("client", CLIENT_NAME_LENGTH_MAX);
  if (token !== undefined) frame.token = token;
  if (resume !== undefined) frame.resume = resume;
  if (moving !== undefined) frame.moving = moving;
  if (migrates !== undefined) frame.migrates = migrates;
  if (client !== undefined) frame.client = client;
  return frame;
}

function readSubscribe(members: MemberReader): ClientFrame {
  const frame: Frame<"subscribe"> = { t: "subscribe", id: idOf(members), ch: channelOf(members) };
  const position = members.mapIfGiven("pos");
  const last = members.integerIfGiven("last", 0, HISTORY_PAGE_MAX);
  if (position !== undefined) {
    frame.pos = readPosition(position);
    members.adopt(position);
  }
  if (last !== undefined) frame.last = last;
  return frame;
}

function readPosition(members: MemberReader): Position {
  return {
    epoch: members.string("epoch", EPOCH_LENGTH_MAX, 1),
    offset: members.integer("offset", 0, Number.MAX_SAFE_INTEGER),
  };
}

function readHistory(members: MemberReader): ClientFrame {
  const frame: Frame<"history"> = { t: "history", id: idOf(members), ch: channelOf(members) };
  const limit = members.integerIfGiven("limit", 1, HISTORY_PAGE_MAX);
  const before = members.integerIfGiven("before", 1, Number.MAX_SAFE_INTEGER);
  if (limit !== undefined) frame.limit = limit;
  if (before !== undefined) frame.before = before;
  return frame;
}

function readRpc(members: MemberReader, data: ReceivedData): ClientFrame {
  const frame: Frame<"rpc"> = {
    t: "rpc",
    id: idOf(members),
    m: members.string("m", KEY_LENGTH_MAX),
  };
  const timeoutMs = members.integerIfGiven("timeoutMs", 1, DURATION_MS_MAX);
  if (timeoutMs !== undefined) frame.timeoutMs = timeoutMs;
  return withData(frame, members, data);
}

function readBye(members: MemberReader): ClientFrame {
  const moved = members.booleanIfGiven("moved");
  return moved === undefined ? { t: "bye" } : { t: "bye", moved };
}

function readCounts(members: MemberReader): ExperienceCounts {
  const counts = members.map("counts");
  const count = (name: keyof ExperienceCounts): number =>
    counts.integer(name, 0, Number.MAX_SAFE_INTEGER);
  const read: ExperienceCounts = {
    reconnects: count("reconnects"),
    migrations: count("migrations"),
    duplicates: count("duplicates"),
    gaps: count("gaps"),
    lost: count("lost"),
    undeclared: count("undeclared"),
    resumeMsMax: count("resumeMsMax"),
  };
  members.adopt(counts);
  return read;
}

function withData<F extends Frame<"enter"> | Frame<"update"> | Frame<"rpc">>(
  frame: F,
  members: MemberReader,
  data: ReceivedData,
): F {
  if (data === undefined) return frame;
  if (isProblem(data)) members.problem ??= data;
  else frame.data = data;
  return frame;
}
