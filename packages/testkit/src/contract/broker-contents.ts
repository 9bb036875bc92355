// Owns: contract tests of hostile channel names and of payloads byte for byte.
import { describe, expect, test } from "bun:test";
import type { Payload } from "@holdfast/protocol";
import { type Bench, json, ORDERED, plain, Recorder, range } from "./broker-harness.ts";

const HOSTILE_NAMES = [
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "a b",
  `quotes'"\`\\`,
  "{tag}",
  "*",
  "a*?[b]",
  "чат:комната",
  "房间:🛶",
  "e\u0301",
  "\u00e9",
  "a/../b",
  ":",
  "x".repeat(255),
  "界".repeat(255),
];

const PAYLOADS: readonly Payload[] = [
  { kind: "json", text: '{ "spaced" : [1.0, 1e3, "\\u0041"], "a":1, "a":2 }' },
  { kind: "json", text: '"🛶 \u2028 \\ud800"' },
  { kind: "json", text: "null" },
  { kind: "msgpack", bytes: Uint8Array.of(0x82, 0xa1, 0x61, 0xcd, 0, 1, 0xa1, 0x62, 0xc0) },
  { kind: "bytes", bytes: new Uint8Array(0) },
  { kind: "bytes", bytes: Uint8Array.from(range(0, 255)) },
];

export function describeContents(bench: () => Bench): void {
  describe("names and payloads", () => {
    test("any text is a channel name, and no two names are one channel", async () => {
      const broker = await bench().connect("n1");
      const recorders = HOSTILE_NAMES.map(() => new Recorder());
      for (const [index, name] of HOSTILE_NAMES.entries())
        await broker.subscribe(name, ORDERED, recorders[index] ?? new Recorder());
      for (const name of HOSTILE_NAMES)
        expect((await broker.publish(name, ORDERED, { payload: json(name) })).position.offset).toBe(
          1,
        );
      for (const [index, name] of HOSTILE_NAMES.entries()) {
        await bench().eventually(() =>
          expect(recorders[index]?.texts).toEqual([JSON.stringify(name)]),
        );
        expect((await broker.history(name, ORDERED, { limit: 10 })).publications.length).toBe(1);
      }
      expect(await broker.channels({ prefix: "", limit: 100 })).toEqual([...HOSTILE_NAMES].sort());
    });

    test("payloads arrive byte for byte and keep their kind, live and from history", async () => {
      const publisher = await bench().connect("n1");
      const recorder = new Recorder();
      const subscriber = await bench().connect("n2");
      await subscriber.subscribe("c", ORDERED, recorder);
      for (const payload of PAYLOADS) await publisher.publish("c", ORDERED, { payload });
      const expected = PAYLOADS.map(plain);
      await bench().eventually(() =>
        expect(recorder.heard.map(({ publication }) => plain(publication.payload))).toEqual(
          expected,
        ),
      );
      const page = await subscriber.history("c", ORDERED, { after: 0, limit: 100 });
      expect(page.publications.map(({ payload }) => plain(payload))).toEqual(expected);
    });

    test("payloads of a mebibyte arrive whole and in order among small ones", async () => {
      const publisher = await bench().connect("n1");
      const recorder = new Recorder();
      await (await bench().connect("n2")).subscribe("c", ORDERED, recorder);
      const bytes = new Uint8Array(1 << 20).map((_, index) => index * 31);
      const big: Payload[] = [json("ü".repeat(1 << 19)), { kind: "bytes", bytes }];
      for (const payload of [json(1), big[0], json(2), big[1], json(3)])
        if (payload) void publisher.publish("c", ORDERED, { payload });
      await bench().eventually(() => expect(recorder.offsets).toEqual([1, 2, 3, 4, 5]));
      for (const [index, payload] of big.entries()) {
        const heard = recorder.heard[2 * index + 1];
        expect(
          heard !== undefined &&
            plain(heard.publication.payload).content === plain(payload).content,
        ).toBe(true);
      }
    });
  });
}
