import { expect, test } from "bun:test";
import type { MembersFrame, ServerFrame } from "@holdfast/protocol";
import type { PresenceMember } from "../ports.ts";
import { beforeOf, changes, sendSnapshot, type Watcher } from "./presence-frames.ts";

const json = (text: string) => ({ kind: "json", text }) as const;
const members = (count: number): PresenceMember[] =>
  Array.from({ length: count }, (_, i) => ({ member: `m${i}`, data: json("1") }));

/** A watcher that notes its frames, and how much of its room is kept. */
function stage() {
  const frames: MembersFrame[] = [];
  const state = { kept: 0, most: 0 };
  const watcher = {
    codec: { encode: (frame: ServerFrame) => frame },
    keepRoom: async () => {
      state.kept += 1;
      state.most = Math.max(state.most, state.kept);
      return () => {
        state.kept -= 1;
      };
    },
    answer: (frame: MembersFrame) => frames.push(frame),
  } as unknown as Watcher;
  return { watcher, frames, state };
}
const idsOf = (frames: readonly MembersFrame[]) =>
  frames.map(({ list }) => list.map(({ m }) => m).join(" "));

test("a snapshot has as many parts as its bytes want, each of at least one member, and an end", async () => {
  const send = async (list: readonly PresenceMember[], bytesMax: number) => {
    const { watcher, frames, state } = stage();
    const how = { channel: "a", bytesMax, isWanted: () => true };
    expect(await sendSnapshot(watcher, list, how)).toBe(true);
    expect(state).toEqual({ kept: 0, most: 1 });
    expect(frames.map(({ more }) => more)).toEqual(frames.map((_, i) => i < frames.length - 1));
    return idsOf(frames);
  };
  expect(await send([], 1000)).toEqual([""]);
  expect(await send(members(3), 1)).toEqual(["m0", "m1", "m2"]);
  expect(await send(members(5), 66)).toEqual(["m0 m1", "m2 m3", "m4"]);
  expect(await send(members(3), 10_000)).toEqual(["m0 m1 m2"]);
});

test("a snapshot that nobody wants any more ends there, and gives its room back", async () => {
  let wanted = 2;
  const { watcher, frames, state } = stage();
  const how = { channel: "a", bytesMax: 1, isWanted: () => wanted-- > 0 };
  expect(await sendSnapshot(watcher, members(5), how)).toBe(false);
  expect(idsOf(frames)).toEqual(["m0", "m1"]);
  expect(state).toEqual({ kept: 0, most: 1 });
});

test("changes name who joined, changed and left, in frames of bounded size", () => {
  const before: PresenceMember[] = [
    { member: "same", user: "u" },
    { member: "changed", data: json("1") },
    { member: "left" },
  ];
  const list: PresenceMember[] = [
    { member: "same", user: "u" },
    { member: "changed", data: json("2") },
    { member: "joined", user: "v" },
  ];
  const now = new Map(list.map((member) => [member.member, member]));
  const known = beforeOf(before, now);
  expect(changes("a", { before: known, members: now }, 1000)).toEqual([
    {
      t: "presence",
      ch: "a",
      join: [{ m: "joined", u: "v" }],
      update: [{ m: "changed", data: json("2") }],
      leave: ["left"],
    },
  ]);
  expect(changes("a", { before: known, members: now }, 1)).toHaveLength(3);
  expect(changes("a", { before: beforeOf(list, now), members: now }, 1)).toEqual([]);
});
