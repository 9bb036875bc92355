import { expect, test } from "bun:test";
import type { MembersFrame, ServerFrame } from "@holdfast/protocol";
import type { PresenceMember } from "../ports.ts";
import { OWN } from "../session/codec-numbers.ts";
import type { Watcher } from "./presence-frames.ts";
import { Snapshot } from "./snapshot.ts";

const json = (text: string) => ({ kind: "json", text }) as const;
const membersOf = (count: number): ReadonlyMap<string, PresenceMember> =>
  new Map(Array.from({ length: count }, (_, i) => [`m${i}`, { member: `m${i}`, data: json("1") }]));
const snapshotOf = (count: number, chunkBytes: number): Snapshot =>
  new Snapshot("a", { number: 1, members: membersOf(count), chunkBytes });

/** A watcher that notes its frames, how often they were encoded, and how much room is kept. */
function stage(codecNumber = 1, encoded: ServerFrame[] = []) {
  const frames: MembersFrame[] = [];
  const state = { kept: 0, most: 0 };
  const encode = (frame: ServerFrame) => {
    encoded.push(frame);
    return frame;
  };
  const watcher = {
    codec: { encode },
    codecNumber,
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
  const send = async (count: number, bytesMax: number) => {
    const { watcher, frames, state } = stage();
    expect(await snapshotOf(count, bytesMax).send(watcher, () => true)).toBe(true);
    expect(state).toEqual({ kept: 0, most: 1 });
    expect(frames.map(({ more }) => more)).toEqual(frames.map((_, i) => i < frames.length - 1));
    return idsOf(frames);
  };
  expect(await send(0, 1000)).toEqual([""]);
  expect(await send(3, 1)).toEqual(["m0", "m1", "m2"]);
  expect(await send(5, 66)).toEqual(["m0 m1", "m2 m3", "m4"]);
  expect(await send(3, 10_000)).toEqual(["m0 m1 m2"]);
});

test("a snapshot that nobody wants any more ends there, and gives its room back", async () => {
  let wanted = 2;
  const { watcher, frames, state } = stage();
  expect(await snapshotOf(5, 1).send(watcher, () => wanted-- > 0)).toBe(false);
  expect(idsOf(frames)).toEqual(["m0", "m1"]);
  expect(state).toEqual({ kept: 0, most: 1 });
});

test("watchers of one codec share what is encoded; a codec of its own connection does not", async () => {
  const snapshot = snapshotOf(4, 66);
  const encoded: ServerFrame[] = [];
  for (let n = 0; n < 10; n++) await snapshot.send(stage(1, encoded).watcher, () => true);
  expect(encoded).toHaveLength(2);
  await snapshot.send(stage(2, encoded).watcher, () => true);
  expect(encoded).toHaveLength(4);
  for (let n = 0; n < 3; n++) await snapshot.send(stage(OWN, encoded).watcher, () => true);
  expect(encoded).toHaveLength(10);
});
