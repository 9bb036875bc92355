// Owns: checks of who is in which room and writes what.
import { expect, test } from "bun:test";
import { populationOf } from "./population.ts";

const steady = { everyMs: 1000, think: "steady" } as const;

test("a fan-out has one room for everyone, and its writers are outside of it", () => {
  const { members, channels, streamsOf } = populationOf(
    {
      groups: [
        { name: "readers", connections: 5, rooms: { name: "f-{run}-{n}", size: 5, each: 1 } },
        { name: "writers", connections: 2, writes: { ...steady, to: "readers" } },
      ],
    },
    "ab12",
  );
  expect(channels).toEqual(["f-ab12-0"]);
  expect(streamsOf).toEqual([[0, 1]]);
  expect(members.map(({ rooms, streams }) => [rooms.length, streams.length])).toEqual([
    ...Array(5).fill([1, 0]),
    [0, 1],
    [0, 1],
  ]);
});

test("in a chat everyone writes to their own rooms, and rooms have the size that was asked for", () => {
  const { members, channels, streamsOf, streamCount } = populationOf(
    {
      groups: [
        {
          name: "people",
          connections: 12,
          rooms: { name: "r{n}", size: 4, each: 2 },
          writes: steady,
        },
      ],
    },
    "x",
  );
  expect(channels).toHaveLength(6);
  expect(streamCount).toBe(24);
  for (const [channel] of channels.entries()) {
    expect(members.filter(({ rooms }) => rooms.includes(channel))).toHaveLength(4);
    expect(streamsOf[channel]).toHaveLength(4);
  }
});
