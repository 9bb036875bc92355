import { expect, test } from "bun:test";
import type { KeyOptions } from "./options/key.ts";
import { keyOf } from "./request-key.ts";

const found = (key: KeyOptions, headers: Readonly<Record<string, string>>, search = "") => {
  const url = new URL(`http://a/x${search}`);
  return keyOf(key, new Request(url, { headers }), url);
};

test("a key is in a header, a cookie or the query; without one there is none", () => {
  const cookie = { from: "cookie", name: "room" } as const;
  expect([
    found({ from: "header", name: "X-Room" }, { "x-room": "blue" }),
    found({ from: "header", name: "X-Room" }, {}),
    found({ from: "query", name: "room" }, {}, "?a=1&room=b%20c&room=d"),
    found({ from: "query", name: "room" }, {}, "?room="),
    found(cookie, { cookie: "other=1; room=green; room=later" }),
    found(cookie, { cookie: "classroom=1; ROOM=2" }),
    found(cookie, { cookie: "room" }),
    found(cookie, { cookie: "=; ;room=a=b" }),
  ]).toEqual(["blue", undefined, "b c", undefined, "green", undefined, undefined, "a=b"]);
});

test("a key without end is cut: it only decides where to", () => {
  expect(found({ from: "query", name: "r" }, {}, `?r=${"x".repeat(5000)}`)?.length).toBe(256);
});
