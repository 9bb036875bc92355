// Owns: what option `backEnds` takes, and how it refuses the rest.
import { describe, expect, test } from "bun:test";
import { readBackEnds } from "./back-ends.ts";

test("a back end has usual values for what is not said", () => {
  const read = readBackEnds({ desk: { url: "https://desk.internal/holdfast" } });
  expect(read).toEqual({
    ok: true,
    value: {
      desk: {
        url: "https://desk.internal/holdfast",
        timeoutMs: 2000,
        hooks: [],
        rpcs: {},
        whenAway: "refuse",
      },
    },
  });
});

test("JSON text is read as a map is, and times have units", () => {
  const text = JSON.stringify({
    desk: { url: "http://a/", timeoutMs: "500ms", hooks: ["onPublish"], rpcs: { close: "anyone" } },
  });
  expect(readBackEnds(text)).toMatchObject({
    value: { desk: { timeoutMs: 500, hooks: ["onPublish"], rpcs: { close: "anyone" } } },
  });
});

describe("a wrong one is refused at its place", () => {
  const url = "http://a/";
  const rows: readonly (readonly [unknown, string])[] = [
    [{ desk: {} }, ".desk.url"],
    [{ desk: "http://a/" }, ".desk"],
    [{ desk: { url: "ftp://a/" } }, ".desk.url"],
    [{ desk: { url: "http://user:pw@a/" } }, ".desk.url"],
    [{ desk: { url, secretFrom: "not a name" } }, ".desk.secretFrom"],
    [{ desk: { url, hooks: ["onMessage"] } }, ".desk.hooks"],
    [{ desk: { url, hooks: ["onPublish", "onPublish"] } }, ".desk.hooks"],
    [{ desk: { url, rpcs: { close: "everyone" } } }, ".desk.rpcs.close"],
    [{ desk: { url, rpcs: ["close"] } }, ".desk.rpcs"],
    [{ desk: { url, timeoutMs: 5 } }, ".desk.timeoutMs"],
    [{ desk: { url, timeoutMs: "2 h" } }, ".desk.timeoutMs"],
    [{ desk: { url, whenAway: "maybe" } }, ".desk.whenAway"],
    [{ desk: { url, retries: 3 } }, ".desk.retries"],
    [{ "my desk": { url } }, ".my desk"],
  ];
  test.each(rows)("%j", (found, at) => {
    const read = readBackEnds(found);
    expect(read.ok ? [] : read.refused.map((one) => one.at)).toEqual([at]);
    expect(JSON.stringify(read)).not.toContain("pw");
  });
});
