// Owns: what a hostile peer may send that no vector holds: large, deep, many, polluting.
import { expect, test } from "bun:test";
import type { DecodedItem } from "./client-frame-reader.ts";
import { type DecodeFault, FRAMES_PER_MESSAGE_MAX, jsonClientCodec } from "./index.ts";
import { msgpackClientCodec } from "./msgpack.ts";
import { pack } from "./msgpack-values.ts";
import { jsonNodeCodec, msgpackNodeCodec } from "./node.ts";

const LIMITS = { dataBytesMax: 65_536 };
const ROOMY = { dataBytesMax: 10_000_000 };
const fault = (code: DecodeFault["code"], path?: string, id?: number): DecodedItem => ({
  t: "fault",
  fault: {
    code,
    message: expect.any(String),
    ...(path === undefined ? {} : { path }),
    ...(id === undefined ? {} : { id }),
  },
});
const publish = (data: string): string => `{"t":"publish","id":1,"ch":"a","d":${data}}`;
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const nestedMaps = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
/** A publish in MessagePack whose `d` holds these bytes. */
const publishBytes = (bytes: Uint8Array): Uint8Array =>
  pack({ t: "publish", id: 1, ch: "a", d: bytes });
const filled = (size: number, byte: number, ...end: number[]): Uint8Array =>
  new Uint8Array(size + end.length).fill(byte).map((b, i) => end[i - size] ?? b);

test("JSON data 128 levels deep passes and 129 levels deep is refused, by either path", () => {
  for (const [make, levels] of [
    [nested, 128],
    [nestedMaps, 128],
  ] as const) {
    for (const frame of [
      publish(make(levels)),
      `{ "d":${make(levels)},"t":"publish","id":1,"ch":"a"}`,
    ]) {
      expect(jsonNodeCodec.decode(frame, LIMITS)[0]?.t).toBe("publish");
    }
    for (const frame of [
      publish(make(levels + 1)),
      `{ "d":${make(levels + 1)},"t":"publish","id":1,"ch":"a"}`,
    ]) {
      expect(jsonNodeCodec.decode(frame, LIMITS)).toEqual([fault("payload_invalid", "d", 1)]);
    }
  }
});

test("brackets inside of JSON strings are not depth", () => {
  const data = JSON.stringify(`${"[{".repeat(500)}\\" \\\\`);
  expect(jsonNodeCodec.decode(publish(`[${data},${data}]`), LIMITS)[0]?.t).toBe("publish");
});

test("JSON data 100,000 levels deep is refused, wherever it stands", () => {
  const deep = nested(100_000);
  const frames = [
    publish(deep),
    `{"d":${deep},"t":"publish","id":1,"ch":"a"}`,
    `{"t":"ping","id":1,"x":${deep}}`,
    deep,
    "[".repeat(100_000),
  ];
  for (const frame of frames) {
    const [item] = jsonNodeCodec.decode(frame, ROOMY);
    // Deep members that nobody reads may pass, where the runtime's parser can follow them.
    if (frame.includes('"x"')) expect(["ping", "fault"]).toContain(item?.t ?? "");
    else expect(item?.t).toBe("fault");
  }
});

test("MessagePack data 128 levels deep passes, 129 and 100,000 levels are refused", () => {
  expect(msgpackNodeCodec.decode(publishBytes(filled(128, 0x91, 1)), LIMITS)[0]?.t).toBe("publish");
  for (const levels of [129, 100_000]) {
    expect(msgpackNodeCodec.decode(publishBytes(filled(levels, 0x91, 1)), ROOMY)).toEqual([
      fault("payload_invalid", "d", 1),
    ]);
    expect(msgpackNodeCodec.decode(filled(levels, 0x91, 1), ROOMY)).toEqual([
      fault("frame_invalid"),
    ]);
  }
});

test("numbers that only look huge pass, and huge ones are refused however they are written", () => {
  const zeros = "0".repeat(300);
  const fine = [
    "1e308",
    "-1E+308",
    "1e-400",
    `0.${zeros}1`,
    `1${"0".repeat(308)}`,
    '"1e999"',
    `"${"9".repeat(400)}"`,
    "[1e100,2E+200]",
  ];
  const huge = [
    "1e309",
    "-1e309",
    "1E+400",
    "1e0000400",
    `1${zeros}00000000000`,
    `${"1".repeat(220)}e99`,
    `[[{"a":1e999}]]`,
    `${"1".repeat(150)}e0000000199`,
  ];
  for (const data of fine)
    expect([data, jsonNodeCodec.decode(publish(data), LIMITS)[0]?.t]).toEqual([data, "publish"]);
  for (const data of huge) {
    expect(jsonNodeCodec.decode(publish(data), LIMITS)).toEqual([fault("payload_invalid", "d", 1)]);
    expect(jsonNodeCodec.decode(`{"d":${data},"t":"publish","id":1,"ch":"a"}`, LIMITS)).toEqual([
      fault("payload_invalid", "d", 1),
    ]);
    expect(
      jsonNodeCodec.decode(
        `{"x":${nested(200)},"d":${data},"t":"publish","id":1,"ch":"a"}`,
        LIMITS,
      ),
    ).toEqual([fault("payload_invalid", "d", 1)]);
  }
});

const INJECTIONS = [
  '1},{"t":"gap"',
  '1}\u0000{"t":"gap"',
  "1,2",
  '1,"t":"bye"',
  '1,"d":2',
  "1//",
  "",
  " ",
  "}",
  '{"a":1',
  '"',
  "undefined",
  "NaN",
  "'a'",
  "1\u00a0",
  "\ufeff1",
  "[1,]",
];
for (const data of INJECTIONS) {
  test(`JSON data ${JSON.stringify(data)} never becomes a member or a frame of its own`, () => {
    const items = jsonNodeCodec.decode(publish(data), LIMITS);
    let whole: unknown;
    try {
      whole = JSON.parse(publish(data));
    } catch {
      whole = undefined;
    }
    if (whole === undefined) expect(items).toEqual([fault("frame_invalid")]);
    else {
      const { d, t } = whole as { d: unknown; t: string };
      const expected =
        t === "bye"
          ? { t: "bye" }
          : { t: "publish", id: 1, ch: "a", data: { kind: "json", text: JSON.stringify(d) } };
      expect(items).toEqual([expected] as unknown as typeof items);
    }
  });
}

test("keys that name parts of prototypes pollute nothing", () => {
  const evil =
    '"__proto__":{"polluted":1,"moved":true},"constructor":{"prototype":{"polluted":1}},"toString":1';
  expect(jsonNodeCodec.decode(`{"t":"bye",${evil}}`, LIMITS)).toEqual([{ t: "bye" }]);
  expect(
    jsonNodeCodec.decode(`{${evil},"t":"publish","id":1,"ch":"a","d":{${evil}}}`, LIMITS)[0]?.t,
  ).toBe("publish");
  const key = [0xa9, ...Buffer.from("__proto__")];
  const bye = new Uint8Array([
    0x82,
    0xa1,
    0x74,
    0xa3,
    ...Buffer.from("bye"),
    ...key,
    0x81,
    0xa5,
    ...Buffer.from("moved"),
    0xc3,
  ]);
  expect(msgpackNodeCodec.decode(bye, LIMITS)).toEqual([fault("frame_invalid")]);
  const [frame] = jsonClientCodec.decode(`{"t":"advice","windowMs":1,${evil}}`);
  expect((frame as unknown as { moved?: boolean }).moved).toBeUndefined();
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test("a message of 1,024 frames passes, and the 1,025th frame ends the connection", () => {
  for (const [node, client] of [
    [jsonNodeCodec, jsonClientCodec],
    [msgpackNodeCodec, msgpackClientCodec],
  ] as const) {
    const frame = client.encode({ t: "ping", id: 1 });
    const many = Array.from({ length: FRAMES_PER_MESSAGE_MAX }, () => frame);
    expect(node.decode(client.join(many), LIMITS).every((item) => item.t === "ping")).toBe(true);
    const items = node.decode(client.join([...many, frame, frame, frame]), LIMITS);
    expect(items.length).toBe(FRAMES_PER_MESSAGE_MAX + 1);
    expect(items.at(-1)).toEqual(fault("frame_invalid"));
  }
  expect(jsonNodeCodec.decode("\n".repeat(100_000), LIMITS)).toEqual([fault("frame_invalid")]);
});

test("a fault with an id does not stop the frames behind it, one without does", () => {
  const lines = [
    '{"t":"subscribe","id":1}',
    '{"t":"ping","id":2}',
    '{"t":"ping"}',
    '{"t":"ping","id":3}',
  ];
  expect(jsonNodeCodec.decode(lines.join("\n"), LIMITS)).toEqual([
    fault("request_invalid", "ch", 1),
    { t: "ping", id: 2 },
    fault("frame_invalid", "id"),
  ]);
});

test("data of a node that a line feed would break stays in its frame", () => {
  const encoded = jsonNodeCodec.encode({
    t: "pub",
    ch: "a",
    o: 1,
    ts: 1,
    data: { kind: "json", text: '{\n "a":\n\n"\\n" }' },
  });
  expect(jsonClientCodec.decode(encoded)).toEqual([
    { t: "pub", ch: "a", o: 1, ts: 1, data: { a: "\n" } },
  ]);
});

test("what was cut out of a MessagePack message is a copy", () => {
  const message = publishBytes(new Uint8Array([1]));
  const [item] = msgpackNodeCodec.decode(message, LIMITS);
  message.fill(0);
  expect(item).toEqual({
    t: "publish",
    id: 1,
    ch: "a",
    data: { kind: "msgpack", bytes: new Uint8Array([1]) },
  });
});

test("a client's codec refuses what it cannot send with a TypeError", () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const codec of [jsonClientCodec, msgpackClientCodec]) {
    for (const data of [undefined, () => 1, Symbol("s"), cycle, 2n ** 70n]) {
      expect(() => codec.encode({ t: "publish", id: 1, ch: "a", data })).toThrow(TypeError);
    }
  }
});

test("members of data that are undefined are left out by both client codecs", () => {
  for (const [node, client] of [
    [jsonNodeCodec, jsonClientCodec],
    [msgpackNodeCodec, msgpackClientCodec],
  ] as const) {
    const [item] = node.decode(
      client.encode({ t: "publish", id: 1, ch: "a", data: { a: undefined, b: 1 } }),
      LIMITS,
    );
    const [again] = node.decode(
      client.encode({ t: "publish", id: 1, ch: "a", data: { b: 1 } }),
      LIMITS,
    );
    expect(item).toEqual(again as NonNullable<typeof again>);
  }
});

test("a client leaves frames of unknown types out", () => {
  expect(jsonClientCodec.decode('{"t":"later","x":1}\n{"t":"advice","windowMs":1}')).toEqual([
    { t: "advice", windowMs: 1 },
  ]);
  expect(msgpackClientCodec.decode(pack({ t: "constructor" }))).toEqual([]);
});
