// Owns: tests of what the memory broker counts for each thing that it keeps, byte by byte.
import { describe, expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Payload } from "@holdfast/protocol";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import type { PresenceMember, PublishRequest } from "../ports.ts";
import { createMemoryBroker } from "./index.ts";
import { KEPT_BASE_BYTES, pageBytes, publicationBytes } from "./kept.ts";
import { ROOM_BASE_BYTES } from "./limits.ts";
import { PresenceTable } from "./presence-table.ts";
import { Stream } from "./stream.ts";

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 2, ttlMs: 10_000 };
const VOLATILE: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 0 };
const BOUNDS = { windowMs: 1000, keysMax: 10, keptBytesMax: 1_000_000 };
const AT = { nowMs: 0, wallMs: 0 };
const json = (text: string): Payload => ({ kind: "json", text });
const bytes = (length: number): Payload => ({ kind: "bytes", bytes: new Uint8Array(length) });
/** A known idempotency key of two characters, and the window that holds it. */
const KEY_BYTES = 124;
const WINDOW_BYTES = 640;

describe("a publication", () => {
  // In memory: text twice, bytes once. In a page, as it is sent: everything once.
  test.each<[string, PublishRequest, { kept: number; page: number }]>([
    ["text", { payload: json("12345") }, { kept: 160 + 10, page: 96 + 5 }],
    ["bytes", { payload: bytes(5) }, { kept: 160 + 5, page: 96 + 5 }],
    ["a key", { payload: bytes(0), key: "abc" }, { kept: 160 + 6, page: 96 + 3 }],
    ["a user", { payload: bytes(0), user: "abcd" }, { kept: 160 + 8, page: 96 + 4 }],
    ["a session", { payload: bytes(0), session: "s" }, { kept: 160 + 2, page: 96 + 1 }],
  ])("with %s", (_what, request, { kept, page }) => {
    expect(publicationBytes(request)).toBe(kept);
    expect(pageBytes({ offset: 1, timeMs: 0, ...request })).toBe(page);
  });
});

describe("what a publish grows a stream by is known before it", () => {
  const each = publicationBytes({ payload: json("12") });
  const keyed = { payload: json("12"), idempotencyKey: "k1" };
  const plain = { payload: json("12") };
  test.each<[string, StreamOptions, readonly PublishRequest[], PublishRequest, number]>([
    ["the first", ORDERED, [], plain, KEPT_BASE_BYTES + each],
    ["the second", ORDERED, [plain], plain, each],
    ["one that displaces its like", ORDERED, [plain, plain], plain, 0],
    ["one that is longer", ORDERED, [plain, plain], { payload: json("1234") }, 4],
    ["the first with a key", ORDERED, [plain], keyed, each + WINDOW_BYTES + KEY_BYTES],
    ["the next with a key", ORDERED, [keyed], { ...keyed, idempotencyKey: "k2" }, each + KEY_BYTES],
    ["nothing kept", VOLATILE, [], plain, 0],
    ["nothing kept but a key", VOLATILE, [], keyed, WINDOW_BYTES + KEY_BYTES],
  ])("%s", (_what, options, before, request, growth) => {
    const stream = new Stream("e", options, BOUNDS);
    for (const earlier of before) stream.append(options, earlier, AT);
    const { bytes: had } = stream;
    expect(stream.growthBytes(options, request)).toBe(growth);
    const isDisplacing = before.length === ORDERED.sizeMax;
    expect(stream.addedBytes(options, request)).toBe(growth + (isDisplacing ? each : 0));
    stream.append(options, request, AT);
    expect(stream.bytes - had).toBe(growth);
  });

  test("a stream at its bytes grows by none, however long the publication is", () => {
    const stream = new Stream("e", ORDERED, { ...BOUNDS, keptBytesMax: KEPT_BASE_BYTES + each });
    stream.append(ORDERED, plain, AT);
    expect(stream.growthBytes(ORDERED, { payload: json("1234") })).toBe(0);
    const room = new Stream("e", ORDERED, { ...BOUNDS, keptBytesMax: KEPT_BASE_BYTES + each + 3 });
    room.append(ORDERED, plain, AT);
    expect(room.growthBytes(ORDERED, { payload: json("1234") })).toBe(3);
  });

  test("what goes next has been kept for as long as it is there", () => {
    const stream = new Stream("e", ORDERED, BOUNDS);
    expect(stream.displacedAgeMs(ORDERED, plain, 70)).toBe(0);
    for (const nowMs of [10, 20]) stream.append(ORDERED, plain, { nowMs, wallMs: 0 });
    expect(stream.displacedAgeMs(ORDERED, plain, 70)).toBe(60);
  });
});

test("a channel counts its base, twice its name, and what its stream keeps", async () => {
  const clock = createManualClock();
  const limits = { streamIdleMs: 1000, idempotencyWindowMs: 1000 };
  const broker = createMemoryBroker({ clock, random: createSeededRandom(1), limits });
  const node = broker.connect("n1");
  await node.history("four", ORDERED, { limit: 1 });
  expect(broker.figures().bytes).toBe(ROOM_BASE_BYTES + 8);
  const request = { payload: json("12"), idempotencyKey: "k1" };
  await node.publish("four", ORDERED, request);
  const stream = KEPT_BASE_BYTES + publicationBytes(request) + WINDOW_BYTES + KEY_BYTES;
  expect(broker.figures().bytes).toBe(ROOM_BASE_BYTES + 8 + stream);
  await node.publish("four", ORDERED, request);
  expect(broker.figures().bytes).toBe(ROOM_BASE_BYTES + 8 + stream);
  await node.removeHistory("four", ORDERED);
  expect(broker.figures().bytes).toBe(ROOM_BASE_BYTES + 8 + WINDOW_BYTES + KEY_BYTES);
  clock.advance(20_000);
  expect(broker.figures().bytes).toBe(0);
});

describe("a member", () => {
  test.each<[string, PresenceMember, { kept: number; page: number }]>([
    ["alone", { member: "m1" }, { kept: 320 + 4, page: 96 + 2 }],
    ["with a user", { member: "m1", user: "abc" }, { kept: 320 + 10, page: 96 + 5 }],
    ["with text", { member: "m1", data: json("1234") }, { kept: 320 + 12, page: 96 + 6 }],
    ["with bytes", { member: "m1", data: bytes(4) }, { kept: 320 + 8, page: 96 + 6 }],
  ])("%s", (_what, member, { kept, page }) => {
    const limits = { membersMax: 10, presenceBytesMax: 1e6, nodesMax: 1, firstLeaseMs: 10 };
    const table = new PresenceTable(limits);
    const at = { nowMs: 0 };
    table.enter("c", member, "n/1", at);
    expect(table.bytes).toBe(kept);
    table.enter("c", { member: "m2" }, "n/1", at);
    // A page ends when its bytes are reached.
    expect(table.members("c", { bytesMax: page }).members).toHaveLength(1);
    expect(table.members("c", { bytesMax: page + 1 }).members).toHaveLength(2);
    table.enter("c", { member: "m1", data: json("123") }, "n/1", at);
    expect(table.bytes).toBe(320 + 4 + 6 + 320 + 4);
    // As much as fits the table exactly is taken.
    const tight = new PresenceTable({ ...limits, presenceBytesMax: kept });
    expect(tight.enter("c", member, "n/1", at)).toMatchObject({ kind: "join" });
    const short = new PresenceTable({ ...limits, presenceBytesMax: kept - 1 });
    expect(short.enter("c", member, "n/1", at)).toBe("full");
  });
});

test("a member that enters again for another party counts for that one alone", () => {
  const limits = { membersMax: 10, presenceBytesMax: 1000, nodesMax: 1, firstLeaseMs: 10 };
  const table = new PresenceTable(limits);
  const enter = (member: string, party: string) =>
    table.enter("c", { member, data: bytes(76) }, "n/1", { nowMs: 0, party });
  expect(enter("m1", "u:a")).toMatchObject({ kind: "join" });
  expect(enter("m1", "u:b")).toBeUndefined();
  expect([table.bytes, table.parties]).toEqual([400, 1]);
  expect(enter("m2", "u:b")).toBe("share");
  expect(enter("m2", "u:a")).toMatchObject({ kind: "join" });
});
