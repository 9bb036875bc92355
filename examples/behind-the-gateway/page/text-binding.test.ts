// A text area and a shared text say the same, whoever types.
import { expect, test } from "bun:test";
import * as Y from "yjs";
import { changeOf, moved } from "./text-binding.ts";

test.each([
  ["", "a", [0, 0, "a"]],
  ["abc", "abXc", [2, 0, "X"]],
  ["abc", "ac", [1, 1, ""]],
  ["abc", "", [0, 3, ""]],
  ["aaa", "aaaa", [3, 0, "a"]],
  ["one two", "one 2", [4, 3, "2"]],
  ["😀", "😁", [0, 2, "😁"]],
  ["a😀b", "a😀😀b", [3, 0, "😀"]],
] as const)("%j to %j", (before, after, [at, removed, inserted]) => {
  expect(changeOf(before, after)).toEqual({ at, removed, inserted });
});

test("any two texts: the change turns one into the other", () => {
  const words = ["", "a", "ab", "ba", "aab", "😀", "a😀", "😁a", "😀😁", "\u{1F601}\u{1F600}a"];
  for (const before of words)
    for (const after of words) {
      const text = new Y.Doc().getText("t");
      text.insert(0, before);
      const { at, removed, inserted } = changeOf(before, after);
      text.delete(at, removed);
      text.insert(at, inserted);
      expect(text.toString()).toBe(after);
    }
});

test("a caret stays between the same characters", () => {
  const cases = [
    [5, [{ insert: "abc" }], 8],
    [5, [{ retain: 5 }, { insert: "abc" }], 5],
    [5, [{ retain: 4 }, { insert: "abc" }], 8],
    [5, [{ delete: 3 }], 2],
    [5, [{ retain: 4 }, { delete: 3 }], 4],
    [5, [{ retain: 9 }, { delete: 3 }], 5],
    [5, [{ retain: 2 }, { delete: 1 }, { insert: "abc" }], 7],
    [5, [{ insert: "ab" }, { retain: 2 }, { delete: 1 }, { retain: 9 }, { insert: "c" }], 6],
    [0, [{ insert: "ab" }], 0],
  ] as const;
  for (const [place, delta, to] of cases) expect(moved(place, delta)).toBe(to);
});
