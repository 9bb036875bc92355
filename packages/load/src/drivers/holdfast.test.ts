// Owns: checks of the light speaker of holdfast.v1: positions, resuming, the server's windows,
// holes that nobody declared, both encodings.
import { describe, expect, test } from "bun:test";
import type { ServerFrame } from "@holdfast/protocol";
import { jsonNodeCodec, msgpackNodeCodec } from "@holdfast/protocol/node";
import type { SpeakerListener } from "./driver.ts";
import { HoldfastSpeaker } from "./holdfast.ts";

const CONNECTED = {
  t: "connected",
  id: 1,
  session: "s",
  node: "n",
  resumed: false,
  resume: "r1",
  pingMs: 25_000,
  windowMs: 2_000,
  messageBytesMax: 65_536,
  time: 1,
} as const;

function speaker(codec: "json" | "msgpack", token?: string) {
  const told: unknown[] = [];
  const sent: (string | Uint8Array)[] = [];
  const listener: SpeakerListener = {
    send: (message) => void sent.push(message),
    ready: () => void told.push("ready"),
    caughtUp: (channel) => void told.push(["caught up", channel]),
    answered: (request, error) => void told.push(["answered", request, error]),
    publications: (bytes, from, to) =>
      void told.push(["publications", bytes.toString("latin1", from, to).match(/mark-\d+/g)]),
    gap: (count) => void told.push(["gap", count]),
    refused: (name, end) => void told.push(["refused", name, end]),
  };
  const node = codec === "json" ? jsonNodeCodec : msgpackNodeCodec;
  const made = new HoldfastSpeaker(listener, { codec, ...(token === undefined ? {} : { token }) });
  return {
    made,
    told,
    sent: () => sent.splice(0).map((message) => node.decode(message, { dataBytesMax: 65_536 })[0]),
    /** Frames in one message, as a node sends them, somewhere inside of a larger buffer. */
    hears: (...frames: readonly ServerFrame[]) => {
      const bytes = Buffer.from(node.join(frames.map((frame) => node.encode(frame))));
      made.message(
        Buffer.concat([Buffer.from("xx"), bytes, Buffer.from("\nyy")]),
        2,
        2 + bytes.length,
      );
    },
  };
}

const pub = (o: number, ch = "room:1"): ServerFrame => ({
  t: "pub",
  ch,
  o,
  ts: 1,
  s: "s",
  data: { kind: "json", text: `{"mark":"mark-${o}"}` },
});
const subscribed = (offset: number, head: number, ch = "room:1"): ServerFrame => ({
  t: "subscribed",
  id: 3,
  ch,
  cls: "ordered",
  pos: { epoch: "e", offset },
  head,
  recovered: offset > 0,
});

for (const codec of ["json", "msgpack"] as const) {
  describe(codec, () => {
    test("a lost session is resumed, and channels go on behind what was heard last", () => {
      const { made, told, sent, hears } = speaker(codec, "token");
      made.opened();
      expect(sent()).toMatchObject([{ t: "connect", token: "token" }]);
      hears(CONNECTED);
      made.subscribe("room:1");
      hears(subscribed(0, 0), pub(1), pub(2));
      expect(told).toContainEqual(["caught up", "room:1"]);
      expect(told.flat(2).filter((text) => /^mark/.test(String(text)))).toEqual([
        "mark-1",
        "mark-2",
      ]);
      sent();
      made.opened();
      expect(sent()).toMatchObject([{ t: "connect", token: "token", resume: "r1" }]);
      made.subscribe("room:1");
      expect(sent()).toMatchObject([
        { t: "subscribe", ch: "room:1", pos: { epoch: "e", offset: 2 } },
      ]);
    });
    test("it is caught up when it has heard what was there when it subscribed, not before", () => {
      const { told, hears } = speaker(codec);
      hears(subscribed(2, 4), pub(3));
      expect(told).not.toContainEqual(["caught up", "room:1"]);
      hears(pub(4));
      expect(told.at(-1)).toEqual(["caught up", "room:1"]);
    });
    test("a hole that no gap declared is told; a declared one is a gap", () => {
      const { told, hears } = speaker(codec);
      hears(subscribed(0, 0), pub(1), pub(3));
      expect(told).toContainEqual(["refused", "undeclared_hole", "goes on"]);
      told.length = 0;
      hears(
        {
          t: "gap",
          ch: "room:1",
          from: 4,
          to: 9,
          reason: "history",
          pos: { epoch: "e", offset: 9 },
        },
        pub(10),
      );
      expect(told).toContainEqual(["gap", 6]);
      expect(told.filter((entry) => Array.isArray(entry) && entry[0] === "refused")).toEqual([]);
    });
    test("answers go to their requests, refusals by name", () => {
      const { made, told, sent, hears } = speaker(codec);
      made.publish(7, { channel: "room:1", payload: '{"mark":"m"}' });
      const [publish] = sent();
      expect(publish).toMatchObject({ t: "publish", ch: "room:1" });
      const id = publish !== undefined && "id" in publish ? Number(publish.id) : 0;
      hears(
        { t: "published", id, e: "e", o: 1 },
        { t: "err", id: id + 1, code: 213, name: "rate_limited", msg: "" },
      );
      expect(told).toEqual([
        ["answered", 7, undefined],
        ["answered", 8, "rate_limited"],
      ]);
    });
  });
}

describe("coming back", () => {
  test("keeps to the node's window, its delay, and the backoff of the protocol", () => {
    const { made, hears } = speaker("json");
    hears(CONNECTED);
    expect([made.awayMs(0, 0), made.awayMs(0, 0.5)]).toEqual([0, 1_000]);
    hears({ t: "advice", windowMs: 60_000 });
    expect(made.awayMs(0, 0.5)).toBe(30_000);
    hears({ t: "goodbye", code: 101, name: "try_later", msg: "", retryMs: 700, windowMs: 100 });
    expect(made.awayMs(0, 0.5)).toBe(750);
    expect(made.awayMs(3, 1)).toBe(4_000);
    expect(made.awayMs(30, 1)).toBe(30_000);
  });
  test("a goodbye says whether there is a way back", () => {
    const { told, hears } = speaker("json");
    hears({ t: "goodbye", code: 102, name: "draining", msg: "" });
    hears({ t: "goodbye", code: 156, name: "banned", msg: "" });
    expect(told).toEqual([
      ["refused", "draining", "ends"],
      ["refused", "banned", "stop"],
    ]);
  });
  test("a resume token that was refused is not shown again", () => {
    const { made, sent, hears } = speaker("json");
    hears(CONNECTED, { t: "goodbye", code: 106, name: "resume_rejected", msg: "" });
    made.opened();
    expect(sent()[0]).not.toHaveProperty("resume");
  });
});

describe("members may come in any order, and names may need escapes", () => {
  const cases: [string, string, string][] = [
    [
      "another order",
      "room:1",
      `{"t":"pub","d":{"mark":"mark-1","o":5},"o":1,"ch":"room:1","ts":1}`,
    ],
    [
      "a key before the offset",
      "room:1",
      `{"t":"pub","ch":"room:1","k":"a\\",\\"o\\":9","o":1,"ts":1,"d":{"mark":"mark-1"}}`,
    ],
    [
      "quotes in the name",
      'a","o":9',
      `{"t":"pub","ch":"a\\",\\"o\\":9","o":1,"ts":1,"d":{"mark":"mark-1"}}`,
    ],
    ["a name beyond ASCII", "räume", `{"t":"pub","ch":"räume","o":1,"ts":1,"d":{"mark":"mark-1"}}`],
  ];
  for (const [what, channel, text] of cases) {
    test(what, () => {
      const { made, told, sent, hears } = speaker("json");
      hears(subscribed(0, 0, channel));
      const bytes = Buffer.from(text);
      made.message(bytes, 0, bytes.length);
      expect(told.at(-1)).toEqual(["publications", ["mark-1"]]);
      made.subscribe(channel);
      expect(sent()).toMatchObject([{ pos: { epoch: "e", offset: 1 } }]);
    });
  }
  test("what is no frame ends the connection", () => {
    const { made, told } = speaker("json");
    const bytes = Buffer.from("{nonsense");
    made.message(bytes, 0, bytes.length);
    expect(told).toEqual([["refused", "frame_invalid", "ends"]]);
  });
});
