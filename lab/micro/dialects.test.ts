// Owns: checks that drivers know what each server's messages are.
import { describe, expect, test } from "bun:test";
import { type Arrival, DIALECTS, type Rival } from "./dialects.ts";

const pub = '{"t":"pub","ch":"room","o":1,"ts":1,"d":{"n":1}}';

describe("messages are told apart by their first bytes", () => {
  const rows: [rival: Rival, message: string, arrival: Arrival][] = [
    ["bun", '{"n":1}', 1],
    ["bun", "ok", "ack"],
    ["bun", "?", "other"],
    ["socketio", '0{"sid":"x"}', "open"],
    ["socketio", '40{"sid":"x"}', "ready"],
    ["socketio", '42["m",{"n":1}]', 1],
    ["socketio", "430[]", "ack"],
    ["socketio", "2", "other"],
    ["holdfast", '{"t":"connected","id":1}', "ready"],
    ["holdfast", '{"t":"subscribed","id":2,"ch":"room"}', "ack"],
    ["holdfast", pub, 1],
    ["holdfast", `${pub}\n${pub}\n${pub}`, 3],
    ["holdfast", '{"t":"published","id":3,"e":"x","o":1}', { acknowledged: 1 }],
    [
      "holdfast",
      '{"t":"published","id":3,"e":"x","o":1}\n{"t":"published","id":4,"e":"x","o":2}',
      { acknowledged: 2 },
    ],
    ["holdfast", '{"t":"goodbye","code":100}', "other"],
    ["holdfast", '{"t":"err","id":2}', "other"],
  ];
  for (const [rival, message, arrival] of rows) {
    test(`${rival}: ${message.slice(0, 40)} is ${JSON.stringify(arrival)}`, () => {
      const bytes = new TextEncoder().encode(`xx${message}\n{}`);
      expect(DIALECTS[rival].arrival(bytes, 2, 2 + message.length)).toEqual(arrival);
    });
  }
});
