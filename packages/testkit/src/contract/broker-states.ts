// Owns: contract tests of state with one writer: fencing, leases, repeats, limits.
import { describe, expect, test } from "bun:test";
import {
  type Broker,
  createSeededRandom,
  type HeldState,
  STATE_BYTES_MAX,
  STATE_KEY_BYTES_MAX,
  STATE_OWNER_BYTES_MAX,
} from "@holdfast/core";
import { type Bench, ContractError, range, refusalOf } from "./broker-harness.ts";
import { StateModel } from "./state-model.ts";

export function describeStates(bench: () => Bench): void {
  describe("state", () => describeKept(bench));
  describe("state of several who want to write", () => describeFencing(bench));
  describe("keys of states", () => describeKeys(bench));
}

const MINUTE = { leaseMs: 60_000, keepMs: 60_000 };

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

async function taken(
  broker: Broker,
  key: string,
  owner: string,
  options: { readonly leaseMs?: number; readonly ifFree?: boolean } = {},
): Promise<HeldState> {
  const held = await broker.states.take(key, { owner, leaseMs: 60_000, ...options });
  if (held === undefined)
    throw new ContractError(`Cannot continue: found ${key} held, expected to take it`);
  return held;
}

/** Every key, page by page. */
async function allKeys(broker: Broker, prefix: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const after = found.at(-1);
    const query = { prefix, limit, ...(after === undefined ? {} : { after }) };
    const page = await broker.states.list(query);
    expect(page.length).toBeLessThanOrEqual(limit);
    if (page.length === 0) return found;
    found.push(...page);
  }
}

function describeKept(bench: () => Bench): void {
  test("what was written is read by every node and comes with the next take", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    expect(await b.states.read("k")).toBeUndefined();
    const held = await taken(a, "k", "one");
    expect(held).toEqual({ owner: "one", fence: held.fence, value: undefined });
    await a.states.write("k", held, bytes(1, 2, 255), MINUTE);
    const read = await b.states.read("k");
    expect(read).toMatchObject({ value: bytes(1, 2, 255), owner: "one", fence: held.fence });
    expect(read?.leaseMs).toBeGreaterThan(0);
    expect(read?.leaseMs).toBeLessThanOrEqual(60_000);
    expect(await taken(b, "k", "two")).toMatchObject({ value: bytes(1, 2, 255), before: "one" });
  });

  test("an empty value is a value, and undefined removes it", async () => {
    const a = await bench().connect("n1");
    const held = await taken(a, "k", "one");
    await a.states.write("k", held, bytes(), MINUTE);
    expect((await a.states.read("k"))?.value).toEqual(bytes());
    await a.states.write("k", held, undefined, MINUTE);
    expect(await a.states.read("k")).toMatchObject({ owner: "one", value: undefined });
    await a.states.release("k", held);
    expect(await a.states.read("k")).toBeUndefined();
    expect(await a.states.list({ prefix: "", limit: 10 })).toEqual([]);
  });

  test("a write may be repeated, and a lease of 0 releases with it", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const held = await taken(a, "k", "one");
    for (const _ of range(1, 2)) await a.states.write("k", held, bytes(7), MINUTE);
    await a.states.write("k", held, bytes(8), { leaseMs: 0, keepMs: 60_000 });
    expect(await b.states.read("k")).toEqual({ value: bytes(8), fence: held.fence, leaseMs: 0 });
    expect(await refusalOf(a.states.write("k", held, bytes(9), MINUTE))).toBe("fenced");
    const next = await taken(b, "k", "two", { ifFree: true });
    expect(next).toEqual({ owner: "two", fence: next.fence, value: bytes(8) });
    await b.states.write("k", next, undefined, { leaseMs: 0, keepMs: 60_000 });
    expect(await b.states.read("k")).toBeUndefined();
  });

  test("a value is kept for its time after the end of the lease, and for ever if asked", async () => {
    const a = await bench().connect("n1");
    for (const [key, keepMs] of [
      ["gone", 0],
      ["short", 1_000],
      ["long", 60_000],
      ["ever", Number.POSITIVE_INFINITY],
    ] as const) {
      const held = await taken(a, key, "one");
      await a.states.write(key, held, bytes(1), { leaseMs: 1_000, keepMs });
    }
    await bench().harness.advance(3_100);
    const left = await Promise.all(
      ["gone", "short", "long", "ever"].map((key) => a.states.read(key)),
    );
    expect(left.map((state) => state?.value)).toEqual([undefined, undefined, bytes(1), bytes(1)]);
    expect(left[2]?.leaseMs).toBe(0);
    expect(await a.states.list({ prefix: "", limit: 10 })).toEqual(["ever", "long"]);
  });

  test("a key that nothing was written to is gone with its lease", async () => {
    const a = await bench().connect("n1");
    const held = await taken(a, "k", "one", { leaseMs: 1_000 });
    await bench().harness.advance(2_100);
    expect(await a.states.read("k")).toBeUndefined();
    expect(await refusalOf(a.states.write("k", held, bytes(1), MINUTE))).toBe("fenced");
    expect((await taken(a, "k", "one")).fence).toBeGreaterThan(held.fence);
  });

  test("values at the limit are kept, longer ones and keys and owners that cannot be are refused", async () => {
    const a = await bench().connect("n1");
    const held = await taken(a, "k", "one");
    const most = new Uint8Array(STATE_BYTES_MAX).fill(0x0d);
    await a.states.write("k", held, most, MINUTE);
    const over = new Uint8Array(STATE_BYTES_MAX + 1);
    expect(await refusalOf(a.states.write("k", held, over, MINUTE))).toBe("limit");
    const found = (await a.states.read("k"))?.value ?? bytes();
    expect(found.byteLength).toBe(STATE_BYTES_MAX);
    expect(found.every((byte) => byte === 0x0d)).toBe(true);
    const long = "é".repeat(STATE_KEY_BYTES_MAX / 2);
    await taken(a, long, "one");
    const lease = { owner: "one", leaseMs: 1_000 };
    for (const key of ["", `${long}x`, "half \ud800", "\udc00"])
      expect(await refusalOf(a.states.take(key, lease))).toBe("limit");
    for (const owner of ["", "x".repeat(STATE_OWNER_BYTES_MAX + 1), "\ud83d"])
      expect(await refusalOf(a.states.take("other", { owner, leaseMs: 1_000 }))).toBe("limit");
    for (const leaseMs of [-1, Number.NaN])
      expect(await refusalOf(a.states.take("other", { owner: "one", leaseMs }))).toBe("limit");
  });

  test("what may not grow is refused as a share, and may shrink", async () => {
    const a = await bench().connect("n1");
    const held = await taken(a, "k", "one");
    await a.states.write("k", held, bytes(1, 2), MINUTE);
    const fixed = { ...MINUTE, mayGrow: false };
    expect(await refusalOf(a.states.write("k", held, bytes(1, 2, 3), fixed))).toBe("share");
    await a.states.write("k", held, bytes(3, 4), fixed);
    await a.states.write("k", held, bytes(5), fixed);
    expect((await a.states.read("k"))?.value).toEqual(bytes(5));
    const how = { owner: "two", leaseMs: 60_000, mayGrow: false };
    expect(await refusalOf(a.states.take("new", how))).toBe("share");
    expect((await a.states.take("k", how))?.before).toBe("one");
  });
}

function describeFencing(bench: () => Bench): void {
  test("whoever takes a key fences the owner before, at once and for good", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const first = await taken(a, "k", "one");
    await a.states.write("k", first, bytes(1), MINUTE);
    const second = await taken(b, "k", "two");
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await refusalOf(a.states.write("k", first, bytes(9), MINUTE))).toBe("fenced");
    expect(await a.states.renew([{ key: "k", ...first }], 60_000)).toEqual(["k"]);
    await a.states.release("k", first);
    await b.states.write("k", second, bytes(2), MINUTE);
    expect(await a.states.read("k")).toMatchObject({ owner: "two", value: bytes(2) });
    // Nor does the same owner come back with an old fence.
    const third = await taken(a, "k", "one");
    expect(third).toMatchObject({ before: "two", value: bytes(2) });
    expect(await refusalOf(a.states.write("k", first, bytes(9), MINUTE))).toBe("fenced");
  });

  test("the same owner gets a new fence, and nobody is told to have been fenced", async () => {
    const a = await bench().connect("n1");
    const first = await taken(a, "k", "one");
    const second = await taken(a, "k", "one", { ifFree: true });
    expect(second.before).toBeUndefined();
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await refusalOf(a.states.write("k", first, bytes(1), MINUTE))).toBe("fenced");
    const forged = { ...second, owner: "two" };
    expect(await refusalOf(a.states.write("k", forged, bytes(1), MINUTE))).toBe("fenced");
  });

  test("if it must be free, a running lease keeps it, and an ended or released one does not", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const free = { owner: "two", leaseMs: 60_000, ifFree: true };
    const first = await taken(a, "k", "one", { leaseMs: 2_000 });
    await a.states.write("k", first, bytes(1), { leaseMs: 2_000, keepMs: 60_000 });
    expect(await b.states.take("k", free)).toBeUndefined();
    await a.states.write("k", first, bytes(2), { leaseMs: 2_000, keepMs: 60_000 });
    await bench().harness.advance(3_100);
    expect(await b.states.take("k", free)).toMatchObject({ before: "one", value: bytes(2) });
    const third = await taken(a, "k", "one");
    await a.states.release("k", third);
    // Nothing was written with that hold; what was kept before still is.
    const last = await b.states.take("k", free);
    expect(last).toMatchObject({ value: bytes(2) });
    expect(last?.before).toBeUndefined();
  });

  test("a writer that was away for longer than its lease may write until somebody took it", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const held = await taken(a, "k", "one", { leaseMs: 1_000 });
    await a.states.write("k", held, bytes(1), { leaseMs: 1_000, keepMs: 60_000 });
    await bench().harness.advance(2_100);
    await a.states.write("k", held, bytes(2), { leaseMs: 1_000, keepMs: 60_000 });
    await bench().harness.advance(2_100);
    const next = await taken(b, "k", "two", { ifFree: true });
    expect(next.value).toEqual(bytes(2));
    expect(await refusalOf(a.states.write("k", held, bytes(3), MINUTE))).toBe("fenced");
  });

  test("renewals keep leases in one call, and name those that have ended", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const keys = range(1, 250).map((index) => `k${index}`);
    const holds = await Promise.all(
      keys.map(async (key) => ({ key, ...(await taken(a, key, "one", { leaseMs: 4_000 })) })),
    );
    await taken(b, "k7", "two");
    const known = holds[8];
    if (known !== undefined) await a.states.release(known.key, known);
    expect((await a.states.renew(holds, 60_000)).toSorted()).toEqual(["k7", "k9"]);
    await bench().harness.advance(5_100);
    const free = { owner: "three", leaseMs: 1_000, ifFree: true };
    expect(await b.states.take("k1", free)).toBeUndefined();
    expect(await b.states.take("k250", free)).toBeUndefined();
    expect(await a.states.renew([], 60_000)).toEqual([]);
  });

  test("of many who take a free key at once one gets it, and of many who take it the last holds it", async () => {
    const nodes = await Promise.all(range(1, 4).map((index) => bench().connect(`n${index}`)));
    const wish = (index: number) => nodes[index % 4] as Broker;
    const free = await Promise.all(
      range(0, 39).map((index) =>
        wish(index).states.take("k", { owner: `o${index}`, leaseMs: 60_000, ifFree: true }),
      ),
    );
    expect(free.filter((held) => held !== undefined)).toHaveLength(1);
    const holds = await Promise.all(
      range(0, 39).map((index) => taken(wish(index), "k", `p${index}`)),
    );
    expect(new Set(holds.map(({ fence }) => fence)).size).toBe(40);
    const written = await Promise.allSettled(
      holds.map((hold, index) => wish(index).states.write("k", hold, bytes(index), MINUTE)),
    );
    const last = Math.max(...holds.map(({ fence }) => fence));
    const done = holds.filter((_, index) => written[index]?.status === "fulfilled");
    expect(done.map(({ fence }) => fence)).toEqual([last]);
  });

  test("whatever is asked in whatever order, the store answers as its model does", async () => {
    const nodes = await Promise.all(range(1, 3).map((index) => bench().connect(`n${index}`)));
    const random = createSeededRandom("states");
    const model = new StateModel();
    for (const _ of range(1, 400)) {
      const broker = nodes[Math.floor(random.next() * 3)] as Broker;
      await model.step(broker.states, random);
    }
    expect(await allKeys(nodes[0] as Broker, "", 2)).toEqual(model.keys());
  });

  test("out of reach calls are refused as unavailable; back in reach a hold is what it was", async () => {
    const { reach } = bench().harness;
    if (reach === undefined) return;
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const [kept, lost] = [await taken(a, "kept", "one"), await taken(a, "lost", "one")];
    await reach.cut("n1");
    const calls = [
      a.states.take("k", { owner: "one", leaseMs: 1_000 }),
      a.states.write("kept", kept, bytes(1), MINUTE),
      a.states.renew([{ key: "kept", ...kept }], 1_000),
      a.states.release("kept", kept),
      a.states.read("kept"),
      a.states.list({ prefix: "", limit: 1 }),
    ];
    for (const code of await Promise.all(calls.map(refusalOf))) expect(code).toBe("unavailable");
    await taken(b, "lost", "two");
    await reach.heal("n1");
    await bench().eventually(() => a.states.write("kept", kept, bytes(2), MINUTE));
    expect(await refusalOf(a.states.write("lost", lost, bytes(3), MINUTE))).toBe("fenced");
    await a.close();
    expect(await refusalOf(a.states.read("kept"))).toBe("closed");
    expect(await refusalOf(a.states.list({ prefix: "", limit: 1 }))).toBe("closed");
    expect((await b.states.read("kept"))?.value).toEqual(bytes(2));
  });
}

const ODD = [
  "__proto__",
  "constructor",
  "{a}{b}",
  "}{",
  "%",
  "%25",
  "a b\r\n$3\r\n",
  "a\u0000b",
  "*?[x]",
  "äöü/日本/🙂",
  "a:b:names",
  "(a",
  "[a",
  "+",
  "-",
];

function describeKeys(bench: () => Bench): void {
  test.each(ODD)("the key %j is a key like others", async (key) => {
    const a = await bench().connect("n1");
    const held = await taken(a, key, `${key} one`);
    await a.states.write(key, held, bytes(4), MINUTE);
    expect(await a.states.renew([{ key, ...held }], 60_000)).toEqual([]);
    expect(await a.states.list({ prefix: key, limit: 10 })).toEqual([key]);
    expect(await a.states.list({ prefix: "", after: key, limit: 10 })).toEqual([]);
    expect((await taken(a, key, "two")).before).toBe(`${key} one`);
    expect(await a.states.read(`${key}x`)).toBeUndefined();
  });

  test("ten thousand keys are listed page by page, each once, in order", async () => {
    const [a, b] = [await bench().connect("n1"), await bench().connect("n2")];
    const keys = range(0, 9_999).map((index) => `s/${index.toString(36)}`);
    for (let from = 0; from < keys.length; from += 500)
      await Promise.all(keys.slice(from, from + 500).map((key) => taken(a, key, "one")));
    await taken(a, "r", "one");
    await taken(a, "t/1", "one");
    expect(await allKeys(b, "s/", 700)).toEqual(keys.toSorted());
    expect(await b.states.list({ prefix: "s/", limit: 100_000 })).toHaveLength(1_000);
    expect(await b.states.list({ prefix: "s/zz", limit: 3 })).toEqual(["s/zz"]);
    expect(await b.states.list({ prefix: "t", limit: 3 })).toEqual(["t/1"]);
    expect(await b.states.list({ prefix: "", after: "s/zzzz", limit: 3 })).toEqual(["t/1"]);
    expect(await b.states.list({ prefix: "s/", limit: 0 })).toEqual([]);
  });

  test("keys that have ended are not listed, however many lie in a row", async () => {
    const a = await bench().connect("n1");
    const keys = range(0, 1_999).map((index) => `e/${index}`);
    for (let from = 0; from < keys.length; from += 500)
      await Promise.all(
        keys.slice(from, from + 500).map((key) => taken(a, key, "one", { leaseMs: 1_000 })),
      );
    await taken(a, "f", "one");
    await bench().harness.advance(2_100);
    expect(await a.states.list({ prefix: "", limit: 10 })).toEqual(["f"]);
  });
}
