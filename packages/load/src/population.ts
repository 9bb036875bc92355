// Owns: the connections of a run: their rooms, and the streams that they write. Pure: every worker
// computes it for itself.
import type { Group, LoadPlan } from "./plan.ts";

/** A stream is what one connection writes to one channel: its publications are numbered. */
export interface Stream {
  readonly id: number;
  readonly channel: number;
}

export interface Member {
  readonly index: number;
  readonly group: Group;
  /** Numbers of the channels that it subscribes to. */
  readonly rooms: readonly number[];
  /** What it writes, in turn. */
  readonly streams: readonly Stream[];
}

export interface Population {
  readonly members: readonly Member[];
  readonly channels: readonly string[];
  /** Ids of the streams of each channel. */
  readonly streamsOf: readonly (readonly number[])[];
  readonly streamCount: number;
}

export function populationOf({ groups }: Pick<LoadPlan, "groups">, run: string): Population {
  const channels: string[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, channels.length);
    return channels.push(name) - 1;
  };
  const roomsOf = (group: Group, place: number): number[] =>
    group.rooms === undefined
      ? []
      : roomNumbers(group, place).map((n) => numberOf(nameOf(group, n, run)));
  const streamsOf: number[][] = [];
  const members: Member[] = [];
  let streamCount = 0;
  for (const group of groups) {
    for (let place = 0; place < group.connections; place++) {
      const streams = writtenBy(group, groups, place).map((channel): Stream => {
        const number = numberOf(channel(run));
        streamsOf[number] = [...(streamsOf[number] ?? []), streamCount];
        return { id: streamCount++, channel: number };
      });
      members.push({ index: members.length, group, rooms: roomsOf(group, place), streams });
    }
  }
  return {
    members,
    channels,
    streamsOf: channels.map((_, number) => streamsOf[number] ?? []),
    streamCount,
  };
}

/** How many rooms a group has. */
export const roomCount = ({ connections, rooms }: Group): number =>
  rooms === undefined ? 0 : Math.ceil((connections * rooms.each) / rooms.size);

/** The rooms of the connection at `place` of a group, different ones. */
function roomNumbers(group: Group, place: number): number[] {
  const { connections, rooms } = group;
  if (rooms === undefined) return [];
  const count = roomCount(group);
  const numbers = Array.from(
    { length: rooms.each },
    (_, turn) => Math.floor((turn * connections + place) / rooms.size) % count,
  );
  return [...new Set(numbers)];
}

const nameOf = (group: Group, n: number, run: string): string =>
  (group.rooms?.name ?? "").replaceAll("{n}", String(n)).replaceAll("{run}", run);

/**
 * Names of the channels that a connection writes to. Of another group's rooms it gets one, in turn.
 */
function writtenBy(
  group: Group,
  groups: readonly Group[],
  place: number,
): ((run: string) => string)[] {
  if (group.writes === undefined) return [];
  const to =
    group.writes.to === undefined ? group : groups.find(({ name }) => name === group.writes?.to);
  if (to === undefined) return [];
  const rooms = to === group ? roomNumbers(group, place) : [place % roomCount(to)];
  return rooms.map((n) => (run) => nameOf(to, n, run));
}
