// Owns: what a hostile peer may send that no vector holds: large, deep, many, polluting.
import { expect, test } from "bun:test";
import type { DecodedItem } from "./client-frame-reader.ts";
import { type DecodeFault, FRAMES_PER_MESSAGE_MAX, jsonClientCodec } from "./index.ts";
import { msgpackClientCodec } from "./msgpack.ts";
import { pack } from "./msgpack-write.ts";
import { jsonNodeCodec, msgpackNodeCodec } from "./node.ts";

const LIMITS = { dataBytesMax: 65_536 };
const ROOMY = { dataBytesMax: 10_000_000 };
const fault = (
  code: DecodeFault["code"],
  path?: string,
  id?: number,
  ch?: string,
): DecodedItem => ({
  t: "fault",
  fault: {
    code,
    message: expect.any(String),
    ...(path === undefined ? {} : { path }),
    ...(id === undefined ? {} : { id }),
    ...(ch === undefined ? {} : { ch }),
  },
});
const publish = (data: string): string => `{"t":"publish","id":1,"ch":"a","d":${data}}`;
const plainPublish = (text: string): DecodedItem => ({
  t: "publish",
  id: 1,
  ch: "a",
  data: { kind: "json", text },
});
const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);
const nestedMaps = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
/** A publish in MessagePack whose `d` holds these bytes. */
const publishBytes = (bytes: Uint8Array): Uint8Array =>
  pack({ t: "publish", id: 1, ch: "a", d: bytes });
const filled = (size: number, byte: number, ...end: number[]): Uint8Array =>
  new Uint8Array(size + end.length).fill(byte).map((b, i) => end[i - size] ?? b);

test("JSON data 128 levels deep passes and 129 levels deep is refused, wherever it stands", () => {
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
      const deep = fault("payload_invalid", "d", 1, "a");
      expect(jsonNodeCodec.decode(frame, LIMITS)).toEqual([deep]);
    }
  }
});

test("brackets inside of JSON strings are not depth", () => {
  const data = JSON.stringify(`${"[{".repeat(500)}\\" \\\\`);
  expect(jsonNodeCodec.decode(publish(`[${data},${data}]`), LIMITS)[0]?.t).toBe("publish");
});

test("JSON data 100,000 levels deep is refused, and unknown members of any depth are ignored", () => {
  const deep = nested(100_000);
  const refused = fault("payload_invalid", "d", 1, "a");
  for (const [frame, item] of [
    [publish(deep), refused],
    [`{"d":${deep},"t":"publish","id":1,"ch":"a"}`, refused],
    [`{"t":"ping","id":1,"x":${deep}}`, { t: "ping", id: 1 }],
    [`{"t":"ping","id":1,"x":${nestedMaps(100_000)}}`, { t: "ping", id: 1 }],
    [
      `{"t":"subscribe","id":1,"ch":"a","pos":{"epoch":"e","x":${deep},"offset":1}}`,
      { t: "subscribe", id: 1, ch: "a", pos: { epoch: "e", offset: 1 } },
    ],
    [`{"t":"subscribe","id":1,"ch":${deep}}`, fault("request_invalid", "ch", 1)],
    [
      `{"t":"subscribe","id":1,"ch":"a","pos":{"epoch":${deep}}}`,
      fault("request_invalid", "pos.epoch", 1, "a"),
    ],
    [deep, fault("frame_invalid")],
    ["[".repeat(100_000), fault("frame_invalid")],
    [`{"t":"ping","id":1,"x":${"[".repeat(100_000)}}`, fault("frame_invalid")],
  ] as const)
    expect(jsonNodeCodec.decode(frame, ROOMY)).toEqual([item] as never);
});

test("MessagePack data 128 levels deep passes, 129 and 100,000 levels are refused", () => {
  expect(msgpackNodeCodec.decode(publishBytes(filled(128, 0x91, 1)), LIMITS)[0]?.t).toBe("publish");
  for (const levels of [129, 100_000]) {
    expect(msgpackNodeCodec.decode(publishBytes(filled(levels, 0x91, 1)), ROOMY)).toEqual([
      fault("payload_invalid", "d", 1, "a"),
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
    "9007199254740992",
    "-1152921504606846976",
    JSON.stringify(2 ** 64),
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
    `1${"0".repeat(308)}`,
    "9007199254740993",
    "-1152921504606846977",
    "[[12345678901234567890]]",
  ];
  for (const data of fine)
    expect([data, jsonNodeCodec.decode(publish(data), LIMITS)[0]?.t]).toEqual([data, "publish"]);
  for (const data of huge) {
    const path = /^\[\[\{/.test(data) ? "[0][0].a" : data.startsWith("[") ? "[0][0]" : "d";
    const refused = [fault("payload_invalid", path, 1, "a")];
    expect(jsonNodeCodec.decode(publish(data), LIMITS)).toEqual(refused);
    expect(jsonNodeCodec.decode(`{"d":${data},"t":"publish","id":1,"ch":"a"}`, LIMITS)).toEqual(
      refused,
    );
    expect(
      jsonNodeCodec.decode(
        `{"x":${nested(200)},"d":${data},"t":"publish","id":1,"ch":"a"}`,
        LIMITS,
      ),
    ).toEqual(refused);
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
    // The parser takes what names a member again; a node does not.
    if (whole === undefined || data.includes(',"')) expect(items).toEqual([fault("frame_invalid")]);
    else expect(items).toEqual([plainPublish(JSON.stringify((whole as { d: unknown }).d))]);
  });
}

test("keys that name parts of prototypes pollute nothing", () => {
  const evil =
    '"__proto__":{"polluted":1,"moved":true},"constructor":{"prototype":{"polluted":1}},"toString":1';
  expect(jsonNodeCodec.decode(`{"t":"bye",${evil}}`, LIMITS)).toEqual([{ t: "bye" }]);
  const data = '{"constructor":{"prototype":{"polluted":1}},"toString":1}';
  expect(
    jsonNodeCodec.decode(`{${evil},"t":"publish","id":1,"ch":"a","d":${data}}`, LIMITS),
  ).toEqual([plainPublish(data)]);
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
  expect(msgpackNodeCodec.decode(bye, LIMITS)).toEqual([{ t: "bye" }]);
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

test("members that nobody knows are passed over in MessagePack, whatever is in them", () => {
  const head = [0x83, 0xa1, 0x74, 0xa4, ...Buffer.from("ping"), 0xa2, 0x69, 0x64, 1, 0xa1, 0x78];
  const extension = [0xd4, 5, 0];
  for (const unknown of [
    extension,
    [0xc7, 3, 9, 1, 2, 3],
    [0x81, 1, 0xa1, 0xff],
    [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
    [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2],
    [...filled(100_000, 0x91, 1)],
    [...filled(100_000, 0x81, 1)].flatMap((byte) => (byte === 0x81 ? [0x81, 0xc0] : byte)),
    [0xdd, 0, 0, 0, 2, 0xc4, 1, 0, 0xda, 0, 1, 0xff],
  ])
    expect(msgpackNodeCodec.decode(new Uint8Array([...head, ...unknown]), ROOMY)).toEqual([
      { t: "ping", id: 1 },
    ]);
  for (const cut of [[0xc1], [0xdd, 0xff, 0xff, 0xff, 0xff], [0x92, 1], [0xd4, 5], [0xc6, 0, 0]])
    expect(msgpackNodeCodec.decode(new Uint8Array([...head, ...cut]), ROOMY)).toEqual([
      fault("frame_invalid"),
    ]);
});

test("a client leaves frames of unknown types out", () => {
  expect(jsonClientCodec.decode('{"t":"later","x":1}\n{"t":"advice","windowMs":1}')).toEqual([
    { t: "advice", windowMs: 1 },
  ]);
  expect(msgpackClientCodec.decode(pack({ t: "constructor" }))).toEqual([]);
});

/** The shortest of some runs, in ms: what else the machine does only makes a run longer. */
function shortest(run: () => unknown): number {
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now();
    run();
    return performance.now() - begin;
  });
  return Math.min(...times);
}

const repeated = (part: string): string => part.repeat(Math.floor(200_000 / part.length));

test("members that nobody knows cost the reading of their bytes", () => {
  const costs = [
    nested(100_000),
    `[${repeated(`${nested(100)},`)}1]`,
    `[${repeated('{"a":{},"b":[1]},')}1]`,
    `1,${repeated('"abc":1,')}"y":1`,
    `"${repeated("abc ")}"`,
  ].map((unknown) => {
    const text = `{"t":"ping","id":1,"x":${unknown}}`;
    expect(jsonNodeCodec.decode(text, LIMITS)).toEqual([{ t: "ping", id: 1 }]);
    const walkedMs = shortest(() => jsonNodeCodec.decode(text, LIMITS));
    return { walkedMs, builtMs: shortest(() => JSON.parse(text)) };
  });
  // Brackets are counted: measured, a twentieth of what building the lists takes.
  const [deep] = costs;
  expect(deep?.walkedMs).toBeLessThan((deep?.builtMs ?? 0) / 2);
  // Measured, half of the runtime's parser on all of them; wide, for a busy machine.
  const sum = (name: "walkedMs" | "builtMs") => costs.reduce((ms, cost) => ms + cost[name], 0);
  expect(sum("walkedMs")).toBeLessThan(sum("builtMs") * 4);
});
