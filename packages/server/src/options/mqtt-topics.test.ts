import { expect, test } from "bun:test";
import { readTopics, topicRows } from "./mqtt-topics.ts";

const orderOf = (...topics: readonly string[]): readonly string[] => {
  const read = readTopics(Object.fromEntries(topics.map((topic) => [topic, "a:{x}"])));
  const fallback = Object.fromEntries(topics.map((topic) => [topic, { channel: "a" }]));
  return topicRows(read.ok ? read.value : fallback).map(({ topic }) => topic);
};

test("the most specific topic decides, however a tool has sorted the map", () => {
  const wanted = ["a/b/c", "a/b/+x", "a/+x/c", "a/+x/+y", "a/#x", "+x/b", "#x"];
  for (const given of [wanted, wanted.toReversed(), wanted.toSorted()])
    expect(orderOf(...given)).toEqual(wanted);
});

test("patterns that differ in names of parameters alone have one order, too", () => {
  expect(orderOf("+b/#c", "+a/#c")).toEqual(["+a/#c", "+b/#c"]);
  expect(orderOf("+a/#c", "+b/#c")).toEqual(["+a/#c", "+b/#c"]);
});
