// Owns: how publications, members and changes are written in Redis: a few bytes of header, then the
// payload as it came.
import type {
  BusMessage,
  HistoryPage,
  PresenceChange,
  PresenceMember,
  PublishRequest,
} from "@holdfast/core";
import type { Payload, Publication } from "@holdfast/protocol";
import { bytesOf, listOf, numberOf, type Reply, ReplyFault, textOf } from "./reply.ts";

const KINDS = ["json", "msgpack", "bytes"] as const;
const HAS_KEY = 4;
const HAS_USER = 8;
const HAS_SESSION = 16;
const HAS_PAYLOAD = 32;
const HAS_META = 64;

interface Content {
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly session?: string | undefined;
  readonly payload?: Payload | undefined;
  readonly meta?: Uint8Array | undefined;
}

/**
 * One byte of flags, each text and the meta with its length, the payload to the end. Equal contents
 * are equal bytes. Texts and meta of up to 65535 bytes.
 */
export function writeContent({ key, user, session, payload, meta }: Content): Buffer {
  const body =
    payload === undefined
      ? 0
      : payload.kind === "json"
        ? Buffer.byteLength(payload.text)
        : payload.bytes.byteLength;
  const content = Buffer.allocUnsafe(
    1 + textBytes(key) + textBytes(user) + textBytes(session) + metaBytes(meta) + body,
  );
  content[0] =
    (payload === undefined ? 0 : KINDS.indexOf(payload.kind) | HAS_PAYLOAD) |
    (key === undefined ? 0 : HAS_KEY) |
    (user === undefined ? 0 : HAS_USER) |
    (session === undefined ? 0 : HAS_SESSION) |
    (meta === undefined ? 0 : HAS_META);
  let at = 1;
  for (const text of [key, user, session]) {
    if (text === undefined) continue;
    at = content.writeUInt16BE(Buffer.byteLength(text), at);
    at += content.write(text, at);
  }
  if (meta !== undefined) {
    at = content.writeUInt16BE(meta.byteLength, at);
    content.set(meta, at);
    at += meta.byteLength;
  }
  if (payload?.kind === "json") content.write(payload.text, at);
  else if (payload !== undefined) content.set(payload.bytes, at);
  return content;
}

const textBytes = (text: string | undefined): number =>
  text === undefined ? 0 : 2 + Buffer.byteLength(text);

const metaBytes = (meta: Uint8Array | undefined): number =>
  meta === undefined ? 0 : 2 + meta.byteLength;

/** Bytes are copied: `blob` is a view into the received chunk. Absent members stay absent. */
function readContent(blob: Buffer): Content {
  const flags = blob[0] ?? fault("no content");
  let at = 1;
  const text = (): string => {
    if (at + 2 > blob.length) fault("a text without its length");
    const from = at + 2;
    at = from + blob.readUInt16BE(at);
    if (at > blob.length) fault("a text that is cut off");
    return blob.toString("utf8", from, at);
  };
  const content: { -readonly [Name in keyof Content]: Content[Name] } = {};
  if (flags & HAS_KEY) content.key = text();
  if (flags & HAS_USER) content.user = text();
  if (flags & HAS_SESSION) content.session = text();
  if (flags & HAS_META) {
    if (at + 2 > blob.length) fault("a meta without its length");
    const from = at + 2;
    at = from + blob.readUInt16BE(at);
    if (at > blob.length) fault("a meta that is cut off");
    content.meta = Uint8Array.from(blob.subarray(from, at));
  }
  const kind = KINDS[flags & 3] ?? fault("a payload of an unknown kind");
  if (flags & HAS_PAYLOAD) {
    content.payload =
      kind === "json"
        ? { kind, text: blob.toString("utf8", at, blob.length) }
        : { kind, bytes: Uint8Array.from(blob.subarray(at)) };
  }
  return content;
}

export const writeRequest = ({ key, user, session, payload, meta }: PublishRequest): Buffer =>
  writeContent({ key, user, session, payload, meta });

function readPublication(offset: number, timeMs: number, blob: Buffer): Publication {
  const { payload, ...author } = readContent(blob);
  if (payload === undefined) return fault("a publication without payload");
  return { offset, timeMs, payload, ...author } as Publication;
}

/** Entry ids are `offset-time`. */
function readEntry(id: Reply | undefined, blob: Reply | undefined): Publication {
  const [offset, timeMs] = textOf(id).split("-");
  return readPublication(Number(offset), Number(timeMs), bytesOf(blob));
}

/** The answer of the script `page`. */
export function readPage(reply: Reply): HistoryPage {
  const [epoch, head, oldest, entries, more] = listOf(reply);
  const flat = listOf(entries);
  const publications: Publication[] = [];
  for (let index = 0; index < flat.length; index += 2)
    publications.push(readEntry(flat[index], flat[index + 1]));
  return {
    epoch: textOf(epoch),
    head: numberOf(head),
    oldest: numberOf(oldest),
    publications,
    more: more === 1,
  };
}

/** User and data of a member; its id is a field's name. */
export const writeMember = ({ user, data }: PresenceMember): Buffer =>
  writeContent({ user, payload: data });

export function readMember(id: string, blob: Buffer): PresenceMember {
  const { user, payload } = readContent(blob);
  return {
    member: id,
    ...(user === undefined ? {} : { user }),
    ...(payload === undefined ? {} : { data: payload }),
  };
}

/** A field of the hash of members: `length of owner:owner:generation:content`. */
export function readMemberField(id: Reply | undefined, field: Reply | undefined): PresenceMember {
  const bytes = bytesOf(field);
  const colon = bytes.indexOf(58);
  const afterOwner = colon + 1 + Number(bytes.toString("latin1", 0, colon));
  const content = bytes.indexOf(58, afterOwner + 1) + 1;
  return readMember(textOf(id), bytes.subarray(content));
}

export type FeedEvent =
  | { readonly kind: "publication"; readonly epoch: string; readonly publication: Publication }
  | { readonly kind: "removed"; readonly epoch: string; readonly offset: number }
  | { readonly kind: "presence"; readonly change: PresenceChange };

/**
 * A message of a channel's feed: `p epoch offset time\ncontent`, `r epoch offset`,
 * `j id-length:id content`, `u` the same, `l id`.
 */
export function readFeed(message: Buffer): FeedEvent {
  switch (message[0]) {
    case 112: {
      const end = message.indexOf(10);
      const [, epoch = "", offset, timeMs] = message.toString("latin1", 0, end).split(" ");
      return {
        kind: "publication",
        epoch,
        publication: readPublication(Number(offset), Number(timeMs), message.subarray(end + 1)),
      };
    }
    case 114: {
      const [, epoch = "", offset] = message.toString("latin1", 0, message.length).split(" ");
      return { kind: "removed", epoch, offset: Number(offset) };
    }
    case 106:
    case 117: {
      const colon = message.indexOf(58);
      const end = colon + 1 + Number(message.toString("latin1", 1, colon));
      const member = readMember(message.toString("utf8", colon + 1, end), message.subarray(end));
      return { kind: "presence", change: { kind: message[0] === 106 ? "join" : "update", member } };
    }
    case 108:
      return {
        kind: "presence",
        change: { kind: "leave", member: message.toString("utf8", 1, message.length) },
      };
    default:
      return fault("a feed's message of an unknown kind");
  }
}

export const writeBus = (message: BusMessage): string => JSON.stringify(message);

export function readBus(message: Buffer): BusMessage {
  const found: unknown = JSON.parse(message.toString("utf8", 0, message.length));
  if (typeof found !== "object" || found === null || !("kind" in found))
    return fault("a bus message without kind");
  return found as BusMessage;
}

function fault(found: string): never {
  throw new ReplyFault(`Cannot read what the broker keeps: found ${found}`);
}
