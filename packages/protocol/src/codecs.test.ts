// Owns: what encodes on one side decodes to the same on the other, for every frame, codec and form
// of data.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Packr } from "msgpackr";
import type { ClientCodec, ClientFrame, NodeCodec, Payload, ServerFrame } from "./index.ts";
import { jsonClientCodec } from "./index.ts";
import { KNOWN_MEMBERS } from "./known-members.ts";
import { msgpackClientCodec } from "./msgpack.ts";
import { jsonNodeCodec, msgpackNodeCodec, payloadFromValue, payloadValue } from "./node.ts";

const LIMITS = { dataBytesMax: 1_000_000 };
const RUNS = 300;
const CODECS: readonly { readonly node: NodeCodec; readonly client: ClientCodec }[] = [
  { node: jsonNodeCodec, client: jsonClientCodec },
  { node: msgpackNodeCodec, client: msgpackClientCodec },
];

const text = (maxLength: number) =>
  fc.string({ unit: "grapheme", maxLength }).filter((value) => value.length <= maxLength);
const id = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const offset = fc.maxSafeNat();
const ms = fc.oneof(fc.nat(), fc.maxSafeNat());
const ch = text(255);
const key = text(128);
const epoch = fc.string({ minLength: 1, maxLength: 64 });
const pos = fc.record({ epoch, offset });
/** What both encodings carry unchanged: no -0 (JSON has none), no `__proto__`, whole strings. */
const value = fc
  .jsonValue({ stringUnit: "grapheme", maxDepth: 5 })
  .map((json) => JSON.parse(JSON.stringify(json).replaceAll("__proto__", "proto")));
const data = fc.oneof(
  { weight: 3, arbitrary: value },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 70 }) },
);
const is = <T extends string>(t: T) => fc.constant(t);
const some = { requiredKeys: ["t", "id", "ch"] as const };

const clientFrame = fc.oneof(
  fc.record(
    {
      t: is("connect"),
      id,
      token: text(300),
      resume: text(300),
      moving: fc.boolean(),
      migrates: fc.boolean(),
      client: text(64),
    },
    { requiredKeys: ["t", "id"] },
  ),
  fc.record(
    { t: is("subscribe"), id, ch, pos, last: fc.nat(1000) },
    { requiredKeys: [...some.requiredKeys] },
  ),
  fc.record(
    { t: is("publish"), id, ch, k: key, idem: key, data },
    { requiredKeys: ["t", "id", "ch", "data"] },
  ),
  fc.record(
    {
      t: is("history"),
      id,
      ch,
      limit: fc.integer({ min: 1, max: 1000 }),
      before: offset.map((o) => o || 1),
    },
    { requiredKeys: [...some.requiredKeys] },
  ),
  fc.record(
    { t: fc.constantFrom("enter" as const, "update" as const), id, ch, data },
    { requiredKeys: [...some.requiredKeys] },
  ),
  fc.record({
    t: fc.constantFrom(
      "unsubscribe" as const,
      "leave" as const,
      "watch" as const,
      "unwatch" as const,
    ),
    id,
    ch,
  }),
  fc.record(
    { t: is("rpc"), id, m: key, timeoutMs: fc.integer({ min: 1, max: 2 ** 31 - 1 }), data },
    { requiredKeys: ["t", "id", "m"] },
  ),
  fc.record({ t: fc.constantFrom("cancel" as const, "ping" as const), id }),
  fc.record({ t: is("refresh"), id, token: text(300) }),
  fc.record({
    t: is("report"),
    counts: fc.record({
      reconnects: ms,
      migrations: ms,
      duplicates: ms,
      gaps: ms,
      lost: ms,
      undeclared: ms,
      resumeMsMax: ms,
    }),
  }),
  fc.record({ t: is("bye"), moved: fc.boolean() }, { requiredKeys: ["t"] }),
) as fc.Arbitrary<ClientFrame<unknown>>;

const entry = fc.record(
  { o: offset, ts: ms, k: key, u: key, s: key, data },
  { requiredKeys: ["o", "ts", "data"] },
);
const member = fc.record({ m: key, u: key, data }, { requiredKeys: ["m"] });
const members = fc.array(member, { maxLength: 3 });
const code = fc.integer({ min: 100, max: 999 });

const serverFrame = fc.oneof(
  fc.record(
    {
      ...{
        t: is("connected"),
        id,
        session: key,
        user: key,
        node: key,
        resumed: fc.boolean(),
        resume: text(300),
        pingMs: ms,
        windowMs: ms,
      },
      ...{ expiresMs: ms, messageBytesMax: ms, time: ms },
    },
    {
      requiredKeys: [
        "t",
        "id",
        "session",
        "node",
        "resumed",
        "resume",
        "pingMs",
        "windowMs",
        "messageBytesMax",
        "time",
      ],
    },
  ),
  fc.record({ t: is("ok"), id, data }, { requiredKeys: ["t", "id"] }),
  fc.record(
    { t: is("published"), id, e: epoch, o: offset, dup: fc.boolean() },
    { requiredKeys: ["t", "id", "e", "o"] },
  ),
  fc.record(
    { t: is("err"), id, code, name: key, msg: key, path: key, retryMs: ms },
    { requiredKeys: ["t", "id", "code", "name", "msg"] },
  ),
  fc.record({
    ...{
      t: is("subscribed"),
      id,
      ch,
      cls: fc.constantFrom("volatile", "latest", "ordered", "durable"),
      pos,
      head: offset,
    },
    recovered: fc.boolean(),
  }),
  entry.chain((pub) => ch.map((name) => ({ t: "pub", ch: name, ...pub }))),
  fc.record({
    ...{
      t: is("gap"),
      ch,
      from: offset,
      to: fc.option(offset),
      reason: fc.constantFrom("history", "epoch", "dropped"),
      pos,
    },
  }),
  fc.record({
    t: is("history"),
    id,
    ch,
    e: epoch,
    pubs: fc.array(entry, { maxLength: 3 }),
    more: fc.boolean(),
  }),
  fc.record({ t: is("members"), ch, list: members, more: fc.boolean() }),
  fc.record({
    t: is("presence"),
    ch,
    join: members,
    update: members,
    leave: fc.array(key, { maxLength: 3 }),
  }),
  fc.record(
    { t: is("unsubscribed"), ch, code, name: key, msg: key, of: is("presence") },
    { requiredKeys: ["t", "ch", "code", "name", "msg"] },
  ),
  fc.record(
    { t: is("pong"), id, time: ms, windowMs: ms, resume: text(300) },
    { requiredKeys: ["t", "id", "time", "windowMs"] },
  ),
  fc.record({ t: is("advice"), windowMs: ms }),
  fc.record({ t: is("migrate"), reason: fc.constantFrom("drain", "rebalance"), deadlineMs: ms }),
  fc.record(
    { t: is("goodbye"), code, name: key, msg: key, retryMs: ms, windowMs: ms },
    { requiredKeys: ["t", "code", "name", "msg"] },
  ),
) as unknown as fc.Arbitrary<ServerFrame<unknown>>;

/** A copy of a decoded frame in which everything under `data` went through `change`. */
function withData(frame: unknown, change: (data: unknown) => unknown): unknown {
  if (Array.isArray(frame)) return frame.map((item) => withData(item, change));
  if (typeof frame !== "object" || frame === null) return frame;
  return Object.fromEntries(
    Object.entries(frame).map(([name, item]) => [
      name,
      name === "data" ? change(item) : withData(item, change),
    ]),
  );
}

for (const { node, client } of CODECS) {
  test(`${node.name}: what a client encodes, a node decodes to the same frames`, () => {
    fc.assert(
      fc.property(fc.array(clientFrame, { minLength: 1, maxLength: 4 }), (frames) => {
        const items = node.decode(client.join(frames.map((frame) => client.encode(frame))), LIMITS);
        expect(
          items.map((item) => withData(item, (payload) => payloadValue(payload as Payload))),
        ).toEqual(frames);
      }),
      { numRuns: RUNS },
    );
  });

  for (const form of ["json", "msgpack"] as const) {
    test(`${node.name}: what a node encodes with data in ${form}, a client decodes to the same frames`, () => {
      fc.assert(
        fc.property(fc.array(serverFrame, { minLength: 1, maxLength: 4 }), (frames) => {
          const raw = frames.map(
            (frame) => withData(frame, (data) => payloadFromValue(data, form)) as ServerFrame,
          );
          expect(client.decode(node.join(raw.map((frame) => node.encode(frame))))).toEqual(frames);
        }),
        { numRuns: RUNS },
      );
    });
  }
}

/** Names and JSON texts of members in any order: what no client of ours sends. */
const strangePairs = fc.array(
  fc.tuple(
    fc.constantFrom("t", "id", "ch", "d", "b", "k", "pos", "x", "counts", "__proto__", "idem"),
    fc.oneof(
      value.map((json) => JSON.stringify(json)),
      fc.constantFrom(
        ...['"publish"', '"ping"', '"rpc"', "1", "7", '"a"', '{"x":1,"d":2}', "1e999", '"AAE="'],
        ...['{"d":{"d":[1]}}', " 5 ", '",\\"d\\":"'],
      ),
    ),
  ),
  { maxLength: 7 },
);
const space = fc.constantFrom("", "", "", " ", "\t", "\r ");
const strangeFrame = (pairs: readonly (readonly [string, string])[], gap: string): string =>
  `{${pairs.map(([name, json]) => `${gap}"${name}"${gap}:${gap}${json}`).join(`${gap},`)}${gap}}`;

/** The same members in MessagePack, written by another library. */
function inMsgpack(frame: string): Uint8Array {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const map = JSON.parse(frame) as Record<string, unknown>;
  if (Object.hasOwn(map, "d")) map.d = packr.pack(map.d);
  if (map.b === "AAE=") map.b = new Uint8Array([0, 1]);
  return packr.pack(map);
}

/** A decoded item with data as a value, and without the words for people. */
function comparable(item: unknown): unknown {
  const { fault } = item as { fault?: { message: string } };
  if (fault) return { ...fault, message: "" };
  return withData(item, (payload) => payloadValue(payload as Payload));
}

test("both codecs read the same members as the same frame or the same fault", () => {
  fc.assert(
    fc.property(strangePairs, space, (pairs, gap) => {
      const frame = strangeFrame(pairs, gap);
      const item = jsonNodeCodec.decode(frame, LIMITS)[0];
      const known = pairs.map(([name]) => name).filter((name) => KNOWN_MEMBERS.includes(name));
      if (new Set(known).size === known.length) {
        const other = msgpackNodeCodec.decode(inMsgpack(frame), LIMITS)[0];
        expect(comparable(item)).toEqual(comparable(other));
      } else expect(comparable(item)).toEqual({ code: "frame_invalid", message: "" });
    }),
    { numRuns: 3000 },
  );
});

test("json: text is a frame when the runtime's parser takes it and no member stands twice", () => {
  const anyData = fc.oneof(
    value.map((json) => JSON.stringify(json)),
    fc.string(),
    fc.tuple(strangePairs, space).map(([pairs, gap]) => strangeFrame(pairs, gap)),
    fc
      .array(fc.constantFrom(...'{}[],:"\\u0dD8e+-. ntf'), { maxLength: 12 })
      .map((u) => u.join("")),
  );
  fc.assert(
    fc.property(anyData, (text) => {
      const frame = `{"t":"publish","id":1,"ch":"a","x":${text},"d":${text}}`;
      const item = jsonNodeCodec.decode(frame.replaceAll("\n", " "), LIMITS)[0];
      let parsed: unknown;
      try {
        parsed = JSON.parse(text);
      } catch {
        return expect(comparable(item)).toMatchObject({ code: "frame_invalid" });
      }
      if (item?.t === "publish") expect(payloadValue(item.data)).toEqual(parsed);
      else expect(comparable(item)).toMatchObject({ code: "payload_invalid", id: 1 });
    }),
    { numRuns: 5000 },
  );
});

test("json: a node passes the text of data on as it stands, wherever it stands", () => {
  const text = '{ "n": 1.50, "m": 2e0, "s": "\\u0041" }';
  const publish = { t: "publish", id: 1, ch: "a", data: { kind: "json", text } };
  for (const source of [
    `{"t":"publish","id":1,"ch":"a","d":${text}}`,
    `{"d":${text} , "t":"publish","id":1,"ch":"a"}`,
    `{ "t":"publish","id":1,"\\u0064" : ${text},"ch":"\\u0061" } `,
  ])
    expect(jsonNodeCodec.decode(source, LIMITS)).toEqual([publish] as never);
});

test("any bytes and any text decode to frames or to a fault, and never throw", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: "binary" }),
      (bytes, string) => {
        expect(msgpackNodeCodec.decode(bytes, LIMITS).length).toBeGreaterThan(0);
        expect(jsonNodeCodec.decode(string, LIMITS).length).toBeGreaterThan(0);
        expect(jsonNodeCodec.decode(bytes, LIMITS)[0]?.t).toBe("fault");
        expect(msgpackNodeCodec.decode(string, LIMITS)[0]?.t).toBe("fault");
      },
    ),
    { numRuns: 2000 },
  );
});

test("any bytes and any text decode on a client to frames or to a TypeError", () => {
  const decode = (codec: ClientCodec, message: string | Uint8Array): void => {
    try {
      codec.decode(message);
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError);
    }
  };
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.oneof(
        fc.string(),
        fc.tuple(strangePairs, space).map(([pairs, gap]) => strangeFrame(pairs, gap)),
      ),
      (bytes, string) => {
        decode(msgpackClientCodec, bytes);
        decode(jsonClientCodec, string);
        decode(jsonClientCodec, bytes);
        decode(msgpackClientCodec, string);
      },
    ),
    { numRuns: 2000 },
  );
});

test("cutting or changing a byte of a MessagePack message gives frames or a fault, and never throws", () => {
  fc.assert(
    fc.property(clientFrame, fc.nat(), fc.nat(255), (frame, at, byte) => {
      const bytes = new Uint8Array(msgpackClientCodec.encode(frame) as Uint8Array);
      expect(
        msgpackNodeCodec.decode(bytes.subarray(0, at % bytes.length), LIMITS).length,
      ).toBeGreaterThan(0);
      bytes[at % bytes.length] = byte;
      expect(msgpackNodeCodec.decode(bytes, LIMITS).length).toBeGreaterThan(0);
    }),
    { numRuns: 1500 },
  );
});
