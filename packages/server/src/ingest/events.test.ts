// Checks what bodies of ingest are read as, and that nothing that a sender can write breaks it.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { elementsOf } from "./elements.ts";
import { type BodyRules, formOf, readEvents } from "./events.ts";

const RULES: BodyRules = {
  channel: "c",
  key: undefined,
  idempotencyKey: undefined,
  dataOnly: false,
  eventsMax: 1_000,
};
const encode = (text: string) => new TextEncoder().encode(text);
const read = (
  type: string,
  body: string | Uint8Array,
  rules: Partial<BodyRules> = {},
  more: Record<string, string> = {},
) => {
  const headers = new Headers({ "content-type": type, ...more });
  const form = formOf(headers);
  if (form === undefined) throw new Error("no form");
  const bytes = typeof body === "string" ? encode(body) : body;
  return readEvents(form, bytes, headers, { ...RULES, ...rules });
};
const textsOf = (given: ReturnType<typeof read>) =>
  given.ok
    ? given.events.map((event) =>
        "fault" in event
          ? `${event.fault.code} ${event.fault.path ?? ""}`.trim()
          : event.payload.kind === "json"
            ? event.payload.text
            : [...("bytes" in event.payload ? event.payload.bytes : [])],
      )
    : given.problem.code;

describe("bodies", () => {
  test.each([
    ["one value", "application/json", ' {"a": 1.0} ', ['{"a": 1.0}']],
    ["a batch", "application/json", '[1, {"a":[1,2]} ,"x,]"]', ["1", '{"a":[1,2]}', '"x,]"']],
    ["an empty batch", "application/json", " [ ] ", []],
    ["a type of one's own", "application/vnd.acme+json; charset=utf-8", "true", ["true"]],
    ["lines", "application/x-ndjson", '1\n\n{"a":2}\r\n"x"', ["1", '{"a":2}', '"x"']],
    ["bytes", "application/octet-stream", new Uint8Array([0, 255]), [[0, 255]]],
    ["no JSON", "application/json", "{", "request_invalid"],
    ["two values", "application/json", "1 2", "request_invalid"],
    ["a list that is cut", "application/json", "[1,2", "request_invalid"],
    ["a list with a hole", "application/json", "[1,,2]", ["1", "request_invalid", "2"]],
    ["no UTF-8", "application/json", new Uint8Array([0x22, 0xff, 0x22]), "request_invalid"],
    [
      "lines of which some are bad",
      "application/x-ndjson",
      new Uint8Array([...encode('1\n{\n{"n":9007199254740993}\n'), 0xff, 0x0a, 0x32]),
      ["1", "request_invalid", "payload_invalid n", "request_invalid", "2"],
    ],
    ["a number beyond doubles", "application/json", '[{"x":1e999}]', ["payload_invalid x"]],
    ["a member twice", "application/json", '{"a":1,"a":2}', "payload_invalid"],
  ] as const)("with %s", (_what, type, body, expected) => {
    expect(textsOf(read(type, body as string))).toEqual(expected as never);
  });

  test.each(["text/plain", "application/xml", "application/json; charset=latin1"])(
    "of type %s are not taken",
    (type) => expect(formOf(new Headers({ "content-type": type }))).toBeUndefined(),
  );

  test("of too many events are refused as a whole", () => {
    expect(textsOf(read("application/json", "[1,2,3]", { eventsMax: 2 }))).toBe(
      "payload_too_large",
    );
    expect(textsOf(read("application/x-ndjson", "1\n2\n3", { eventsMax: 2 }))).toBe(
      "payload_too_large",
    );
  });

  test("whose events name their channels are envelopes", () => {
    const lines = [
      '{"channel":"a","data":{"x":1},"key":"k","idempotencyKey":"i"}',
      '{"channel":"b","b":"AQI="}',
      '{"data":1}',
      '{"channel":"a"}',
      '{"channel":"a","data":1,"b":"AQI="}',
      '{"channel":"a","b":"?"}',
      '{"channel":"a","data":1,"zebra":1}',
      '{"channel":"a","data":1,"key":""}',
      '{"channel":"a","data":{"__proto__":1}}',
      "5",
    ];
    const given = read("application/x-ndjson", lines.join("\n"), { channel: undefined });
    expect(given.ok && given.events.slice(0, 2)).toEqual([
      {
        channel: "a",
        payload: { kind: "json", text: '{"x":1}' },
        key: "k",
        idempotencyKey: "i",
      },
      { channel: "b", payload: { kind: "bytes", bytes: new Uint8Array([1, 2]) } },
    ]);
    const faults = textsOf(given).slice(2);
    expect(faults).toEqual([
      "request_invalid channel",
      "request_invalid data",
      "request_invalid data",
      "request_invalid b",
      "request_invalid zebra",
      "request_invalid key",
      "payload_invalid data.__proto__",
      "request_invalid",
    ]);
  });

  test("have keys of their own in a batch, and that of the request alone", () => {
    const keys = (body: string) => {
      const given = read("application/json", body, { idempotencyKey: "k" });
      return given.ok && given.events.map((event) => "payload" in event && event.idempotencyKey);
    };
    expect(keys("[1,2]")).toEqual(["k/0", "k/1"]);
    expect(keys("1")).toEqual(["k"]);
  });
});

describe("CloudEvents", () => {
  const EVENT = { specversion: "1.0", id: "1", source: "/s", type: "t", subject: "a/b" };
  const CLOUD = "application/cloudevents+json";

  test("in all three forms name the same event, and keep what they say of themselves", () => {
    const structured = read(CLOUD, JSON.stringify({ ...EVENT, data: { x: 1 } }));
    const batch = read(
      "application/cloudevents-batch+json",
      JSON.stringify([{ ...EVENT, data: { x: 1 } }]),
    );
    const binary = read(
      "application/json",
      '{"x":1}',
      {},
      {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "ce-subject": "a%2Fb",
      },
    );
    const keys = [structured, batch, binary].map((given) => {
      const [event] = given.ok ? given.events : [];
      if (event === undefined || "fault" in event) throw new Error(JSON.stringify(given));
      const value = JSON.parse(event.payload.kind === "json" ? event.payload.text : "");
      expect(value).toMatchObject({ ...EVENT, data: { x: 1 } });
      return event.idempotencyKey;
    });
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]?.length).toBeLessThan(64);
  });

  test("give their data alone if that is asked for, and their subject as a channel", () => {
    const given = read(CLOUD, JSON.stringify({ ...EVENT, data_base64: "AQI=" }), {
      channel: undefined,
      dataOnly: true,
    });
    expect(given.ok && given.events[0]).toMatchObject({
      channel: "a/b",
      payload: { kind: "bytes", bytes: new Uint8Array([1, 2]) },
    });
  });

  test.each([
    ["specversion", { ...EVENT, specversion: "0.3" }],
    ["id", { ...EVENT, id: "" }],
    ["source", { ...EVENT, source: 5 }],
    ["type", { ...EVENT, type: undefined }],
    ["BAD", { ...EVENT, BAD: "x" }],
    ["ext", { ...EVENT, ext: {} }],
    ["data_base64", { ...EVENT, data_base64: "?" }],
  ])("that break the rules are refused with the name: %s", (path, event) => {
    const given = read(CLOUD, JSON.stringify(event));
    expect(!given.ok && given.problem.path).toBe(path);
  });

  test("in a list are asked for as a batch", () => {
    expect(textsOf(read("application/cloudevents-batch+json", JSON.stringify(EVENT)))).toBe(
      "request_invalid",
    );
  });
});

test("elements of any list are the texts that it is made of", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.constantFrom("", " ", "\n\t"), (values, space) => {
      const texts = values.map((value) => JSON.stringify(value));
      const list = `${space}[${space}${texts.join(`${space},${space}`)}${space}]${space}`;
      const found = elementsOf(list, 1e6);
      expect(Array.isArray(found) && found.map((text) => text.trim())).toEqual(texts);
    }),
  );
});

test("no bytes of any kind make it throw", () => {
  const types = [
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
  ];
  const piece = fc.oneof(
    fc.constantFrom(
      "[",
      "]",
      "{",
      "}",
      ",",
      '"',
      "\\",
      "\n",
      '"channel":',
      '"data":',
      "1e9",
      "null",
    ),
    fc.string({ maxLength: 3 }),
  );
  const body = fc.array(piece, { maxLength: 40 }).map((parts) => encode(parts.join("")));
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.oneof(body, fc.uint8Array({ maxLength: 64 })),
      fc.boolean(),
      (type, bytes, hasChannel) => {
        const given = read(type, bytes, hasChannel ? {} : { channel: undefined });
        expect(typeof given.ok).toBe("boolean");
      },
    ),
    { numRuns: 3_000 },
  );
});
