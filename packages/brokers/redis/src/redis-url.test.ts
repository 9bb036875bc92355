import { expect, test } from "bun:test";
import { channelKeys, sharedKeys, slotOf } from "./keys.ts";
import { describePlace, parseRedisUrl } from "./redis-url.ts";
import { shardTable } from "./router.ts";

const local = (port: number) => ({ host: "127.0.0.1", port });

test("every form of the URL names its servers", () => {
  expect(parseRedisUrl("redis://127.0.0.1")).toMatchObject({
    kind: "single",
    addresses: [local(6379)],
    database: 0,
    prefix: "hf:",
    tls: undefined,
  });
  expect(parseRedisUrl("rediss://ada:p%40ss@[::1]:7000/2?prefix=app:")).toMatchObject({
    kind: "single",
    addresses: [{ host: "::1", port: 7000 }],
    account: { username: "ada", password: "p@ss" },
    database: 2,
    prefix: "app:",
    tls: {},
  });
  expect(parseRedisUrl("redis://:p:w@127.0.0.1")).toMatchObject({ account: { password: "p:w" } });
  expect(
    parseRedisUrl("redis+sentinel://:p@127.0.0.1,127.0.0.1:7000/main/1?sentinelPassword=s"),
  ).toMatchObject({
    kind: "sentinel",
    addresses: [local(26379), local(7000)],
    primary: "main",
    database: 1,
    account: { password: "p" },
    sentinelAccount: { password: "s" },
  });
  expect(parseRedisUrl("redis+cluster://127.0.0.1:1,127.0.0.1:2")).toMatchObject({
    kind: "cluster",
    addresses: [local(1), local(2)],
  });
  for (const url of [
    "redis://127.0.0.1:1,redis://127.0.0.1:2",
    "redis://127.0.0.1:1,127.0.0.1:2",
  ]) {
    expect(parseRedisUrl(url)).toMatchObject({ kind: "sharded", addresses: [local(1), local(2)] });
  }
});

const BAD = [
  "http://x",
  "redis://",
  "redis://a:b:c",
  "redis://x:0",
  "redis://x:70000",
  "redis://x/notanumber",
  "redis://x/1/2",
  "redis://x?unknown=1",
  "redis://x?prefix={a}",
  "redis://x?durable=perhaps",
  "redis://x,x",
  "redis+sentinel://x",
  "redis+cluster://x/1",
  "redis://u:%zz@x",
];

for (const url of BAD) {
  test(`${url} is refused, and a password in it is not repeated`, () => {
    const hidden = url.replace("://", "://user:sesame@");
    for (const text of [url, hidden]) expect(() => parseRedisUrl(text)).toThrow(/^Cannot /);
    try {
      parseRedisUrl(hidden);
    } catch (error) {
      expect(Bun.inspect(error)).not.toContain("sesame");
    }
  });
}

test("what is shown of a place has neither account nor parameters", () => {
  expect(describePlace(parseRedisUrl("rediss://ada:sesame@h:1/3?prefix=p:"))).toBe("rediss://h:1");
  expect(
    describePlace(
      parseRedisUrl("redis+sentinel://:sesame@h:1,[::1]:2/main?sentinelPassword=sesame"),
    ),
  ).toBe("redis+sentinel://h:1,[::1]:2/main");
});

test("slots are those of Redis Cluster, and all keys of a channel have one", () => {
  // From the specification's reference implementation.
  expect([slotOf("123456789"), slotOf("foo"), slotOf("")]).toEqual([0x31c3 % 16_384, 12_182, 0]);
  for (const name of ["a", "{a}", "a}b", "%7B", "", "界"]) {
    const keys = channelKeys("hf:", name);
    for (const key of [...keys.stream, ...keys.presence, keys.feed])
      expect(slotOf(/\{(.*?)\}/.exec(key)?.[1] ?? "")).toBe(keys.slot);
  }
  expect(new Set(["a", "{a}", "%7Ba%7D", "%"].map((name) => channelKeys("", name).feed)).size).toBe(
    4,
  );
  expect(sharedKeys("hf:").names).toContain("{shared%}");
});

test("slots are spread over shards, and one more takes only its own", () => {
  const addresses = [1, 2, 3, 4].map((port) => ({ host: "shard", port }));
  const before = shardTable(addresses.slice(0, 3));
  const after = shardTable(addresses);
  for (const shard of [0, 1, 2])
    expect(before.filter((index) => index === shard).length).toBeGreaterThan(4_900);
  expect(after.every((index, slot) => index === 3 || index === before[slot])).toBe(true);
  expect(after.filter((index) => index === 3).length).toBeLessThan(4_600);
});
