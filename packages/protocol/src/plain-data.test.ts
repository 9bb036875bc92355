// Owns: whatever somebody publishes, every client of every codec reads that value, or the publisher
// gets an error that names the field (spec/protocol.md, section 1.4).
import { expect, test } from "bun:test";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { type ClientCodec, jsonClientCodec, type NodeCodec, PayloadError } from "./index.ts";
import { msgpackClientCodec } from "./msgpack.ts";
import { jsonNodeCodec, msgpackNodeCodec, payloadFromValue, payloadValue } from "./node.ts";

const LIMITS = { dataBytesMax: 10_000_000 };
const PAIRS: readonly { readonly node: NodeCodec; readonly client: ClientCodec }[] = [
  { node: jsonNodeCodec, client: jsonClientCodec },
  { node: msgpackNodeCodec, client: msgpackClientCodec },
];
const publish = { t: "publish", id: 1, ch: "a" } as const;

/** What the clients of every codec read of a message with one publish; or the node's fault. */
function readers(node: NodeCodec, message: string | Uint8Array): unknown[] | { path?: string } {
  const [item] = node.decode(message, LIMITS);
  if (item?.t === "fault") return item.fault;
  if (item?.t !== "publish") throw new Error(`unexpected ${item?.t}`);
  const { data } = item;
  return PAIRS.map((pair) => {
    const [frame] = pair.client.decode(pair.node.encode({ t: "pub", ch: "a", o: 1, ts: 1, data }));
    if (frame?.t !== "pub") throw new Error(`unexpected ${frame?.t}`);
    return frame.data;
  });
}

/** The value as the definition has it, found in another way; throws for what is no data. */
function meant(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string" && Buffer.from(value).toString() === value) return value;
  if (typeof value === "number" && Number.isFinite(value)) return Object.is(value, -0) ? 0 : value;
  if (typeof value !== "object" || depth === 128) throw new Error("no data");
  if (Array.isArray(value)) return Array.from(value, (item) => meant(item, depth + 1));
  const kind = Object.prototype.toString.call(value);
  const isPlain = kind === "[object Object]" && [null, Object.prototype].includes(protoOf(value));
  if (!isPlain) throw new Error("no data");
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  if (members.some(([key]) => key === "__proto__")) throw new Error("no data");
  return Object.fromEntries(
    members.map(([key, member]) => [meant(key) as string, meant(member, depth + 1)]),
  );
}
const protoOf = (value: object): object | null => Object.getPrototypeOf(value);

function outcome<T>(make: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: make() };
  } catch (error) {
    return { error };
  }
}

const anything = fc.anything({
  key: fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom("__proto__", "toJSON"),
  ),
  values: [
    ...[fc.string({ unit: "binary" }), fc.double(), fc.maxSafeInteger(), fc.boolean()],
    ...[fc.bigInt(), fc.constantFrom(null, undefined, -0, 2 ** 53, 2 ** 60, 2 ** 64, 1e300)],
    fc.constantFrom(
      Symbol("s"),
      () => 1,
      new Error("e"),
      /x/,
      new URL("http://a"),
      new (class A {})(),
    ),
  ],
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: true,
  withNullPrototype: true,
  withBoxedValues: true,
  withObjectString: true,
});

test("any JavaScript value: every client reads it, or the publisher gets an error", () => {
  const counts = { carried: 0, refused: 0 };
  fc.assert(
    fc.property(anything, (value) => {
      const isBytes = value instanceof Uint8Array;
      const expected = outcome(() => (isBytes ? new Uint8Array(value) : meant(value)));
      for (const { node, client } of PAIRS) {
        const message = outcome(() => client.encode({ ...publish, data: value }));
        if ("error" in expected) {
          counts.refused++;
          expect(message).toEqual({ error: expect.any(PayloadError) });
        } else {
          counts.carried++;
          if (!("value" in message)) throw message.error;
          expect(readers(node, message.value)).toEqual([expected.value, expected.value]);
        }
      }
      for (const form of ["json", "msgpack"] as const) {
        const payload = outcome(() => payloadFromValue(value, form));
        if ("error" in expected) expect(payload).toEqual({ error: expect.any(PayloadError) });
        else if ("value" in payload) expect(payloadValue(payload.value)).toEqual(expected.value);
        else throw payload.error;
      }
    }),
    { numRuns: 5000 },
  );
  expect(counts.carried).toBeGreaterThan(500);
  expect(counts.refused).toBeGreaterThan(500);
});

const cycle: { self?: unknown } = {};
cycle.self = cycle;
const nest = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { a: value };
  return value;
};
const doubled = (levels: number): unknown => {
  let value: unknown[] = [1];
  for (let level = 0; level < levels; level++) value = [value, value];
  return value;
};
/** What is no data: the field's path, and what the error calls it. */
const REFUSED: readonly (readonly [name: string, value: unknown, path: string, found: string])[] = [
  ["undefined", undefined, "", "undefined"],
  ["a typed array that is not bytes", { x: new Float32Array(1500) }, "x", "a Float32Array"],
  ["a typed array as the whole data", new Float32Array(2), "", "a Float32Array"],
  ["bytes inside of data", { a: [{ b: new Uint8Array(2) }] }, "a[0].b", "a Uint8Array"],
  ["Node's Buffer inside of data", [Buffer.from("a")], "[0]", "a Buffer"],
  ["an ArrayBuffer", { b: new ArrayBuffer(8) }, "b", "a ArrayBuffer"],
  ["a DataView", [new DataView(new ArrayBuffer(1))], "[0]", "a DataView"],
  ["a Map", { m: new Map([[1, 2]]) }, "m", "a Map"],
  ["a Set", { m: new Set([1]) }, "m", "a Set"],
  ["a Date", { at: new Date(0) }, "at", "a Date"],
  ["an Error", { "a b": new Error("x") }, '["a b"]', "a Error"],
  ["an object of a class", { p: new (class Point {})() }, "p", "a Point"],
  ["an object with toJSON", { toJSON: () => 1 }, "toJSON", "function"],
  ["an object with another above it", Object.create({ a: 1 }), "", "a Object"],
  ["NaN", { list: [1, Number.NaN] }, "list[1]", "NaN"],
  ["infinity", [Number.NEGATIVE_INFINITY], "[0]", "-Infinity"],
  ["a BigInt", { n: 1n }, "n", "bigint"],
  ["a symbol", [Symbol("s")], "[0]", "symbol"],
  ["undefined in a list", [1, undefined], "[1]", "undefined"],
  ["a hole in a list", new Array(1e9), "[0]", "undefined"],
  ["half of a surrogate pair", { s: "a\ud800" }, "s", "half of a surrogate pair"],
  ["half of a surrogate pair in a key", { "\udc00": 1 }, '["\\udc00"]', "half of a surrogate pair"],
  [
    "the key __proto__",
    JSON.parse('{"a":{"__proto__":1}}'),
    "a.__proto__",
    "a member of this name",
  ],
  ["a cycle", cycle, "self.self", "more than 128 levels"],
  ["data 129 levels deep", nest(129), "a[0].a[0]", "more than 128 levels"],
  ["lists that hold one another", doubled(40), "[0][0]", "more than 1000000 values"],
];
for (const [name, value, path, found] of REFUSED) {
  test(`${name} is refused with its path, by every codec and form`, () => {
    const writers: readonly (() => unknown)[] = [
      ...PAIRS.map(
        ({ client }) =>
          () =>
            client.encode({ ...publish, data: value }),
      ),
      () => payloadFromValue(value, "json"),
      () => payloadFromValue(value, "msgpack"),
    ];
    for (const write of writers) {
      const { error } = outcome(write) as { error: PayloadError };
      expect(error).toBeInstanceOf(PayloadError);
      // The path of what is too deep is long.
      const isDeep = found.startsWith("more than");
      expect(isDeep ? error.path?.slice(0, path.length) : (error.path ?? "")).toBe(path);
      expect(error.message).toMatch(/^Cannot (send publish|write the data): found /);
      expect(error.message).toContain(`found ${found}`);
    }
  });
}

test("a getter is read once, so that what was checked is what is sent", () => {
  let reads = 0;
  const value = {
    get n() {
      return reads++ === 0 ? 1 : Number.NaN;
    },
  };
  expect(payloadFromValue(value, "json")).toEqual({ kind: "json", text: '{"n":1}' });
  expect(reads).toBe(1);
});

test("plain objects of another realm, without a prototype, frozen or behind a proxy are data", () => {
  const value = { a: [1, { b: null }] };
  const bare = Object.assign(Object.create(null), value);
  const foreign = runInNewContext("({ a: [1, { b: null }] })");
  for (const given of [bare, foreign, Object.freeze(value), new Proxy(value, {})])
    for (const { node, client } of PAIRS)
      expect(readers(node, client.encode({ ...publish, data: given }))).toEqual([value, value]);
});

test("what is left out is left out alike: undefined members, symbols, what is not enumerable", () => {
  const given = Object.defineProperty({ a: undefined, [Symbol("s")]: 1, b: 1 }, "c", { value: 2 });
  for (const { node, client } of PAIRS)
    expect(readers(node, client.encode({ ...publish, data: given }))).toEqual([{ b: 1 }, { b: 1 }]);
});

test("no member of a frame that a client of MessagePack writes holds half of a surrogate pair", () => {
  const frame = { t: "subscribe", id: 1, ch: "a\ud800" } as const;
  expect(() => msgpackClientCodec.encode(frame)).toThrow(PayloadError);
});

/** JSON texts of all kinds, with members that stand twice, escapes and numbers of any length. */
const { jsonText } = fc.letrec<{ jsonText: string; leaf: string; name: string }>((tie) => ({
  name: fc.constantFrom('"a"', '"b"', '"\\u0061"', '"\\ud83d\\ude00"', '"\\ud83d"', '"__proto__"'),
  leaf: fc.oneof(
    fc.constantFrom("1", "null", "-0", '"\\ude00"', '"🛶"', "1e999", "9007199254740993", "0.1"),
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  ),
  jsonText: fc.oneof(
    { depthSize: "small" },
    tie("leaf"),
    fc.array(tie("jsonText"), { maxLength: 4 }).map((items) => `[${items.join(" ,")}]`),
    fc
      .array(fc.tuple(tie("name"), tie("jsonText")), { maxLength: 4 })
      .map((pairs) => `{${pairs.map(([name, text]) => `${name}: ${text}`).join()}}`),
    fc.nat(40).map((n) => `{${Array.from({ length: n }, (_, i) => `"k${i % 39}":${i}`).join()}}`),
  ),
}));

/** The value as a reader has it that keeps every digit and the first of two members. */
function strictly(text: string): unknown {
  let keys = 0;
  const revive = function (this: unknown, ...given: [string, unknown, { source?: string }?]) {
    const [key, member, { source } = {}] = given;
    if (!Array.isArray(this) && key !== "") keys++;
    const isLost = typeof member === "number" && /^-?\d+$/.test(source ?? "x");
    if (isLost && Number(source) !== member) throw new Error("lost digits");
    return member;
  };
  const value = JSON.parse(text, revive);
  const written = text.match(/"(?:[^"\\]|\\.)*"(?=\s*:)/g)?.length ?? 0;
  if (keys !== written) throw new Error("a member twice");
  return value;
}

test("any JSON text: every client reads the same value, or the publisher gets an error", () => {
  const counts = { carried: 0, refused: 0 };
  fc.assert(
    fc.property(jsonText, (text) => {
      const message = `{"t":"publish","id":1,"ch":"a","d":${text}}`;
      const read = readers(jsonNodeCodec, message);
      const expected = outcome(() => meant(strictly(text)));
      if (Array.isArray(read)) {
        counts.carried++;
        if (!("value" in expected)) throw expected.error;
        expect(read.map((value) => meant(value))).toEqual([expected.value, expected.value]);
      } else {
        counts.refused++;
        expect(read).toMatchObject({ code: "payload_invalid", id: 1 });
        const isInexact = (text.match(/\d{16,}/g) ?? []).some((digits) => !exact(digits));
        expect("error" in expected || isInexact).toBe(true);
      }
    }),
    { numRuns: 5000 },
  );
  expect(counts.carried).toBeGreaterThan(500);
  expect(counts.refused).toBeGreaterThan(500);
});
const exact = (digits: string): boolean =>
  String(Number(digits)) === digits || BigInt(Number(digits)) === BigInt(digits);

test("any MessagePack that another library writes: every client reads the same, or an error", () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true, moreTypes: true });
  const frames = new Packr({ useRecords: false });
  let carried = 0;
  fc.assert(
    fc.property(anything, (value) => {
      const written = outcome(() => new Uint8Array(packr.pack(value)));
      if ("error" in written) return;
      const read = readers(msgpackNodeCodec, frames.pack({ ...publish, d: written.value }));
      if (!Array.isArray(read)) return expect(read).toMatchObject({ code: "payload_invalid" });
      carried++;
      const [one, other] = read.map((data) => meant(data));
      expect(one).toEqual(other);
    }),
    { numRuns: 3000 },
  );
  expect(carried).toBeGreaterThan(300);
});
