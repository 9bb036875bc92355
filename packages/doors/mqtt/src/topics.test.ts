// Owns: which channel a topic is in, and where filters look, by tables.
import { describe, expect, test } from "bun:test";
import { filterProblem, matchesTopic, nameProblem, readShared } from "./topic-names.ts";
import { SAME_NAMES, Topics, topicRowProblem } from "./topics.ts";

test("a filter matches what MQTT says", () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ["a/b", "a/b", true],
    ["a/b", "a/B", false],
    ["a/+", "a/b", true],
    ["a/+", "a/", true],
    ["a/+", "a", false],
    ["a/+", "a/b/c", false],
    ["+/+", "/a", true],
    ["+", "/a", false],
    ["/+", "/a", true],
    ["a/#", "a", true],
    ["a/#", "a/", true],
    ["a/#", "a/b/c", true],
    ["a/#", "ab", false],
    ["#", "a/b", true],
    ["#", "$SYS/a", false],
    ["+/a", "$SYS/a", false],
    ["$SYS/#", "$SYS/a", true],
    ["a/+/c", "a//c", true],
    ["a/b", "a/bc", false],
    ["a/bc", "a/b", false],
    ["ä/+", "ä/ö", true],
  ];
  for (const [filter, name, expected] of table)
    expect([filter, name, matchesTopic(filter, name)]).toEqual([filter, name, expected]);
});

test("names and filters that are none are told", () => {
  for (const name of ["", "a+", "#", "a/#", "x".repeat(1025), "/".repeat(70)])
    expect(nameProblem(name)).toBeDefined();
  for (const filter of ["", "a+", "a/#/b", "#a", "a/b+", "$share/a", "$share//b", "$share/+/b"])
    expect(filterProblem(filter)).toBeDefined();
  for (const filter of ["a", "+", "#", "/", "a/+/#", "$share/g/#", "$shared/a"])
    expect(filterProblem(filter)).toBeUndefined();
  expect(readShared("$share/g/a/b")).toEqual({ group: "g", filter: "a/b" });
  expect(readShared("a")).toBeUndefined();
});

describe("rows", () => {
  const topics = new Topics([
    { topic: "telemetry/+site/#rest", channel: "telemetry:{site}", retained: "kept:{site}" },
    { topic: "cmd/+device", channel: "commands:{device}", payload: "json" },
    { topic: "pair/+a/+b", channel: "pair:{a}-{b}" },
    ...SAME_NAMES,
  ]);

  test("the first row that matches says the channel, and the channel the topic", () => {
    expect(topics.placeOf("telemetry/n/d/t")).toEqual({
      channel: "telemetry:n",
      retained: "kept:n",
      payload: "auto",
      isPlain: false,
    });
    expect(topics.placeOf("cmd/d7")).toMatchObject({ channel: "commands:d7", isPlain: true });
    expect(topics.placeOf("telemetry/n")).toMatchObject({ channel: "telemetry/n" });
    expect(topics.topicOf("commands:d7", undefined)).toBe("cmd/d7");
    expect(topics.topicOf("telemetry:n", undefined)).toBe("telemetry/n/_");
    expect(topics.topicOf("telemetry:n", "d/t")).toBe("telemetry/n/d/t");
    expect(topics.topicOf("other/x", undefined)).toBe("other/x");
  });

  test("a level that would be read as another topic has no channel", () => {
    expect(topics.placeOf("pair/x/y")).toMatchObject({ channel: "pair:x-y" });
    expect(topics.placeOf("pair/x-z/y")).toBeUndefined();
  });

  test("a topic of the server's own is in no channel", () => {
    expect(topics.placeOf("$SYS/a")).toBeUndefined();
  });

  test("a filter looks into the channels that it names, and into those that fit", () => {
    expect(topics.reachOf("cmd/d7")).toEqual({ channels: ["commands:d7"], open: [] });
    const reach = topics.reachOf("telemetry/n/#");
    expect(reach.channels).toEqual(["telemetry:n"]);
    expect(reach.open.map(({ prefix }) => prefix)).toEqual(["telemetry/n"]);
    const all = topics.reachOf("telemetry/+/d/t");
    expect(all.open.map(({ prefix }) => prefix)).toEqual(["telemetry:", "telemetry"]);
    expect(all.open[0]?.fits("telemetry:n")).toBe(true);
    expect(all.open[0]?.fits("telemetry:")).toBe(false);
    expect(topics.retainedReachOf("telemetry/n/#").channels).toEqual(["kept:n"]);
    expect(topics.retainedReachOf("cmd/+")).toEqual({ channels: [], open: [] });
  });
});

test("a row that cannot be read both ways is refused", () => {
  for (const row of [
    { topic: "a/+", channel: "a" },
    { topic: "a/#rest/b", channel: "a" },
    { topic: "a/+x", channel: "a:{y}" },
    { topic: "a/+x/+x", channel: "a:{x}" },
    { topic: "a/+x/+y", channel: "{x}{y}" },
    { topic: "a/b+", channel: "a" },
    { topic: "a/+x", channel: "a:{x" },
  ])
    expect(topicRowProblem(row)).toBeDefined();
  expect(
    topicRowProblem({ topic: "a/+x/#r", channel: "a:{x}", retained: "b:{x}" }),
  ).toBeUndefined();
});

test("answers that are remembered are those of a map without memory, also when it forgets", () => {
  const rows = [{ topic: "t/+site/#rest", channel: "t:{site}:{rest}" }];
  const remembering = new Topics(rows);
  for (const round of [1, 2])
    for (let n = 0; n < 10_050; n += round === 1 ? 1 : 997) {
      const topic = `t/s${n % 7}/d${n}`;
      const place = remembering.placeOf(topic);
      expect(place).toEqual(new Topics(rows).placeOf(topic));
      expect(remembering.topicOf(place?.channel ?? "", undefined)).toBe(topic);
      expect(new TextDecoder().decode(remembering.bytesOf(topic))).toBe(topic);
    }
});
