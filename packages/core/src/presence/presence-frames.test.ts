import { expect, test } from "bun:test";
import type { PresenceMember } from "../ports.ts";
import { beforeOf, changes } from "./presence-frames.ts";

const json = (text: string) => ({ kind: "json", text }) as const;

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
