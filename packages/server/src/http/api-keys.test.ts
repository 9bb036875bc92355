import { afterAll, describe, expect, test } from "bun:test";
import { createHttpApi } from "./api.ts";
import { control, hashed, keyOf, serve } from "./testing.ts";

const main = serve();
const { ask } = main;
afterAll(() => main.stop());

describe("keys", () => {
  test.each([
    ["another scheme", "Basic abc"],
    ["no key", "Bearer"],
    ["two keys", `Bearer ${keyOf("all")} ${keyOf("all")}`],
    ["a key with a character more", `Bearer ${keyOf("all")}x`],
    ["the hash instead of the key", `Bearer ${hashed("publish", ["publish"]).keyHash}`],
    ["a very long key", `Bearer ${"x".repeat(8_000)}`],
  ])("%s is 401 with a challenge", async (_what, authorization) => {
    const { status, headers, json } = await ask("/info", {
      method: "GET",
      key: null,
      headers: { authorization },
    });
    expect({ status, code: json.code, challenge: headers.get("www-authenticate") }).toEqual({
      status: 401,
      code: "unauthorized",
      challenge: 'Bearer realm="holdfast"',
    });
    expect(JSON.stringify(main.seen)).not.toContain("kkkk");
  });

  test("the scheme's case does not matter", async () => {
    expect(
      (
        await ask("/info", {
          method: "GET",
          key: null,
          headers: { authorization: `bearer ${keyOf("info")}` },
        })
      ).status,
    ).toBe(200);
  });

  test("without any keys nobody is answered", async () => {
    const closed = serve({ keys: [] });
    expect((await closed.ask("/info", { method: "GET" })).status).toBe(401);
    await closed.stop();
  });

  test("a key's hash of the wrong form is refused at start", () => {
    for (const keyHash of ["sha256:", "sha256:abcd", "hello"]) {
      expect(() =>
        createHttpApi({ control, keys: [{ name: "odd", keyHash, scopes: ["*"] }] }),
      ).toThrow("API key odd");
    }
  });

  test("wrong keys of one address are slowed down, and a good key is not", async () => {
    const strict = serve({ failuresPerMinuteMax: 3 });
    const wrong = () => strict.ask("/info", { method: "GET", key: "wrong" });
    for (let i = 0; i < 3; i++) expect((await wrong()).status).toBe(401);
    const { status, headers, json } = await wrong();
    expect({ status, code: json.code }).toEqual({ status: 429, code: "rate_limited" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(50);
    expect((await strict.ask("/info", { method: "GET" })).status).toBe(200);
    await strict.stop();
  });
});
