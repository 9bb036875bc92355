import { describe, expect, test } from "bun:test";
import { RawJson } from "../json.ts";
import { formatFor, NDJSON, SSE } from "./format.ts";

describe("what Accept asks for", () => {
  test.each([
    [null, NDJSON],
    ["", NDJSON],
    ["*/*", NDJSON],
    ["application/x-ndjson", NDJSON],
    ["application/jsonl, */*;q=0.1", NDJSON],
    ["text/event-stream", SSE],
    ["Text/Event-Stream; charset=utf-8", SSE],
    ["application/x-ndjson;q=0.5, text/event-stream;q=0.9", SSE],
    ["text/event-stream;q=0, application/x-ndjson", NDJSON],
    ["application/json, text/html", undefined],
    ["application/json, */*", NDJSON],
    ["text/event-stream;q=0", undefined],
    ["text/event-stream;q=x", undefined],
  ])("%p", (accept, expected) => {
    expect(formatFor(accept)).toBe(expected as typeof NDJSON);
  });
});

describe("events on the wire", () => {
  const event = { event: "publication", id: "e:1", data: { data: new RawJson('{"a":\r\n1}') } };

  test("an event is one line of NDJSON, or one server-sent event, whatever its data", () => {
    expect(NDJSON.render(event)).toBe(
      '{"event":"publication","id":"e:1","data":{"data":{"a": 1}}}\n',
    );
    expect(SSE.render(event)).toBe('event: publication\nid: e:1\ndata: {"data":{"a": 1}}\n\n');
  });

  test("an event without an id has none", () => {
    expect(SSE.render({ event: "end", data: {} })).toBe("event: end\ndata: {}\n\n");
    expect(NDJSON.render({ event: "end", data: {} })).toBe('{"event":"end","data":{}}\n');
  });
});
