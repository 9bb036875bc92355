// Owns: payloads between their forms.
import { expect, test } from "bun:test";
import { type Payload, PayloadError, payloadBytes, samePayload } from "./index.ts";
import { payloadFromValue, payloadValue, transcode } from "./node.ts";

const json = (text: string): Payload => ({ kind: "json", text });
const msgpack = (...bytes: number[]): Payload => ({
  kind: "msgpack",
  bytes: new Uint8Array(bytes),
});
const bytes = (...list: number[]): Payload => ({ kind: "bytes", bytes: new Uint8Array(list) });

test("a value becomes a payload of either form and comes back", () => {
  for (const value of [null, 0, -1.5, "é", [1, [2]], { a: { b: [] } }, true]) {
    for (const form of ["json", "msgpack"] as const) {
      const payload = payloadFromValue(value, form);
      expect(payload.kind).toBe(form);
      expect(payloadValue(payload)).toEqual(value);
    }
  }
});

test("a Uint8Array is a byte string in either form, and is not transcoded", () => {
  const value = new Uint8Array([1, 2]);
  expect(payloadFromValue(value, "json")).toEqual(bytes(1, 2));
  expect(payloadFromValue(value, "msgpack")).toEqual(bytes(1, 2));
  const payload = bytes(1, 2);
  expect(transcode(payload, "json")).toBe(payload);
  expect(payloadValue(payload)).toEqual(value);
});

test("a payload in the wanted form is returned as it is", () => {
  const payload = json(" 1.0 ");
  expect(transcode(payload, "json")).toBe(payload);
});

const cycle: unknown[] = [];
cycle.push(cycle);
for (const [name, value] of [
  ["undefined", undefined],
  ["a function", () => 1],
  ["a symbol", Symbol("s")],
  ["a cycle", cycle],
  ["a huge BigInt", 2n ** 70n],
] as const) {
  test(`${name} is no payload`, () => {
    for (const form of ["json", "msgpack"] as const)
      expect(() => payloadFromValue(value, form)).toThrow(PayloadError);
  });
}

test("payloads that no codec checked and that do not parse are PayloadErrors with a code", () => {
  for (const payload of [json("{"), msgpack(0x92, 1), msgpack()]) {
    expect(() => payloadValue(payload)).toThrow(PayloadError);
    expect(() => transcode(payload, payload.kind === "json" ? "msgpack" : "json")).toThrow(
      PayloadError,
    );
  }
  expect(new PayloadError("x").code).toBe("payload_invalid");
});

test("size for accounts is bytes, or characters of JSON text", () => {
  expect([payloadBytes(json('"漢"')), payloadBytes(msgpack(1, 2)), payloadBytes(bytes())]).toEqual([
    3, 2, 0,
  ]);
});

test("payloads are the same when form and content are", () => {
  const all = [json("1"), json("1.0"), msgpack(1), msgpack(2), bytes(1), bytes(1, 2)];
  for (const [i, a] of all.entries()) {
    for (const [k, b] of all.entries()) expect(samePayload(a, b)).toBe(i === k);
    expect(
      samePayload(a, a.kind === "json" ? json(a.text) : { kind: a.kind, bytes: a.bytes.slice() }),
    ).toBe(true);
  }
});
