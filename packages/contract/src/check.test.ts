// Owns: checks of what is said about wrong definitions, from code and from plain data.
import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { definitionProblems } from "./check.ts";
import { definitionFromConfig } from "./from-config.ts";

const problems = (definition: unknown) => definitionProblems(definition, { channelLengthMax: 20 });
const handler = () => 1;

describe("a wrong definition is refused with what was found and what is expected", () => {
  const rows: [definition: unknown, problem: string][] = [
    [undefined, "Cannot use the contract: found nothing, expected an object with channels"],
    [
      { channels: {}, hook: {} },
      'Cannot use the contract: found unknown member "hook", expected channels, rpc, hooks, middleware, dependencies, pipelines, sources',
    ],
    [{}, "Cannot use the channels: found nothing, expected an object of patterns"],
    [{ channels: [] }, "Cannot use the channels: found a list, expected an object of patterns"],
    [{ channels: { x: null } }, 'Cannot use channel "x": found null, expected an object'],
    [
      { channels: { "x{": {} } },
      'Cannot use channel "x{": found "x{", expected at most one {parameter} between colons',
    ],
    [
      { channels: { ["x".repeat(21)]: {} } },
      `Cannot use channel "${"x".repeat(21)}": found 21 characters, expected at most 20`,
    ],
    [
      { channels: { "a:{x}": {}, "a:b": {} } },
      'Cannot use channel "a:b": found it behind "a:{x}", which takes all its names, expected the narrower pattern first',
    ],
    [
      { channels: { x: { class: "orderd" } } },
      'Cannot use channel "x": found class "orderd", expected one of volatile, latest, ordered, durable',
    ],
    [
      { channels: { x: { class: 1 } } },
      'Cannot use channel "x": found class 1, expected one of volatile, latest, ordered, durable',
    ],
    [
      { channels: { x: { history: { size: -1 } } } },
      'Cannot use channel "x": found history.size -1, expected a whole number from 0 to 1000000',
    ],
    [
      { channels: { x: { history: { size: 1.5 } } } },
      'Cannot use channel "x": found history.size 1.5, expected a whole number from 0 to 1000000',
    ],
    [
      { channels: { x: { history: { ttlMs: Number.NaN } } } },
      'Cannot use channel "x": found history.ttlMs NaN, expected a whole number from 1 to 31622400000',
    ],
    [
      { channels: { x: { class: "latest", history: { size: 0 } } } },
      'Cannot use channel "x": found history.size 0, expected a whole number from 1 to 1000000',
    ],
    [
      { channels: { x: { history: 5 } } },
      'Cannot use channel "x": found history 5, expected an object with size and ttlMs',
    ],
    [
      { channels: { x: { history: { ttl: 5 } } } },
      'Cannot use channel "x": found history with unknown member "ttl", expected size, ttlMs',
    ],
    [
      { channels: { x: { class: "volatile", history: { size: 5 } } } },
      'Cannot use channel "x": found history on a volatile channel, expected class ordered, durable or latest',
    ],
    [
      { channels: { x: { class: "durable" } } },
      'Cannot use channel "x": found class durable without history.ttlMs, expected how long publications are kept',
    ],
    [
      { channels: { x: { slowConsumer: "conflate" } } },
      'Cannot use channel "x": found slowConsumer "conflate", expected one of catch-up, disconnect in class ordered',
    ],
    [
      { channels: { x: { slowConsumer: "catch-up", history: { size: 0 } } } },
      'Cannot use channel "x": found slowConsumer catch-up with history.size 0, expected a history to catch up from',
    ],
    [
      { channels: { x: { presence: "yes" } } },
      'Cannot use channel "x": found presence "yes", expected true or false',
    ],
    [
      { channels: { x: { presenceData: z.string() } } },
      'Cannot use channel "x": found presenceData without presence, expected presence: true beside it',
    ],
    [
      { channels: { x: { payload: { text: "string" } } } },
      'Cannot use channel "x": found payload an object, expected a Standard Schema (zod, valibot, arktype)',
    ],
    [
      { channels: { x: { paylod: 1 } } },
      'Cannot use channel "x": found unknown member "paylod", expected payload, presenceData, class, history, presence, permissions, slowConsumer',
    ],
    [
      { channels: { x: { permissions: "anyone" } } },
      'Cannot use channel "x": found permissions "anyone", expected an object with subscribe, publish, presence, history',
    ],
    [
      { channels: { x: { permissions: { publish: "all" } } } },
      'Cannot use channel "x": found permissions.publish "all", expected one of anyone, authenticated, token, nobody or a function',
    ],
    [
      { channels: { x: { permissions: { write: "anyone" } } } },
      'Cannot use channel "x": found permissions with unknown member "write", expected subscribe, publish, presence, history',
    ],
    [
      { channels: {}, rpc: { sum: {} } },
      'Cannot use rpc "sum": found handler nothing, expected a function',
    ],
    [
      { channels: {}, rpc: { sum: { handler, allow: "token" } } },
      'Cannot use rpc "sum": found allow "token", expected anyone, authenticated or a function',
    ],
    [
      { channels: {}, rpc: { sum: { handler, input: 3 } } },
      'Cannot use rpc "sum": found input 3, expected a Standard Schema (zod, valibot, arktype)',
    ],
    [
      { channels: {}, rpc: { "": { handler } } },
      'Cannot use rpc "": found a name of 0 characters, expected 1 to 128',
    ],
    [
      { channels: {}, hooks: { onConnect: true } },
      "Cannot use the hooks: found onConnect true, expected a function",
    ],
    [
      { channels: {}, middleware: handler },
      "Cannot use the middleware: found a function, expected a list of functions",
    ],
    [
      { channels: {}, middleware: [handler, "log"] },
      'Cannot use the middleware: found "log", expected a function',
    ],
    [
      { channels: {}, dependencies: { start: "db" } },
      'Cannot use the dependencies: found start "db", expected a function',
    ],
    [
      { channels: {}, dependencies: { stop: handler } },
      "Cannot use the dependencies: found start nothing, expected a function",
    ],
    [
      { channels: {}, hooks: { onClose: handler } },
      'Cannot use the hooks: found unknown member "onClose", expected onConnect, onSubscribe, onPublish, onDisconnect',
    ],
  ];
  for (const [definition, problem] of rows)
    test(problem, () => expect(problems(definition)).toEqual([problem]));
});

test("every problem is told, up to a limit", () => {
  expect(problems({ channels: { x: { class: "a", presence: 1 }, y: { nope: 1 } } })).toHaveLength(
    3,
  );
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`c${n}`, { class: "?" }]));
  expect(problems({ channels: many })).toHaveLength(51);
  expect(problems({ channels: many }).at(-1)).toBe("and 50 more problems");
  const tooMany = Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`c${n}`, {}]));
  expect(problems({ channels: tooMany })).toEqual([
    "Cannot use the channels: found 1001 patterns, expected at most 1000",
  ]);
});

test("namespaces from a file make a definition, with null as the default", () => {
  const result = definitionFromConfig({
    "chat:{room}": {
      presence: true,
      history: { size: 10, ttlMs: null },
      permissions: { publish: "token" },
    },
    news: null,
  });
  expect(result).toEqual({
    ok: true,
    definition: {
      channels: {
        "chat:{room}": { presence: true, history: { size: 10 }, permissions: { publish: "token" } },
        news: {},
      },
    },
  });
});

test("namespaces from a file take no schema and no function, and are checked with the same texts", () => {
  const result = definitionFromConfig({
    a: { payload: {} },
    b: { permissions: { subscribe: handler } },
    c: { class: "?" },
  });
  expect(result).toEqual({
    ok: false,
    problems: [
      'Cannot use channel "a": found unknown member "payload", expected class, history, presence, permissions, slowConsumer',
      'Cannot use channel "b": found permissions.subscribe a function, expected one of anyone, authenticated, token, nobody',
      'Cannot use channel "c": found class "?", expected one of volatile, latest, ordered, durable',
    ],
  });
  for (const value of [null, [], "x", 1]) expect(definitionFromConfig(value).ok).toBe(false);
});
