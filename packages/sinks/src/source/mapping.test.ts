import { describe, expect, test } from "bun:test";
import type { LogSourceDefinition } from "@holdfast/pipelines/source";
import { idempotencyKey } from "./bridge.ts";
import { namePattern } from "./name-pattern.ts";
import { SourcePace } from "./pace.ts";
import { mapRecord } from "./record-mapping.ts";
import type { SourceRecord } from "./source.ts";

describe("a pattern of names", () => {
  test.each([
    ["readings.{site}", "readings.north", { site: "north" }],
    ["readings.{site}", "readings.north.d1", undefined],
    ["readings.{site}", "readings.", undefined],
    ["readings.{rest*}", "readings.north.d1", { rest: "north.d1" }],
    ["plant-{site}.v1", "plant-north.v1", { site: "north" }],
    ["plant-{site}.v1", "plant-north-v1", undefined],
    ["a.b", "a.b", {}],
    ["a.b", "aXb", undefined],
    ["{any*}", "a.b", { any: "a.b" }],
  ])("%s of %s gives %p", (pattern, name, found) => {
    expect(namePattern(pattern)?.match(name)).toEqual(found as never);
  });

  test.each(["a..b", "{a}.{a}", "{a}{b}", "{a*}.b", "x{a*}", "{1}", "a{b", "{}"])(
    "%s is none",
    (pattern) => expect(namePattern(pattern)).toBeUndefined(),
  );

  test("is matched in time that grows with the name, whatever the name is", () => {
    const pattern = namePattern(Array.from({ length: 20 }, (_, i) => `a{p${i}}a`).join("."));
    const name = `${"a".repeat(50_000)}.`;
    const beganMs = performance.now();
    for (let i = 0; i < 20; i++) pattern?.match(name);
    expect(performance.now() - beganMs).toBeLessThan(2_000);
  });
});

const record = (data: string | Uint8Array, more: Partial<SourceRecord> = {}): SourceRecord => ({
  ...{
    partition: "t/0",
    position: "7",
    name: "t",
    params: { site: "north" },
    key: "d1",
    timeMs: 1,
  },
  data: typeof data === "string" ? new TextEncoder().encode(data) : data,
  ...more,
});
const definition = (more: Partial<LogSourceDefinition> = {}): LogSourceDefinition => ({
  ...{ source: "kafka", options: {}, channel: "in:{site}" },
  ...more,
});
const never = (): boolean => false;

describe("a record", () => {
  test("goes to the channel of its parameters, its key, its topic, its partition, or its value", () => {
    const channels = ["in:{site}", "in:{key}", "{topic}:{partition}", "in:{device}"].map(
      (channel) => mapRecord(definition({ channel }), record('{"device":4}'), never),
    );
    expect(channels.map((one) => (one.kind === "publication" ? one.channel : one))).toEqual([
      ...["in:north", "in:d1", "t:t/0", "in:4"],
    ]);
  });

  test.each([
    ["no JSON", record("{"), {}, "unreadable"],
    ["no UTF-8", record(new Uint8Array([0xff])), {}, "unreadable"],
    ["no such member", record("{}"), { channel: "in:{device}" }, "name"],
    ["a member of the prototype", record("{}"), { channel: "in:{toString}" }, "name"],
    ["a value that is an object", record('{"device":{}}'), { channel: "in:{device}" }, "name"],
    [
      "a colon, which would make another name",
      record("{}", { key: "a:b" }),
      { channel: "in:{key}" },
      "name",
    ],
    ["a control character", record("{}", { key: "a\n" }), { channel: "in:{key}" }, "name"],
    ["an empty key", record("{}", { key: "" }), { channel: "in:{key}" }, "name"],
  ] as const)("with %s is dead", (_what, one, more, reason) => {
    expect(mapRecord(definition(more), one, never)).toMatchObject({ kind: "dead", reason });
  });

  test("without a value is empty; text and bytes are taken as they are", () => {
    expect(mapRecord(definition(), record(""), never)).toEqual({ kind: "empty" });
    expect(mapRecord(definition({ encoding: "text" }), record("{"), never)).toMatchObject({
      payload: { kind: "json", text: '"{"' },
    });
    expect(mapRecord(definition({ encoding: "bytes" }), record("{"), never)).toMatchObject({
      payload: { kind: "bytes" },
    });
  });

  test("has its key in a latest channel, or the one of the template", () => {
    const mapped = (more: Partial<LogSourceDefinition>, isLatest: boolean) =>
      mapRecord(definition(more), record('{"v":1}'), () => isLatest);
    expect(mapped({}, false)).not.toHaveProperty("key");
    expect(mapped({}, true)).toMatchObject({ key: "d1" });
    expect(mapped({ key: "{site}/{v}" }, false)).toMatchObject({ key: "north/1" });
  });

  test("has an idempotency key that brokers take, and that no other record has", () => {
    const short = idempotencyKey("plant", { partition: "t/0", position: "7" });
    expect(short).toBe("plant/t/0/7");
    const long = (topic: string) =>
      idempotencyKey("p".repeat(64), { partition: `${topic}/0`, position: "1".repeat(20) });
    expect(long("t".repeat(249)).length).toBeLessThanOrEqual(128);
    expect(long(`${"t".repeat(248)}u`)).not.toBe(long("t".repeat(249)));
  });
});

describe("a source's pace", () => {
  /** Publishes as fast as it may for some seconds; answers with how many, second by second. */
  const run = (publicationsOf: (published: number) => number, seconds: number): number[] => {
    const pace = new SourcePace();
    const found: number[] = [];
    let [nowMs, published] = [1_000, 0];
    for (let second = 0; second < seconds; second++) {
      const before = published;
      while (nowMs < (second + 2) * 1_000) {
        const behind = { publications: publicationsOf(published), historySize: 8_000 };
        const waitMs = pace.waitMs(10, behind, nowMs);
        if (waitMs === 0) published += 10;
        else nowMs += waitMs;
      }
      found.push(published - before);
    }
    return found;
  };

  test("grows while pipelines keep up, and never passes a quarter of the history in a second", () => {
    const perSecond = run(() => 0, 10);
    expect(perSecond[1]).toBeLessThanOrEqual(1_600);
    expect(perSecond.at(-1)).toBeGreaterThan(1_900);
    for (const count of perSecond) expect(count).toBeLessThanOrEqual(2_100);
  });

  test("stops while a pipeline is a quarter of the history behind, or runs nowhere", () => {
    const total = run((published) => published, 10).reduce((a, b) => a + b, 0);
    expect(total).toBeLessThanOrEqual(2_010);
    expect(run(() => Number.POSITIVE_INFINITY, 3)).toEqual([0, 0, 0]);
  });

  test("is none without pipelines, and lets a batch through that is more than a second's worth", () => {
    const pace = new SourcePace();
    expect(pace.waitMs(1e6, undefined, 0)).toBe(0);
    const behind = { publications: 0, historySize: 8 };
    expect(pace.waitMs(500, behind, 0)).toBe(0);
    expect(pace.waitMs(1, behind, 0)).toBeGreaterThan(1_000);
  });
});
