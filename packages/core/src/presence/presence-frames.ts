// Owns: members and their changes as frames, in parts of bounded size.
import {
  type Encoded,
  type MemberEntry,
  type MembersFrame,
  type PresenceFrame,
  payloadBytes,
} from "@holdfast/protocol";
import type { DoorCodec } from "../door.ts";
import type { PresenceMember } from "../ports.ts";
import { sameMember } from "./same-member.ts";

/** A connection, for the channel whose members it watches. */
export interface Watcher {
  readonly codec: Pick<DoorCodec, "encode">;
  readonly codecNumber: number;
  readonly phase: string;
  /** Takes no more for now. */
  readonly lagging: boolean;
  /** Length of what was not handed to the link yet. */
  readonly outLength: number;
  /** Keeps room when there is some; the result gives it back. */
  keepRoom(bytes: number): (() => void) | Promise<() => void>;
  answer(encoded: Encoded): void;
  enqueue(encoded: Encoded): void;
}

/** What was known of a member before it changed; undefined: it was not there. */
export type Before = ReadonlyMap<string, PresenceMember | undefined>;

/** What an entry adds to a frame besides its data and user, roughly. */
const ENTRY_BYTES = 64;

/** The members as frames, each of bounded size; one at least. */
export function memberFrames(
  channel: string,
  list: readonly PresenceMember[],
  bytesMax: number,
): readonly MembersFrame[] {
  const frames: MembersFrame[] = [];
  for (let from = 0; frames.length === 0 || from < list.length; ) {
    const part: MemberEntry[] = [];
    for (let bytes = 0; from < list.length && (part.length === 0 || bytes < bytesMax); from++) {
      const member = list[from] as PresenceMember;
      part.push(entryOf(member));
      bytes += bytesOf(member);
    }
    frames.push({ t: "members", ch: channel, list: part, more: from < list.length });
  }
  return frames;
}

/** What changed since `before`, as few frames as their size allows; none if nothing did. */
export function changes(
  channel: string,
  { before, members }: { before: Before; members: ReadonlyMap<string, PresenceMember> },
  bytesMax: number,
): readonly PresenceFrame[] {
  const frames: (PresenceFrame & Lists)[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  const place = (size: number): Lists => {
    if (bytes >= bytesMax) {
      frames.push({ t: "presence", ch: channel, join: [], update: [], leave: [] });
      bytes = 0;
    }
    bytes += size;
    return frames.at(-1) as Lists;
  };
  for (const [id, was] of before) {
    const member = members.get(id);
    if (member === undefined) {
      if (was !== undefined) place(ENTRY_BYTES).leave.push(id);
    } else if (was === undefined) place(bytesOf(member)).join.push(entryOf(member));
    else if (!sameMember(was, member)) place(bytesOf(member)).update.push(entryOf(member));
  }
  return frames;
}

/** The differences between `list` and `members`, in the form that `changes` takes. */
export function beforeOf(
  list: readonly PresenceMember[],
  members: ReadonlyMap<string, PresenceMember>,
): Before {
  const before = new Map<string, PresenceMember | undefined>(list.map((was) => [was.member, was]));
  for (const id of members.keys()) if (!before.has(id)) before.set(id, undefined);
  return before;
}

/** The lists of a frame in the making. */
interface Lists {
  readonly join: MemberEntry[];
  readonly update: MemberEntry[];
  readonly leave: string[];
}

export const bytesOf = ({ user, data }: PresenceMember): number =>
  ENTRY_BYTES + (user?.length ?? 0) + (data === undefined ? 0 : payloadBytes(data));

function entryOf({ member, user, data }: PresenceMember): MemberEntry {
  return {
    m: member,
    ...(user === undefined ? {} : { u: user }),
    ...(data === undefined ? {} : { data }),
  };
}
