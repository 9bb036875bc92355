// Owns: spec/vectors/sessions.json is well-formed: every frame is one that the protocol knows and
// every placeholder has a value when it is used.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CODES, type CodeName, jsonClientCodec } from "./index.ts";
import { jsonNodeCodec } from "./node.ts";
import {
  type SessionStep,
  SessionValues,
  type SessionVector,
  type VectorFrame,
} from "./session-vectors.ts";

const { sessions } = JSON.parse(
  readFileSync(new URL("../../../spec/vectors/sessions.json", import.meta.url), "utf8"),
) as {
  sessions: readonly SessionVector[];
};

/** Frames of these sessions are faulty on purpose. */
const FAULTY = new Set(["subscribe 2", "publish 9", "publish 11", "teleport 3"]);
const CLOSE_CODES = new Set([
  1000,
  ...Object.values(CODES).map((row) => ("close" in row ? row.close : 0)),
]);

const choose = (type: "str" | "int"): unknown => (type === "str" ? "x" : 1);

for (const session of sessions) {
  test(`session "${session.name}" can be replayed`, () => {
    const values = new SessionValues();
    const open = new Set<string>();
    expect((session.clocksAheadMs ?? []).length).toBeLessThanOrEqual(session.nodes ?? 1);
    for (const step of session.steps) {
      if ("do" in step || "open" in step)
        expect(step.node ?? 1).toBeLessThanOrEqual(session.nodes ?? 1);
      if ("do" in step) expect(["drain", "remove_history"]).toContain(step.do);
      else if ("open" in step) open.add(step.open);
      else if ("send" in step)
        for (const frame of step.frames) checkClientFrame(values.fill(frame) as VectorFrame);
      else if ("expect" in step)
        for (const frame of step.frames)
          checkServerFrame(values.fill(frame, choose) as VectorFrame);
      else if ("closed" in step) expect(CLOSE_CODES.has(step.code)).toBe(true);
      if ("send" in step) expect(open).toContain(step.send);
      if ("expect" in step) expect(open).toContain(step.expect);
      if ("closed" in step) expect(open.delete(step.closed)).toBe(true);
      if ("cut" in step) expect(open.delete(step.cut)).toBe(true);
    }
  });
}

/** What a node has surely heard of, by node and channel: the newest offset that a client saw. */
class Heads {
  readonly #seen = new Map<string, number>();
  readonly #nodes = new Map<string, number>();

  take(step: SessionStep): void {
    if ("open" in step) this.#nodes.set(step.open, step.node ?? 1);
    if (!("expect" in step)) return;
    for (const frame of step.frames) {
      const key = `${this.#nodes.get(step.expect)} ${frame.ch}`;
      const offset =
        frame.t === "subscribed" ? frame.head : frame.t === "pub" ? frame.o : undefined;
      if (typeof offset !== "number") continue;
      const seen = this.#seen.get(key);
      // The first subscription of a node asks the broker.
      if (frame.t === "subscribed" && seen !== undefined) expect(seen).toBe(offset);
      this.#seen.set(key, Math.max(seen ?? 0, offset));
    }
  }
}

for (const session of sessions) {
  test(`session "${session.name}" expects no head that its node may not have heard of`, () => {
    const heads = new Heads();
    for (const step of session.steps) heads.take(step);
  });
}

function checkClientFrame(frame: VectorFrame): void {
  const [item] = jsonNodeCodec.decode(JSON.stringify(frame), { dataBytesMax: 65_536 });
  const isFaulty = item?.t === "fault";
  if (isFaulty) expect(FAULTY).toContain(`${frame.t} ${frame.id}`);
}

function checkServerFrame(frame: VectorFrame): void {
  expect(jsonClientCodec.decode(JSON.stringify(frame)).length).toBe(1);
  if (typeof frame.code === "number") expect(CODES[frame.name as CodeName].number).toBe(frame.code);
}

test("session names are unique", () => {
  expect(new Set(sessions.map((session) => session.name)).size).toBe(sessions.length);
});

test("a placeholder keeps the first value that it meets and then wants that value", () => {
  const values = new SessionValues();
  expect(() => values.fill({ a: "<str:e>" })).toThrow(RangeError);
  expect(
    values.match(
      { a: "<str:e>", list: ["<int>", { b: "<str:e>" }] },
      { a: "x", list: [4, { b: "x" }], more: 1 },
    ),
  ).toBeUndefined();
  expect(values.match({ a: "<str:e>" }, { a: "y" })).toBe('.a: expected "x", found "y"');
  expect(values.fill({ pos: { epoch: "<str:e>" }, gone: "<absent>" })).toEqual({
    pos: { epoch: "x" },
  });
});

for (const [name, template, actual] of [
  ["a string for an integer", { o: "<int>" }, { o: "1" }],
  ["a fraction", { o: "<int>" }, { o: 1.5 }],
  ["an empty string", { s: "<str>" }, { s: "" }],
  ["a missing member", { d: null }, {}],
  ["a member that has to be absent", { dup: "<absent>" }, { dup: true }],
  ["a longer list", { list: [1] }, { list: [1, 2] }],
  ["a list for a map", { pos: {} }, { pos: [] }],
  ["two values for one name in one frame", { a: "<str:n>", b: "<str:n>" }, { a: "x", b: "y" }],
] as const) {
  test(`${name} does not fit, and nothing is kept`, () => {
    const values = new SessionValues();
    expect(values.match(template, actual)).toContain("expected");
    expect(() => values.fill("<str:n>")).toThrow(RangeError);
  });
}
