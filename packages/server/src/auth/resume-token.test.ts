import { describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import type { Identity } from "@holdfast/contract";
import fc from "fast-check";
import { AuthConfigError } from "./config-error.ts";
import { createResumeTokens } from "./resume-token.ts";

const OLD = "the old resume secret, 32 bytes or so";
const NEW = "the new resume secret, 32 bytes or so";
const NOW_MS = Date.UTC(2026, 0, 1);
const tokens = createResumeTokens({ secrets: [NEW, OLD], ttlMs: 60_000 });

const action = fc.constantFrom(
  "subscribe" as const,
  "publish" as const,
  "presence" as const,
  "history" as const,
);
const capability = fc.record({
  channel: fc.stringMatching(/^[a-z:*{}]{1,20}$/),
  actions: fc
    .uniqueArray(action, { minLength: 4, maxLength: 4 })
    .map(() => ["subscribe", "publish", "presence", "history"] as const),
});
const identities: fc.Arbitrary<Identity> = fc
  .record(
    {
      user: fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }),
      info: fc.jsonValue({ maxDepth: 2 }).filter((info) => info !== null),
      caps: fc.array(capability, { maxLength: 4 }),
      expiresAtMs: fc.integer({ min: NOW_MS + 1, max: NOW_MS + 1e9 }),
    },
    { requiredKeys: [] },
  )
  // What JSON cannot hold exactly (-0) is no difference to anyone.
  .map((identity) => JSON.parse(JSON.stringify(identity)));

describe("resume tokens", () => {
  test("H7: a token outlives its identity by what is left of its own time, and says so", () => {
    const token = tokens.issue("s1", { user: "ada", expiresAtMs: NOW_MS + 10 }, NOW_MS);
    expect(tokens.open(token, NOW_MS + 9)).toEqual({
      session: "s1",
      identity: { user: "ada", expiresAtMs: NOW_MS + 10 },
      issuedAtMs: NOW_MS,
    });
    expect(tokens.open(token, NOW_MS + 10)).toMatchObject({
      session: "s1",
      identity: { user: "ada" },
      expired: true,
    });
    expect(tokens.open(token, NOW_MS + 59_999)).toMatchObject({ expired: true });
    expect(tokens.open(token, NOW_MS + 60_000)).toBeUndefined();
  });

  test("any identity comes back as it was", () => {
    fc.assert(
      fc.property(identities, fc.stringMatching(/^[a-z2-7]{26}$/), (identity, session) => {
        const opened = tokens.open(tokens.issue(session, identity, NOW_MS), NOW_MS);
        expect(opened).toEqual({ session, identity, issuedAtMs: NOW_MS });
      }),
      { numRuns: 200 },
    );
  });

  test("H5: a token carries since when the session is entitled, and by which contract", () => {
    const entitled = { sinceMs: NOW_MS - 5000, policy: "1xk9z" };
    const token = tokens.issue("s1", { user: "ada" }, NOW_MS, entitled);
    expect(tokens.open(token, NOW_MS)?.entitled).toEqual(entitled);
    expect(tokens.open(tokens.issue("s1", {}, NOW_MS), NOW_MS)).not.toHaveProperty("entitled");
    const never = { ...entitled, sinceMs: Number.POSITIVE_INFINITY };
    const opened = tokens.open(tokens.issue("s1", {}, NOW_MS, never), NOW_MS);
    expect(opened?.session).toBe("s1");
    expect(opened).not.toHaveProperty("entitled");
  });

  test("a token of an older node opens, and does not say since when", () => {
    const { createHmac } = require("node:crypto") as typeof import("node:crypto");
    const key = createHmac("sha256", NEW).update("holdfast resume token 1").digest();
    const sign = (wire: readonly unknown[]): string => {
      const signed = `hf1.${Buffer.from(JSON.stringify(wire)).toString("base64url")}`;
      return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
    };
    const old = ["s1", NOW_MS, NOW_MS + 60_000, "ada", null, null, null];
    expect(tokens.open(sign(old), NOW_MS)).toEqual({
      session: "s1",
      identity: { user: "ada" },
      issuedAtMs: NOW_MS,
    });
    expect(tokens.open(sign([...old, NOW_MS, "p", "newer"]), NOW_MS)?.entitled).toEqual({
      sinceMs: NOW_MS,
      policy: "p",
    });
    expect(tokens.open(sign([...old, "soon", "p"]), NOW_MS)).not.toHaveProperty("entitled");
    expect(tokens.open(sign(old.slice(0, 6)), NOW_MS)).toBeUndefined();
  });

  test("a changed bit anywhere refuses", () => {
    const token = tokens.issue(
      "s".repeat(26),
      { user: "ada", expiresAtMs: NOW_MS + 50_000 },
      NOW_MS,
    );
    for (let at = 0; at < token.length; at++) {
      // Also bits that a cut to one byte loses.
      for (let bit = 0; bit < 9; bit++) {
        const changed =
          token.slice(0, at) +
          String.fromCharCode(token.charCodeAt(at) ^ (1 << bit)) +
          token.slice(at + 1);
        expect(tokens.open(changed, NOW_MS)).toBeUndefined();
      }
    }
  });

  test("any other edit refuses as well", () => {
    const token = tokens.issue("s".repeat(26), { user: "ada" }, NOW_MS);
    fc.assert(
      fc.property(
        fc.nat(token.length),
        fc.nat(4),
        fc.string({ unit: "binary", maxLength: 5 }),
        (at, cut, insert) => {
          const changed = token.slice(0, at) + insert + token.slice(at + cut);
          if (changed !== token) expect(tokens.open(changed, NOW_MS)).toBeUndefined();
        },
      ),
      { numRuns: 500 },
    );
  });

  test("text of any kind and length is refused without a throw", () => {
    for (const text of [
      "",
      "hf1.",
      "hf1..",
      `hf1.${".".repeat(60)}`,
      "x".repeat(100_000),
      `hf1.${"\ud800".repeat(60)}`,
      `hf1.a.${"Ā".repeat(43)}`,
    ]) {
      expect(tokens.open(text, NOW_MS)).toBeUndefined();
    }
  });

  test("a token of the old secret opens while that is listed and not after", () => {
    const token = createResumeTokens({ secrets: [OLD], ttlMs: 60_000 }).issue(
      "session",
      {},
      NOW_MS,
    );
    expect(tokens.open(token, NOW_MS)?.session).toBe("session");
    expect(
      createResumeTokens({ secrets: [NEW], ttlMs: 60_000 }).open(token, NOW_MS),
    ).toBeUndefined();
  });

  test("a token ends with its time", () => {
    const plain = tokens.issue("s", {}, NOW_MS);
    expect(tokens.open(plain, NOW_MS + 59_999)).toBeDefined();
    expect(tokens.open(plain, NOW_MS + 60_000)).toBeUndefined();
  });

  test("a node whose clock is a little behind accepts, one that is far off does not", () => {
    const token = tokens.issue("s", {}, NOW_MS);
    expect(tokens.open(token, NOW_MS - 60_000)).toBeDefined();
    expect(tokens.open(token, NOW_MS - 60_001)).toBeUndefined();
    expect(tokens.open(token, Number.NaN)).toBeUndefined();
  });

  test("a token issued for longer than this node allows ends when this node's would", () => {
    const long = createResumeTokens({ secrets: [NEW], ttlMs: 86_400_000 }).issue("s", {}, NOW_MS);
    expect(tokens.open(long, NOW_MS + 60_000)).toBeDefined(); // Within the skew.
    expect(tokens.open(long, NOW_MS + 120_000)).toBeDefined();
    expect(tokens.open(long, NOW_MS + 120_001)).toBeUndefined();
  });

  test("the secret itself is not the key, so a JWT secret used here gives no forgeries", () => {
    const [prefix, payload] = tokens.issue("s", {}, NOW_MS).split(".");
    const signature = createHmac("sha256", NEW).update(`${prefix}.${payload}`).digest("base64url");
    expect(tokens.open(`${prefix}.${payload}.${signature}`, NOW_MS)).toBeUndefined();
  });

  /** Fields that the key signed, as another version might: all is right but what is changed. */
  const signed = (change: Readonly<Record<number, unknown>>, more: readonly unknown[] = []) => {
    const wire: unknown[] = ["s", NOW_MS, NOW_MS + 60_000, null, null, null, null, ...more];
    for (const [at, value] of Object.entries(change)) wire[Number(at)] = value;
    return signedText(wire);
  };
  const signedText = (wire: unknown) => {
    const key = createHmac("sha256", NEW).update("holdfast resume token 1").digest();
    const text = `hf1.${Buffer.from(JSON.stringify(wire)).toString("base64url")}`;
    return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  };

  test.each<[string, Readonly<Record<number, unknown>>, readonly unknown[]]>([
    ["no session", { 0: "" }, []],
    ["a session that is no text", { 0: 5 }, []],
    ["a time of issue that is no time", { 1: "now" }, []],
    ["a negative time of issue", { 1: -1 }, []],
    ["an end that is no time", { 2: null }, []],
    ["an end that has come", { 2: NOW_MS }, []],
    ["a user that is no text", { 3: 5 }, []],
    ["an end of the identity that is no time", { 4: "never" }, []],
    ["capabilities that are none", { 6: ["chat:*=destroy"] }, []],
  ])("what another version signed is refused, not half read: %s", (_what, change, more) => {
    expect(tokens.open(signed({}), NOW_MS)).toEqual({
      session: "s",
      identity: {},
      issuedAtMs: NOW_MS,
    });
    expect(tokens.open(signed(change, more), NOW_MS)).toBeUndefined();
  });

  test.each([[{}], [null], ["text"], [5], [[]]])(
    "what is signed and no list of fields is refused: %j",
    (wire) => {
      expect(tokens.open(signedText(wire), NOW_MS)).toBeUndefined();
    },
  );

  test("as many secrets as may be valid at once verify", () => {
    const secrets = Array.from({ length: 8 }, (_, i) => `${i} ${NEW}`);
    const [oldest = ""] = secrets.slice(-1);
    const token = createResumeTokens({ secrets: [oldest], ttlMs: 60_000 }).issue("s", {}, NOW_MS);
    expect(createResumeTokens({ secrets, ttlMs: 60_000 }).open(token, NOW_MS)?.session).toBe("s");
  });

  test("fields that a newer node adds are left unread, so that a rolling upgrade ends no session", () => {
    expect(tokens.open(signed({}, [NOW_MS, "policy", "newer"]), NOW_MS)?.session).toBe("s");
    // Half of an entitlement is none.
    expect(tokens.open(signed({}, [NOW_MS]), NOW_MS)?.entitled).toBeUndefined();
    expect(tokens.open(signed({}, ["now", "policy"]), NOW_MS)?.entitled).toBeUndefined();
  });

  test("time may begin at 0, and there is none before it", () => {
    const first = createResumeTokens({ secrets: [NEW], ttlMs: 1000 });
    const token = first.issue("s", {}, 0);
    expect(first.open(token, 0)?.issuedAtMs).toBe(0);
    expect(first.open(token, -1)).toBeUndefined();
  });

  test.each([
    ["no secret", { secrets: [], ttlMs: 1 }],
    ["a short secret", { secrets: ["short"], ttlMs: 1 }],
    ["nine secrets", { secrets: Array(9).fill(NEW), ttlMs: 1 }],
    ["no time", { secrets: [NEW], ttlMs: 0 }],
    ["an endless time", { secrets: [NEW], ttlMs: Number.POSITIVE_INFINITY }],
  ])("%s is refused at start", (_what, options) => {
    expect(() => createResumeTokens(options)).toThrow(AuthConfigError);
  });
});
