import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  exportJWK,
  exportSPKI,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  SignJWT,
} from "jose";
import { patience } from "../../../../test/patience.ts";
import { createAuthenticator } from "./authenticator.ts";
import type { JwksOptions } from "./jwks.ts";

const resume = { secrets: ["a resume secret that is long enough!"], ttlMs: 60_000 };
const WALL_MS = Date.UTC(2026, 0, 1);

let first: GenerateKeyPairResult;
let second: GenerateKeyPairResult;
beforeAll(async () => {
  first = await generateKeyPair("ES256", { extractable: true });
  second = await generateKeyPair("ES256", { extractable: true });
});

const jwk = async (pair: GenerateKeyPairResult, kid?: string): Promise<JWK> => ({
  ...(await exportJWK(pair.publicKey)),
  ...(kid && { kid }),
});
const token = (pair: GenerateKeyPairResult, kid?: string) =>
  new SignJWT({ sub: "u", exp: WALL_MS / 1000 + 1e6 })
    .setProtectedHeader(kid === undefined ? { alg: "ES256" } : { alg: "ES256", kid })
    .sign(pair.privateKey);

/**
 * A key server whose answer can be changed, and an authenticator that uses it, with a clock by
 * hand.
 */
function setUp(options: Partial<JwksOptions> = {}, publicKeys: readonly string[] = []) {
  const state = {
    requests: 0,
    nowMs: 1_000,
    answer: (): Response | Promise<Response> => new Response("none", { status: 500 }),
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => {
      state.requests += 1;
      return state.answer();
    },
  });
  servers.push(server);
  const auth = createAuthenticator({
    resume,
    jwt: { publicKeys, jwks: { url: `http://127.0.0.1:${server.port}/keys`, ...options } },
    clock: { wallMs: () => WALL_MS, nowMs: () => state.nowMs },
  });
  return { state, auth, serve: (...keys: JWK[]) => (state.answer = () => Response.json({ keys })) };
}

/** For what happens over a real socket: returns when it holds, fails after two seconds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedMs = performance.now(); !(await holds()); await Bun.sleep(1)) {
    if (performance.now() - startedMs > patience(2_000)) throw new Error("did not happen");
  }
}

const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

describe("keys from a URL", () => {
  test("are fetched once for many tokens at once", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"));
    const good = await token(first, "1");
    const results = await Promise.all(Array.from({ length: 20 }, () => auth.verify(good)));
    expect(results.every((result) => result.ok)).toBe(true);
    expect(state.requests).toBe(1);
  });

  test("a rotated key is fetched when a token names it, after the cooldown", async () => {
    const { state, auth, serve } = setUp({ cooldownMs: 30_000 });
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    serve(await jwk(second, "2"), await jwk(first, "1"));
    expect(await auth.verify(await token(second, "2"))).toMatchObject({
      ok: false,
      code: "try_later",
      retryMs: 30_000,
    });
    expect(state.requests).toBe(1);
    state.nowMs += 30_000;
    expect((await auth.verify(await token(second, "2"))).ok).toBe(true);
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    expect(state.requests).toBe(2);
  });

  test("a key that the provider's cache shows late is waited for, at one fetch in 30 s", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    const early = await token(second, "2");
    for (let seconds = 0; seconds < 50; seconds += 5, state.nowMs += 5_000) {
      const result = await auth.verify(early);
      expect(result).toMatchObject({ ok: false, code: "try_later" });
      if (!result.ok && result.code === "try_later")
        expect(result.retryMs).toBeLessThanOrEqual(30_000);
    }
    expect(state.requests).toBe(2);
    serve(await jwk(first, "1"), await jwk(second, "2"));
    state.nowMs += 20_000;
    expect((await auth.verify(early)).ok).toBe(true);
    expect(state.requests).toBe(3);
  });

  const caches: readonly (readonly [header: string | undefined, graceMs: number])[] = [
    [undefined, 300_000],
    ["no-store", 300_000],
    ["public, max-age=600, must-revalidate", 600_000],
    ["s-maxage=120, max-age=86400", 120_000],
    ["max-age=0", 60_000],
    ["max-age=86400", 900_000],
  ];
  test.each(caches)(
    "a key id that nobody has is refused once caches are over: %p",
    async (header, graceMs) => {
      const { state, auth } = setUp();
      const keys = [await jwk(first, "1")];
      state.answer = () =>
        Response.json(
          { keys },
          header === undefined ? {} : { headers: { "cache-control": header } },
        );
      const stray = await token(second, "nobody's");
      const startedMs = state.nowMs;
      for (; state.nowMs < startedMs + graceMs; state.nowMs += 10_000) {
        expect(await auth.verify(stray)).toMatchObject({ ok: false, code: "try_later" });
      }
      state.nowMs += 30_000;
      expect(await auth.verify(stray)).toMatchObject({ ok: false, code: "token_invalid" });
      expect(state.requests).toBeLessThanOrEqual(graceMs / 30_000 + 2);
    },
  );

  test("many key ids that nobody has do not buy a fetch each", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"));
    for (let i = 0; i < 300; i++) await auth.verify(await token(second, `stray ${i}`));
    expect(state.requests).toBe(1);
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
  });

  test("of key ids that nobody has the newest 256 are remembered: an older one is waited for anew", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"));
    await auth.verify(await token(first, "1"));
    const strays = await Promise.all(
      Array.from({ length: 257 }, (_, i) => token(second, `stray ${i}`)),
    );
    for (const stray of strays) await auth.verify(stray);
    state.nowMs += 300_000;
    const [oldest = "", next = ""] = strays;
    expect(await auth.verify(next)).toMatchObject({ code: "token_invalid" });
    expect(await auth.verify(oldest)).toMatchObject({ code: "try_later" });
  });

  test("a token without a key id is tried with every key that fits, then with newer ones", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"), await jwk(second, "2"));
    expect((await auth.verify(await token(second))).ok).toBe(true);
    const third = await generateKeyPair("ES256", { extractable: true });
    expect(await auth.verify(await token(third))).toMatchObject({ ok: false, code: "try_later" });
    serve(await jwk(third), await jwk(first, "1"));
    state.nowMs += 30_000;
    expect((await auth.verify(await token(third))).ok).toBe(true);
    expect(state.requests).toBe(2);
  });

  test("a key that was replaced under its old id is found with one fetch, a forgery costs one", async () => {
    const { state, auth, serve } = setUp();
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    serve(await jwk(second, "1"));
    expect(await auth.verify(await token(second, "1"))).toMatchObject({ code: "try_later" });
    state.nowMs += 30_000;
    expect((await auth.verify(await token(second, "1"))).ok).toBe(true);
    for (let i = 0; i < 20; i++, state.nowMs += 2_000) await auth.verify(await token(first, "1"));
    expect(await auth.verify(await token(first, "1"))).toMatchObject({
      code: "token_invalid",
      message: "bad signature",
    });
    expect(state.requests).toBe(3);
  });

  test("a token of a key that was withdrawn is told to come back with a fresh one", async () => {
    const { state, auth, serve } = setUp({ freshMs: 60_000 });
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    serve(await jwk(second, "2"));
    state.nowMs += 60_000;
    expect((await auth.verify(await token(second, "2"))).ok).toBe(true);
    expect(await auth.verify(await token(first, "1"))).toMatchObject({ code: "token_expired" });
  });

  test("a configured key without an id does not hide the provider's keys", async () => {
    const { auth, serve } = setUp({}, [await exportSPKI(second.publicKey)]);
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    expect((await auth.verify(await token(second, "own"))).ok).toBe(true);
  });

  test("an endpoint that fails makes tokens wait, with backoff, and never refuses them for good", async () => {
    const { state, auth, serve } = setUp();
    const good = await token(first, "1");
    expect(await auth.verify(good)).toMatchObject({ ok: false, code: "try_later", retryMs: 1_000 });
    for (let i = 0; i < 10; i++)
      expect(await auth.verify(good)).toMatchObject({ code: "try_later" });
    expect(state.requests).toBe(1);
    state.nowMs += 1_000;
    expect(await auth.verify(good)).toMatchObject({ code: "try_later", retryMs: 2_000 });
    expect(state.requests).toBe(2);
    serve(await jwk(first, "1"));
    state.nowMs += 2_000;
    expect((await auth.verify(good)).ok).toBe(true);
  });

  test("known keys go on working while the endpoint fails, until they are too old", async () => {
    const outcomes: string[] = [];
    const { state, auth, serve } = setUp({
      freshMs: 60_000,
      staleMs: 600_000,
      onFetch: (outcome) => outcomes.push(outcome),
    });
    serve(await jwk(first, "1"));
    const good = await token(first, "1");
    expect((await auth.verify(good)).ok).toBe(true);
    state.answer = () => new Response("gone", { status: 503 });
    state.nowMs += 60_000;
    expect((await auth.verify(good)).ok).toBe(true);
    await until(() => outcomes.length === 2);
    // Not once for every token.
    for (let i = 0; i < 5; i++) expect((await auth.verify(good)).ok).toBe(true);
    expect(state.requests).toBe(2);
    state.nowMs += 540_000;
    expect(await auth.verify(good)).toMatchObject({ code: "try_later" });
    expect(outcomes).toEqual(["ok", "failed", "failed"]);
  });

  test("a key that was withdrawn stops working after a refresh in the background", async () => {
    const { state, auth, serve } = setUp({ freshMs: 60_000 });
    serve(await jwk(first, "1"));
    const good = await token(first, "1");
    await auth.verify(good);
    serve(); // The key was withdrawn.
    state.nowMs += 60_000;
    expect((await auth.verify(good)).ok).toBe(true);
    await until(async () => !(await auth.verify(good)).ok);
  });

  const broken: [string, () => Response | Promise<Response>][] = [
    ["no JSON", () => new Response("<html>")],
    ["no set", () => Response.json([])],
    ["null", () => Response.json(null)],
    ["keys that are no objects", () => Response.json({ keys: [1, "x", null] })],
    [
      "an error that has a set",
      async () => Response.json({ keys: [await jwk(first, "1")] }, { status: 503 }),
    ],
    [
      "a set that is too long",
      async () => Response.json({ keys: [await jwk(first, "1")], padding: " ".repeat(262_144) }),
    ],
    ["too many keys", () => Response.json({ keys: Array(101).fill({ kty: "EC" }) })],
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/", 302)],
    [
      "an endless body",
      () => new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(65_536)) })),
    ],
    [
      "no answer in time",
      () =>
        new Promise<Response>((resolve) => setTimeout(() => resolve(new Response("late")), 1_000)),
    ],
  ];
  test.each(broken)("%s is a failed fetch", async (_what, answer) => {
    const { state, auth } = setUp({ timeoutMs: 200 });
    state.answer = answer;
    expect(await auth.verify(await token(first, "1"))).toMatchObject({
      ok: false,
      code: "try_later",
      message: "Cannot check the token: the keys that verify tokens cannot be fetched now",
    });
  });

  test("a set of 100 keys is taken, and of withdrawn ones the newest 256 are remembered", async () => {
    const { state, auth } = setUp({ freshMs: 60_000 });
    const key = await jwk(first);
    let set = "a";
    state.answer = () =>
      Response.json({
        keys: Array.from({ length: 100 }, (_, i) => ({ ...key, kid: `${set}${i}` })),
      });
    for (set of ["a", "b", "c", "d"]) {
      expect((await auth.verify(await token(first, `${set}99`))).ok).toBe(true);
      state.nowMs += 60_000;
    }
    // 300 were withdrawn.
    const verdict = async (kid: string) => {
      const result = await auth.verify(await token(first, kid));
      return result.ok ? "taken" : result.code;
    };
    expect([await verdict("a10"), await verdict("a50"), await verdict("d50")]).toEqual([
      "try_later",
      "token_expired",
      "taken",
    ]);
  });

  test("a fetch that succeeds forgets the failures before it", async () => {
    const { state, auth, serve } = setUp({ freshMs: 60_000, staleMs: 60_000 });
    const good = await token(first, "1");
    const fails = state.answer;
    for (const retryMs of [1_000, 2_000, 4_000]) {
      expect(await auth.verify(good)).toMatchObject({ code: "try_later", retryMs });
      state.nowMs += retryMs;
    }
    serve(await jwk(first, "1"));
    expect((await auth.verify(good)).ok).toBe(true);
    state.answer = fails;
    state.nowMs += 60_000;
    expect(await auth.verify(good)).toMatchObject({ code: "try_later", retryMs: 1_000 });
  });

  test("a key that is looked for while the endpoint fails is not said to be unknown", async () => {
    const { state, auth, serve } = setUp();
    const fails = state.answer;
    serve(await jwk(first, "1"));
    expect((await auth.verify(await token(first, "1"))).ok).toBe(true);
    state.answer = fails;
    state.nowMs += 30_000;
    expect(await auth.verify(await token(second, "2"))).toMatchObject({
      code: "try_later",
      message: "Cannot check the token: the keys that verify tokens cannot be fetched now",
    });
  });

  test("a symmetric key in the set verifies nothing", async () => {
    const { auth, serve } = setUp();
    serve({ kty: "oct", kid: "1", k: Buffer.alloc(32, 1).toString("base64url"), alg: "HS256" });
    const forged = await new SignJWT({ sub: "root", exp: WALL_MS / 1000 + 60 })
      .setProtectedHeader({ alg: "HS256", kid: "1" })
      .sign(Buffer.alloc(32, 1));
    expect(await auth.verify(forged)).toMatchObject({ ok: false, code: "token_invalid" });
  });
});
