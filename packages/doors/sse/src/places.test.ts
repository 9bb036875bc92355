// Checks the ids of events: what was written is read, and anything else is refused or harmless.
import { expect, test } from "bun:test";
import { EPOCH_LENGTH_MAX } from "@holdfast/protocol";
import fc from "fast-check";
import { CHANNELS_MAX, PlaceWriter, readPlaces, tagOf } from "./places.ts";

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 255 });
const place = fc.record({
  epoch: fc.string({ unit: "grapheme", minLength: 1, maxLength: EPOCH_LENGTH_MAX / 8 }),
  offset: fc.maxSafeNat(),
});

test("places that were written are read, in one line of ASCII", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(name, place), {
        selector: ([channel]) => tagOf(channel),
        maxLength: CHANNELS_MAX,
      }),
      (entries) => {
        const channels = entries.map(([channel]) => channel);
        const places = new Map(entries);
        const { text } = new PlaceWriter(channels, places);
        expect(text).toMatch(/^[\x21-\x7e]+$/);
        expect(readPlaces(text, channels)).toEqual(places);
        // A reader that asks for fewer channels, or for more, keeps those that it has.
        expect(readPlaces(text, channels.slice(1))).toEqual(new Map(entries.slice(1)));
        expect(readPlaces(text, [...channels, "zzz more"])).toEqual(places);
      },
    ),
  );
});

test("a place that moves, and one in another epoch, are in the next text", () => {
  const writer = new PlaceWriter(["a", "b"], new Map([["a", { epoch: "e", offset: 1 }]]));
  writer.set("b", { epoch: "f", offset: 5 });
  writer.move("a", 2);
  writer.set("b", { epoch: "g", offset: 0 });
  writer.move("unknown", 9);
  expect(readPlaces(writer.text, ["a", "b"])).toEqual(
    new Map([
      ["a", { epoch: "e", offset: 2 }],
      ["b", { epoch: "g", offset: 0 }],
    ]),
  );
});

test.each([
  ["nothing", ""],
  ["another version", "2aaaaaae.1"],
  ["no offset", "1aaaaaae."],
  ["no epoch", "1aaaaaa.1"],
  ["no tag", "1.e.1"],
  ["an offset that no double holds", "1aaaaaae.zzzzzzzzzzz"],
  ["a broken escape", "1aaaaaa%e0%a4.1"],
  ["an epoch that is too long", `1aaaaaa${"e".repeat(65)}.1`],
  ["too many places", `1${Array(33).fill("aaaaaae.1").join("~")}`],
  ["a line feed", "1aaaaaae\n.1"],
  ["very long text", `1${"a".repeat(100_000)}`],
])("an id with %s is none of ours", (_what, text) => {
  expect(readPlaces(text, ["a"])).toBe("invalid");
});

test("any text is read in one pass, and never throws", () => {
  const { text } = new PlaceWriter(["a"], new Map([["a", { epoch: "e".repeat(64), offset: 1 }]]));
  fc.assert(
    fc.property(fc.nat(text.length), fc.string({ maxLength: 3 }), (at, more) => {
      const changed = text.slice(0, at) + more + text.slice(at + 1);
      const read = readPlaces(changed, ["a"]);
      expect(read === "invalid" || read.size <= 1).toBe(true);
    }),
  );
  for (const part of [".", "~", "1", "aaaaaae.1~", "%", "a."])
    expect(readPlaces(`1${part.repeat(8_000 / part.length)}`, ["a"])).toBe("invalid");
});
