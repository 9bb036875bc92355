import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import { run } from "../testing/run.ts";
import { type Backend, World } from "../testing/world.ts";
import { Read } from "./match.ts";
import { type ReplayRules, replay } from "./replay.ts";

const RULES: ReplayRules = {
  first: 1,
  remember: [
    { match: { json: { op: "join" } }, key: "room.id", until: { json: { op: "leave" } } },
    { match: { prefix: "NICK " }, until: { prefix: "ANON" } },
  ],
  answers: [{ json: { ok: null } }],
};
const json = (value: unknown): string => JSON.stringify(value);
const join = (id: string | number, seat = 1) => json({ op: "join", room: { id }, seat });
const leave = (id: string | number) => json({ op: "leave", room: { id } });

/** Answers set-up frames, and greets whoever it greets. */
const server = (greeting?: string) => (): Backend => ({
  opened: (send) => (greeting === undefined ? undefined : send(greeting)),
  received: (frame, send) => send(json(frame === "ping" ? { pong: 1 } : { ok: frame })),
});

function moved(
  frames: readonly Frame[],
  { rules = RULES, greeting = undefined as string | undefined } = {},
) {
  const one = new World({
    ...{ profile: replay(rules), random: createSeededRandom(1), backend: server(greeting) },
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
  for (const frame of frames) one.fromClient(frame);
  one.clock.advance(20);
  const before = one.got.length;
  one.held.move("drain", 5000);
  one.clock.advance(300);
  return { one, replayed: one.homes[1]?.received ?? [], heard: one.got.slice(before) };
}

test("what the client set up is replayed in order, without what it took back or replaced", () => {
  const frames = ["token", join("a"), join("b"), "NICK x", leave("a"), "ping", join("b", 2)];
  expect(moved(frames).replayed).toEqual(["token", "NICK x", join("b", 2)]);
  expect(moved(["token", "NICK x", "NICK y", "ANON", join("a")]).replayed).toEqual([
    "token",
    join("a"),
  ]);
});

test("answers to what is replayed are swallowed, and what the next server says on its own is not", () => {
  const { one, heard } = moved(["token", join("a")], { greeting: "hello" });
  expect(heard).toEqual(["hello"]);
  one.fromClient("ping");
  one.fromClient(join("c"));
  one.clock.advance(20);
  expect(one.got.slice(-2)).toEqual([json({ pong: 1 }), json({ ok: join("c") })]);
});

test("without declared answers the next server takes over at once, and its answers are heard", () => {
  const { answers: _, ...rules } = RULES;
  expect(moved(["token"], { rules }).heard).toEqual([json({ ok: "token" })]);
});

test("a server that does not answer what is replayed does not get the client", () => {
  const backends = [server()(), { received: () => {} }, server()()];
  const one = new World({
    ...{ profile: replay(RULES), random: createSeededRandom(1) },
    backend: () => backends.shift() ?? server()(),
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
  one.fromClient("token");
  one.clock.advance(20);
  one.held.move("drain", 60_000);
  one.clock.advance(one.limits.attachMsMax + 1000);
  expect(one.moveFailures).toEqual(["it took too long"]);
  expect(one.homes.map(({ state }) => state)).toEqual(["gone", "gone", "open"]);
});

test("what the client sets up and takes back while it moves reaches the next server, too", () => {
  const answer = (frame: Frame) => json({ [String(frame).includes("leave") ? "left" : "ok"]: 1 });
  const backend = (): Backend => ({ received: (frame, send) => send(answer(frame)) });
  const one = new World({
    ...{ profile: replay(RULES), random: createSeededRandom(1), backend },
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
  for (const frame of ["token", join("a"), join("b")]) one.fromClient(frame);
  one.clock.advance(20);
  one.held.move("drain", 5000);
  // The next server was told, and the move waits for a quiet moment.
  one.clock.advance(20);
  for (const frame of [leave("a"), join("c"), join("d"), leave("d")]) one.fromClient(frame);
  one.clock.advance(300);
  expect(one.moves.length).toBe(1);
  expect(one.homes[1]?.received).toEqual(["token", join("a"), join("b"), leave("a"), join("c")]);
  const frames = ["token", join("a"), join("b"), leave("a"), join("c"), join("d"), leave("d")];
  // The answer to what takes something back is not declared: it comes twice.
  expect(one.got).toEqual([...frames, leave("a")].map(answer));
  one.fromClient(join("e"));
  one.clock.advance(20);
  expect(one.got.at(-1)).toBe(answer("token"));
});

test("keys of different kinds are different; frames without the key share one", () => {
  const frames = ["token", join(1), join("1"), leave(1)];
  expect(moved(frames).replayed).toEqual(["token", join("1")]);
});

test("G4: who sets up without end is told, and what was remembered is given back", () => {
  const one = new World({
    ...{ profile: replay(RULES), random: createSeededRandom(1), backend: server() },
    ...{ fate: () => ({ opens: "well", delayMs: 2 }), limits: { waitingBytesMax: 10_000 } },
  });
  for (let i = 0; i < 1000 && one.closed === undefined; i++) one.fromClient(join(i));
  expect(one.closed?.code).toBe(1013);
  expect(one.roomTaken).toBe(0);
  const same = moved(Array.from({ length: 1000 }, (_, i) => join("a", i)));
  expect(same.one.roomTaken).toBeLessThan(1000);
});

test.each([
  ["{", { json: { a: 1 } }, false],
  ["[1]", { json: { "0": 1 } }, true],
  ['{"a":{"b":null}}', { json: { "a.b": null } }, true],
  ['{"a":{}}', { json: { "a.b": null } }, false],
  ['{"a":1}', { json: { "a.b": 1 } }, false],
  ['{"__proto__":{"b":1}}', { json: { "constructor.name": "Object" } }, false],
  [' {"a":"1"}', { json: { a: 1 } }, false],
  [' {"a":"1"}', { json: { a: "1" } }, true],
  ["NICK", { prefix: "NICK " }, false],
  [new Uint8Array([123]), { prefix: "{" }, false],
] as const)("%p means %p: %p", (frame, match, isMeant) => {
  expect(new Read(frame).matches(match)).toBe(isMeant);
});

test("500 seeds: frames that no rule means pass as they do for stateless applications", () => {
  for (let seed = 20_001; seed <= 20_500; seed++)
    expect(run(seed, replay({ remember: [] }), seed % 2 === 0)).toMatchObject({
      seed,
      wrongs: [],
    });
});
