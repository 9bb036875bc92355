import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import { type Backend, World } from "../testing/world.ts";
import { type GraphqlRules, graphqlTransportWs } from "./graphql.ts";

const json = (value: unknown): string => JSON.stringify(value);
const init = json({ type: "connection_init", payload: { token: "t" } });
const subscribe = (id: string, query: string, operationName?: string): string =>
  json({ id, type: "subscribe", payload: { query, operationName } });
const complete = (id: string): string => json({ id, type: "complete" });
const ack = json({ type: "connection_ack" });

/** Acks; answers queries at once, mutations only if `answers`; subscriptions send one event. */
const server =
  (answers = true) =>
  (): Backend => ({
    received(frame, send) {
      const { type, id, payload } = JSON.parse(String(frame));
      if (type === "connection_init") send(ack);
      if (type !== "subscribe") return;
      const isLive = payload.query.startsWith("subscription");
      if (!isLive && !answers) return;
      send(json({ id, type: "next", payload: { data: 1 } }));
      if (!isLive) send(complete(id));
    },
  });

function world(rules: GraphqlRules = {}, answers = true): World {
  return new World({
    ...{ profile: graphqlTransportWs(rules), random: createSeededRandom(1) },
    backend: server(answers),
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
}
function moved(one: World, frames: readonly Frame[]): readonly Frame[] {
  for (const frame of frames) one.fromClient(frame);
  one.clock.advance(20);
  one.held.move("drain", 5000);
  one.clock.advance(one.limits.settleMsMax + one.limits.lastFramesMsMax + 100);
  return one.homes[1]?.received ?? [];
}

test("the login is replayed, and live subscriptions begin again; what was completed does not", () => {
  const one = world();
  const live = subscribe("2", "subscription { a }");
  const frames = [init, subscribe("1", "subscription { b }"), live, complete("1")];
  expect(moved(one, [...frames, subscribe("3", "{ c }")])).toEqual([init, live]);
  // The client acknowledged once, and its subscription hears of the new server.
  expect(one.got.filter((frame) => frame === ack).length).toBe(1);
  expect(one.got.at(-1)).toBe(json({ id: "2", type: "next", payload: { data: 1 } }));
});

test("a mutation is never sent twice: the client gets an error if no result came", () => {
  const one = world({}, false);
  const query = subscribe("q", "query { a }");
  expect(moved(one, [init, subscribe("m", "mutation { pay }"), query])).toEqual([init, query]);
  const error = JSON.parse(String(one.got.at(-1)));
  expect([error.id, error.type, error.payload.length]).toEqual(["m", "error", 1]);
});

test("a move waits for results that are under way, for a while", () => {
  const one = world({}, false);
  for (const frame of [init, subscribe("m", "mutation { pay }")]) one.fromClient(frame);
  one.clock.advance(20);
  one.held.move("drain", 5000);
  one.clock.advance(one.limits.settleMsMax - 100);
  expect(one.moves.length).toBe(0);
  const [first] = one.homes;
  one.held.fromHome(first?.id ?? -1, complete("m"));
  one.clock.advance(30);
  expect(one.moves.length).toBe(1);
  expect(one.got.some((frame) => String(frame).includes('"error"'))).toBe(false);
});

/** The server dies when it has said `results` of `operation`, and not that this was all. */
function diedAfter(operation: string, ...results: readonly string[]) {
  const one = world({}, false);
  for (const frame of [init, subscribe("1", operation)]) one.fromClient(frame);
  one.clock.advance(20);
  const home = one.homes[0]?.id ?? -1;
  for (const result of results) one.held.fromHome(home, result);
  one.held.homeClosed(home, 1006, "");
  one.clock.advance(100);
  return { got: one.got.slice(1), next: one.homes[1]?.received };
}
const result = json({ id: "1", type: "next", payload: { data: { a: 1 } } });

test.each(["query { a }", "mutation { a }"])(
  "a server that dies between the result of a %p and its end: the client gets both once",
  (operation) => {
    for (const written of [result, json({ type: "next", payload: { data: 1 }, id: "1" })]) {
      const { got, next } = diedAfter(operation, written);
      expect([got, next]).toEqual([[written, complete("1")], [init]]);
    }
  },
);

test("a result that came in part ends with an error, and is not asked for again", () => {
  const part = json({ id: "1", type: "next", payload: { data: {}, hasNext: true } });
  const { got, next } = diedAfter("query { a }", part);
  expect([got[0], JSON.parse(String(got[1])), next]).toEqual([
    part,
    {
      ...{ id: "1", type: "error" },
      payload: [{ message: "The server was replaced. The rest of the result is missing." }],
    },
    [init],
  ]);
});

test("the result of another operation says nothing about a query: it is sent again", () => {
  const other = json({ id: "2", type: "next", payload: { data: 1 } });
  const { got, next } = diedAfter("query { a }", other);
  expect([got, next]).toEqual([[other], [init, subscribe("1", "query { a }")]]);
});

test("a route may have each live subscription told that events may be missing", () => {
  const one = world({ subscriptions: "error" });
  expect(moved(one, [init, subscribe("s", "subscription { a }")])).toEqual([init]);
  expect(JSON.parse(String(one.got.at(-1)))).toMatchObject({ id: "s", type: "error" });
  // Nothing is left to tell the next server.
  one.held.move("drain", 5000);
  one.clock.advance(3000);
  expect(one.homes[2]?.received).toEqual([init]);
});

test("a client that has not said hello moves, and says it to the next server", () => {
  const one = world();
  expect(moved(one, [])).toEqual([]);
  one.fromClient(init);
  one.clock.advance(20);
  expect([one.homes[1]?.received, one.got]).toEqual([[init], [ack]]);
});

test.each([
  ["mutation { a }", undefined, false],
  ["query A { a } mutation B { b }", "A", true],
  ["query A { a } mutation B { b }", "B", false],
  ["query A { a } mutation B { b }", undefined, false],
  ["{ mutation subscription }", undefined, true],
  ['query { a(text: "mutation") }', undefined, true],
  ['query { a(text: """mutation " x""") }', undefined, true],
  ["# mutation\nquery { a }", undefined, true],
  ["fragment F on T { a } query { ...F }", undefined, true],
  ["fragment F on T { a }", undefined, false],
  ["query($mutation: Int = 1) { a }", undefined, true],
  ['query { a(x: "\\" }") } mutation M { b }', "M", false],
] as const)("%p %p is sent again: %p", (query, name, isSentAgain) => {
  const one = world({}, false);
  const frame = subscribe("1", query, name);
  expect(moved(one, [init, frame]).includes(frame)).toBe(isSentAgain);
});

test.each(["{", "[]", "null", '{"type":1}', '{"type":"subscribe"}', new Uint8Array([1])])(
  "G2: what no message is passes, for the server to judge: %p",
  (frame) => {
    const one = new World({
      ...{ profile: graphqlTransportWs(), random: createSeededRandom(1) },
      ...{ backend: () => ({ received: () => {} }), fate: () => ({ opens: "well", delayMs: 2 }) },
    });
    one.fromClient(frame);
    one.clock.advance(20);
    expect(one.homes[0]?.received).toEqual([frame]);
  },
);

test("G4: what is remembered is given back", () => {
  const one = world();
  for (let i = 0; i < 50; i++) one.fromClient(subscribe(`${i % 5}`, "subscription { a }"));
  one.clock.advance(50);
  const full = one.roomTaken;
  for (let i = 0; i < 5; i++) one.fromClient(complete(`${i}`));
  expect([full > 0, one.roomTaken]).toEqual([true, 0]);
});
