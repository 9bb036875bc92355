import { describe, expect, test } from "bun:test";
import { transcode } from "@holdfast/protocol/node";
import fc from "fast-check";
import { membersOf, payloadOf, RawJson, writeJson } from "./json.ts";

describe("answers", () => {
  test("any JSON value is written as JSON.stringify writes it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) =>
        expect(JSON.parse(writeJson(value))).toEqual(JSON.parse(JSON.stringify(value))),
      ),
    );
  });

  test("members that are undefined are left out, and text stands as it is", () => {
    expect(
      writeJson({
        a: undefined,
        b: new RawJson('{"big":12345678901234567890}'),
        c: [undefined, null],
      }),
    ).toBe('{"b":{"big":12345678901234567890},"c":[null,null]}');
  });
});

describe("data", () => {
  test("of each form has a member of its own", () => {
    expect(membersOf(undefined)).toEqual({});
    expect(membersOf({ kind: "bytes", bytes: new Uint8Array([1, 2]) })).toEqual({ b: "AQI=" });
    expect(writeJson(membersOf({ kind: "json", text: '{"n":1e2}' }))).toBe('{"data":{"n":1e2}}');
    expect(writeJson(membersOf(transcode({ kind: "json", text: '{"n":1}' }, "msgpack")))).toBe(
      '{"data":{"n":1}}',
    );
  });

  test("that JSON cannot say comes as the MessagePack that it is", () => {
    const extension = new Uint8Array([0xd4, 5, 0]);
    expect(membersOf({ kind: "msgpack", bytes: extension })).toEqual({
      msgpack: Buffer.from(extension).toString("base64"),
    });
  });

  test("in a request is a value, bytes, or nothing", () => {
    expect(payloadOf({})).toBeUndefined();
    expect(payloadOf({ data: null })).toEqual({ kind: "json", text: "null" });
    expect(payloadOf({ b: "AQI=" })).toEqual({ kind: "bytes", bytes: new Uint8Array([1, 2]) });
    expect(payloadOf({ data: [Number.POSITIVE_INFINITY] })).toMatchObject({
      kind: "fault",
      path: "[0]",
    });
  });
});
