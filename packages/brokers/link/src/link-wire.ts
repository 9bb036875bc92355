// Owns: the messages of the broker link: arrays that begin with a number, and how the values of the
// Broker port are written in them.
import type { StreamOptions } from "@holdfast/contract";
import {
  type Broker,
  BrokerError,
  type BrokerErrorCode,
  type BrokerUsage,
  type BusMessage,
  type EnterOptions,
  type HistoryPage,
  type HistoryQuery,
  type MembersPage,
  type PresenceChange,
  type PresenceMember,
  type PublishRequest,
} from "@holdfast/core";
import { DELIVERY_CLASSES, type Payload, type Publication } from "@holdfast/protocol";

/** Both ends are from one release: any other version is refused. */
export const LINK_VERSION = 4;

/**
 * First element of every message. Requests are followed by their id; answers (`ok`, `failed`) by
 * the id of the request.
 */
export const LINK = {
  // handshake, in this order
  challenge: 1,
  hello: 2,
  welcome: 3,
  // answers
  ok: 4,
  failed: 5,
  // node to supervisor
  publish: 10,
  subscribe: 11,
  history: 12,
  removeHistory: 13,
  channels: 14,
  enter: 15,
  leave: 16,
  members: 17,
  renew: 18,
  bus: 19,
  probe: 20,
  takeState: 22,
  writeState: 23,
  renewStates: 24,
  releaseState: 25,
  readState: 26,
  listStates: 27,
  /** Followed by the channel; has no id and no answer. */
  unsubscribe: 21,
  // supervisor to node, without id
  publication: 30,
  presence: 31,
  heard: 32,
  removed: 33,
} as const;

/** One message. What is absent is null. */
export type LinkMessage = readonly [number, ...unknown[]];

/** The peer broke the link's format: the connection ends. */
export class LinkFault extends Error {
  readonly code = "link_invalid";
  constructor(found: string) {
    super(`the peer of the broker link sent something that is not a message: ${found}`);
    this.name = "LinkFault";
  }
}

// Reading: each takes a value off the wire and checks it.

export const text = (value: unknown): string =>
  typeof value === "string" ? value : fault("text", value);
export const optionalText = (value: unknown): string | undefined =>
  value === null ? undefined : text(value);
export const count = (value: unknown): number =>
  typeof value === "number" && value >= 0 ? value : fault("a count", value);
export const flag = (value: unknown): boolean =>
  typeof value === "boolean" ? value : fault("a flag", value);
export const list = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : fault("a list", value);

export const bytesOrNone = (value: unknown): Uint8Array | undefined =>
  value === null ? undefined : value instanceof Uint8Array ? value : fault("bytes", value);

export function message(value: unknown): LinkMessage {
  const items = list(value);
  return typeof items[0] === "number" ? (items as LinkMessage) : fault("a message", value);
}

// Values of the port, each as a list.

export const writeStream = (stream: StreamOptions): unknown[] => [
  DELIVERY_CLASSES.indexOf(stream.cls),
  stream.sizeMax,
  stream.ttlMs,
];

export function readStream(value: unknown): StreamOptions {
  const [cls, sizeMax, ttlMs] = list(value);
  return {
    cls: DELIVERY_CLASSES[count(cls)] ?? fault("a class", cls),
    sizeMax: count(sizeMax),
    ttlMs: count(ttlMs),
  };
}

export const writePayload = (payload: Payload): unknown[] =>
  payload.kind === "json" ? [0, payload.text] : [payload.kind === "msgpack" ? 1 : 2, payload.bytes];

export function readPayload(value: unknown): Payload {
  const [kind, content] = list(value);
  if (kind === 0) return { kind: "json", text: text(content) };
  if (!(content instanceof Uint8Array)) return fault("bytes", content);
  return kind === 1 ? { kind: "msgpack", bytes: content } : { kind: "bytes", bytes: content };
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : fault("bytes", value);
}

/** Bytes that a payload takes on the wire, estimated from above; for the limits on what waits. */
export const payloadWireBytes = (payload: Payload | undefined): number =>
  payload === undefined
    ? 0
    : payload.kind === "json"
      ? 3 * payload.text.length
      : payload.bytes.byteLength;

/** Bytes of texts and a payload on the wire, estimated from above, with the numbers around them. */
export const wireBytes = (
  payload: Payload | undefined,
  ...texts: readonly (string | undefined)[]
): number =>
  texts.reduce((sum, one) => sum + 8 + 3 * (one?.length ?? 0), 64 + payloadWireBytes(payload));

export const publicationWireBytes = ({ payload, key, user, session, meta }: Publication): number =>
  wireBytes(payload, key, user, session) + (meta?.byteLength ?? 0);

export const memberWireBytes = ({ member, user, data }: PresenceMember): number =>
  wireBytes(data, member, user);

export const writeRequest = (request: PublishRequest): unknown[] => [
  writePayload(request.payload),
  request.key ?? null,
  request.user ?? null,
  request.session ?? null,
  request.idempotencyKey ?? null,
  request.party ?? null,
  request.meta ?? null,
];

export function readRequest(value: unknown): PublishRequest {
  const [payload, key, user, session, idempotencyKey, party, meta = null] = list(value);
  const request: Mutable<PublishRequest> = { payload: readPayload(payload) };
  if (key !== null) request.key = text(key);
  if (user !== null) request.user = text(user);
  if (session !== null) request.session = text(session);
  if (idempotencyKey !== null) request.idempotencyKey = text(idempotencyKey);
  if (party !== null) request.party = text(party);
  if (meta !== null) request.meta = bytesOf(meta);
  return request;
}

export const writePublication = (publication: Publication): unknown[] => [
  publication.offset,
  publication.timeMs,
  writePayload(publication.payload),
  publication.key ?? null,
  publication.user ?? null,
  publication.session ?? null,
  publication.meta ?? null,
];

export function readPublication(value: unknown): Publication {
  const [offset, timeMs, payload, key, user, session, meta = null] = list(value);
  const publication: Mutable<Publication> = {
    offset: count(offset),
    timeMs: count(timeMs),
    payload: readPayload(payload),
  };
  if (key !== null) publication.key = text(key);
  if (user !== null) publication.user = text(user);
  if (session !== null) publication.session = text(session);
  if (meta !== null) publication.meta = bytesOf(meta);
  return publication;
}

export const writeMember = (member: PresenceMember): unknown[] => [
  member.member,
  member.user ?? null,
  member.data === undefined ? null : writePayload(member.data),
];

export function readMember(value: unknown): PresenceMember {
  const [id, user, data] = list(value);
  const member: Mutable<PresenceMember> = { member: text(id) };
  if (user !== null) member.user = text(user);
  if (data !== null) member.data = readPayload(data);
  return member;
}

export const writeEnterOptions = (options: EnterOptions): unknown[] => [
  options.membersMax ?? null,
  options.party ?? null,
  options.isBack ?? false,
  options.mayGrow ?? true,
];

export function readEnterOptions(value: unknown): EnterOptions {
  const [membersMax, party, isBack, mayGrow] = list(value);
  return {
    isBack: flag(isBack),
    mayGrow: flag(mayGrow),
    ...(membersMax === null ? {} : { membersMax: count(membersMax) }),
    ...(party === null ? {} : { party: text(party) }),
  };
}

export function readChange(kind: unknown, value: unknown): PresenceChange {
  if (kind === "leave") return { kind, member: text(value) };
  return kind === "join" || kind === "update"
    ? { kind, member: readMember(value) }
    : fault("a presence change", kind);
}

export const writeQuery = (query: HistoryQuery): unknown[] =>
  "after" in query
    ? [query.after, null, query.limit, query.bytesMax ?? null]
    : [null, query.before ?? null, query.limit, query.bytesMax ?? null];

export function readQuery(value: unknown): HistoryQuery {
  const [after, before, limit, bytesMax] = list(value);
  const bounds = {
    limit: count(limit),
    ...(bytesMax === null ? {} : { bytesMax: count(bytesMax) }),
  };
  if (after !== null) return { after: count(after), ...bounds };
  return before === null ? bounds : { before: count(before), ...bounds };
}

export const writePage = (page: HistoryPage): unknown[] => [
  page.epoch,
  page.head,
  page.oldest,
  page.publications.map(writePublication),
  page.more,
];

export function readPage(value: unknown): HistoryPage {
  const [epoch, head, oldest, publications, more] = list(value);
  return {
    epoch: text(epoch),
    head: count(head),
    oldest: count(oldest),
    publications: list(publications).map(readPublication),
    more: flag(more),
  };
}

export function readMembersPage(value: unknown): MembersPage {
  const [members, cursor] = list(value);
  const page = { members: list(members).map(readMember) };
  return cursor === null ? page : { ...page, cursor: text(cursor) };
}

/** What the supervisor's broker holds, told with every probe. */
export const writeUsage = (usage: BrokerUsage | undefined): unknown[] => [
  usage?.bytes ?? 0,
  usage?.bytesMax ?? 0,
  usage?.presenceBytes ?? 0,
  usage?.channels ?? 0,
  usage?.members ?? 0,
  usage?.stateBytes ?? 0,
  usage?.states ?? 0,
];

export function readUsage(value: unknown): BrokerUsage {
  const [bytes, bytesMax, presenceBytes, channels, members, stateBytes, states] = list(value);
  return {
    bytes: count(bytes),
    bytesMax: count(bytesMax),
    presenceBytes: count(presenceBytes),
    channels: count(channels),
    members: count(members),
    stateBytes: count(stateBytes),
    states: count(states),
  };
}

export function readPosition(value: unknown): Awaited<ReturnType<Broker["subscribe"]>> {
  const [epoch, offset] = list(value);
  return { epoch: text(epoch), offset: count(offset) };
}

/** Bus messages are rare and small: as JSON text. */
export const writeBus = (busMessage: BusMessage): string => JSON.stringify(busMessage);

export function readBus(value: unknown): BusMessage {
  const found: unknown = JSON.parse(text(value));
  if (typeof found !== "object" || found === null || !("kind" in found))
    return fault("a bus message", value);
  return found as BusMessage;
}

const CODES = [
  "unavailable",
  "timeout",
  "full",
  "share",
  "busy",
  "refused",
  "limit",
  "fenced",
  "closed",
  "internal",
] as const satisfies readonly BrokerErrorCode[];

export function readError(code: unknown, description: unknown): BrokerError {
  return new BrokerError(CODES.find((known) => known === code) ?? "internal", text(description));
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

function fault(expected: string, found: unknown): never {
  throw new LinkFault(`${found === null ? "null" : typeof found} where ${expected} belongs`);
}
