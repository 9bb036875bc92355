import { beforeAll, describe, expect, test } from "bun:test";
import { createHmac, createPublicKey, generateKeyPairSync } from "node:crypto";
import {
  exportJWK,
  exportPKCS8,
  exportSPKI,
  type GenerateKeyPairResult,
  generateKeyPair,
  SignJWT,
} from "jose";
import {
  type AuthenticatorOptions,
  createAuthenticator,
  type JwtOptions,
} from "./authenticator.ts";
import { AuthConfigError } from "./config-error.ts";

const SECRET = "a secret that is long enough for HS256";
const NOW_MS = Date.UTC(2026, 0, 1);
const NOW_S = NOW_MS / 1000;
const resume = { secrets: ["a resume secret that is long enough!"], ttlMs: 60_000 };
const clock = { wallMs: () => NOW_MS, nowMs: () => 0 };
const withJwt = (jwt: JwtOptions, more: Partial<AuthenticatorOptions> = {}) =>
  createAuthenticator({ jwt, resume, clock, ...more });

type Claims = Record<string, unknown>;
const sign = (
  claims: Claims,
  alg = "HS256",
  key: Parameters<SignJWT["sign"]>[0] = Buffer.from(SECRET),
  kid?: string,
) =>
  new SignJWT(claims as never)
    .setProtectedHeader(kid === undefined ? { alg } : { alg, kid })
    .sign(key);

let pairs: Record<"RS256" | "ES256" | "EdDSA", GenerateKeyPairResult>;
beforeAll(async () => {
  const make = (alg: string) => generateKeyPair(alg, { extractable: true });
  pairs = { RS256: await make("RS256"), ES256: await make("ES256"), EdDSA: await make("EdDSA") };
});

describe("tokens", () => {
  test("a good HS256 token becomes an identity with its claims", async () => {
    const token = await sign({
      sub: "ada",
      exp: NOW_S + 60,
      info: { name: "Ada" },
      caps: ["chat:*=subscribe, publish", { channel: "news", actions: ["*"] }],
    });
    expect(await withJwt({ secrets: [SECRET], leewayMs: 2_000 }).verify(token)).toEqual({
      ok: true,
      identity: {
        user: "ada",
        info: { name: "Ada" },
        caps: [
          { channel: "chat:*", actions: ["subscribe", "publish"] },
          { channel: "news", actions: ["subscribe", "publish", "presence", "history"] },
        ],
        expiresAtMs: NOW_MS + 62_000,
      },
    });
  });

  test.each(["RS256", "ES256", "EdDSA"] as const)(
    "%s verifies with a PEM, a JWK, a list and a set of JWKs",
    async (alg) => {
      const { publicKey, privateKey } = pairs[alg];
      const token = await sign({ sub: "u", exp: NOW_S + 60 }, alg, privateKey);
      const jwk = await exportJWK(publicKey);
      for (const text of [
        await exportSPKI(publicKey),
        ...[jwk, [jwk], { keys: [jwk] }].map((value) => JSON.stringify(value)),
      ]) {
        expect(await withJwt({ publicKeys: [text] }).verify(token)).toMatchObject({
          ok: true,
          identity: { user: "u" },
        });
      }
    },
  );

  test("a second secret and a second public key verify as well, so that keys can be rotated", async () => {
    const other = await generateKeyPair("ES256", { extractable: true });
    const auth = withJwt({
      secrets: ["another secret that is long enough too", SECRET],
      publicKeys: [await exportSPKI(other.publicKey), await exportSPKI(pairs.ES256.publicKey)],
    });
    expect((await auth.verify(await sign({ exp: NOW_S + 9 }))).ok).toBe(true);
    expect(
      (await auth.verify(await sign({ exp: NOW_S + 9 }, "ES256", pairs.ES256.privateKey))).ok,
    ).toBe(true);
    expect(
      (await auth.verify(await sign({ exp: NOW_S + 9 }, "ES256", other.privateKey, "any-id"))).ok,
    ).toBe(true);
  });

  test("a key id decides which key verifies; a key without an id serves ids that no key has", async () => {
    const [named, nameless] = [pairs.ES256, await generateKeyPair("ES256", { extractable: true })];
    const auth = withJwt({
      publicKeys: [
        JSON.stringify({ ...(await exportJWK(named.publicKey)), kid: "1" }),
        await exportSPKI(nameless.publicKey),
      ],
    });
    const verdict = async (pair: GenerateKeyPairResult, kid?: string) =>
      (await auth.verify(await sign({ exp: NOW_S + 60 }, "ES256", pair.privateKey, kid))).ok;
    expect(await verdict(named, "1")).toBe(true);
    expect(await verdict(nameless, "1")).toBe(false);
    expect(await verdict(nameless, "2")).toBe(true);
    expect(await verdict(named, "2")).toBe(false);
    expect(await verdict(named)).toBe(true);
    expect(await verdict(nameless)).toBe(true);
  });

  test("a public key never verifies an HMAC made with its text", async () => {
    const pem = await exportSPKI(pairs.RS256.publicKey);
    const forged = forge({ alg: "HS256" }, { sub: "root", exp: NOW_S + 60 }, pem);
    for (const auth of [
      withJwt({ publicKeys: [pem] }),
      withJwt({ publicKeys: [pem], secrets: [SECRET] }),
    ]) {
      expect(await auth.verify(forged)).toMatchObject({ ok: false, code: "token_invalid" });
    }
  });

  test("an algorithm outside the allow-list is refused though its key is known", async () => {
    const pem = await exportSPKI(pairs.RS256.publicKey);
    const auth = withJwt({ publicKeys: [pem], secrets: [SECRET], algorithms: ["RS256"] });
    expect((await auth.verify(await sign({ exp: NOW_S + 60 }))).ok).toBe(false);
    expect(
      (await auth.verify(await sign({ exp: NOW_S + 60 }, "RS256", pairs.RS256.privateKey))).ok,
    ).toBe(true);
  });

  const refused: [string, () => Promise<string> | string, string][] = [
    ["no token at all", () => "", "token_invalid"],
    ["text that is no token", () => "hello", "token_invalid"],
    [
      "alg none",
      () => `${b64({ alg: "none" })}.${b64({ sub: "root", exp: NOW_S + 60 })}.`,
      "token_invalid",
    ],
    [
      "a token signed with another secret",
      () => forge({ alg: "HS256" }, { exp: NOW_S + 60 }, "x".repeat(40)),
      "token_invalid",
    ],
    ["a token without exp", () => sign({ sub: "u" }), "token_invalid"],
    ["an expired token", () => sign({ exp: NOW_S - 6 }), "token_expired"],
    [
      "a token that does not hold for more than a minute",
      () => sign({ exp: NOW_S + 600, nbf: NOW_S + 66 }),
      "token_invalid",
    ],
    [
      "nbf as text",
      () => forge({ alg: "HS256" }, { exp: NOW_S + 9, nbf: "x" }, SECRET),
      "token_invalid",
    ],
    ["exp as text", () => forge({ alg: "HS256" }, { exp: "tomorrow" }, SECRET), "token_invalid"],
    ["a negative exp", () => sign({ exp: -5 }), "token_expired"],
    ["a claims set that is a list", () => forge({ alg: "HS256" }, [1], SECRET), "token_invalid"],
    [
      "an unknown critical header",
      () => forge({ alg: "HS256", crit: ["x"], x: 1 }, { exp: NOW_S + 60 }, SECRET),
      "token_invalid",
    ],
    [
      "a key id that is no text",
      () => forge({ alg: "HS256", kid: 5 }, { exp: NOW_S + 60 }, SECRET),
      "token_invalid",
    ],
    [
      "a key id of 257 characters",
      () => forge({ alg: "HS256", kid: "k".repeat(257) }, { exp: NOW_S + 60 }, SECRET),
      "token_invalid",
    ],
    ["a token longer than the limit", () => `${"a".repeat(8192)}.b.c`, "token_invalid"],
    ["a sub with a line feed", () => sign({ sub: "a\nb", exp: NOW_S + 60 }), "token_invalid"],
    ["a sub that begins with one", () => sign({ sub: "\nb", exp: NOW_S + 60 }), "token_invalid"],
    ["an empty sub", () => sign({ sub: "", exp: NOW_S + 60 }), "token_invalid"],
    [
      "a sub of 256 characters",
      () => sign({ sub: "s".repeat(256), exp: NOW_S + 60 }),
      "token_invalid",
    ],
    ["an exp that is no date", () => forgeText('{"exp":1e999}'), "token_invalid"],
    [
      "actions that are no list",
      () => sign({ caps: [{ channel: "a", actions: "publish" }], exp: NOW_S + 60 }),
      "token_invalid",
    ],
    [
      "an empty list of actions",
      () => sign({ caps: [{ channel: "a", actions: [] }], exp: NOW_S + 60 }),
      "token_invalid",
    ],
    [
      "six actions",
      () => sign({ caps: [`a=${Array(6).fill("publish")}`], exp: NOW_S + 60 }),
      "token_invalid",
    ],
    ["a capability that is null", () => sign({ caps: [null], exp: NOW_S + 60 }), "token_invalid"],
    [
      "a sub that is a number",
      () => forge({ alg: "HS256" }, { sub: 5, exp: NOW_S + 60 }, SECRET),
      "token_invalid",
    ],
    ["too much info", () => sign({ info: "x".repeat(2047), exp: NOW_S + 60 }), "token_invalid"],
    ["caps that are no list", () => sign({ caps: "chat:*", exp: NOW_S + 60 }), "token_invalid"],
    [
      "an unknown action in caps",
      () => sign({ caps: ["chat:*=destroy"], exp: NOW_S + 60 }),
      "token_invalid",
    ],
    ["caps without actions", () => sign({ caps: ["chat:*"], exp: NOW_S + 60 }), "token_invalid"],
    [
      "65 caps",
      () => sign({ caps: Array(65).fill("a=publish"), exp: NOW_S + 60 }),
      "token_invalid",
    ],
    [
      "caps and info that are too large together",
      () => sign({ caps: Array(40).fill(`${"c".repeat(100)}=*`), exp: NOW_S + 60 }),
      "token_invalid",
    ],
  ];
  test.each(refused)(
    "%s is refused, and the message holds nothing of it",
    async (_what, make, code) => {
      const token = await make();
      const result = await withJwt({ secrets: [SECRET] }).verify(token);
      expect(result).toMatchObject({ ok: false, code });
      if (result.ok) return;
      for (const part of token.split("."))
        if (part.length > 8) expect(result.message).not.toContain(part.slice(0, 9));
    },
  );

  test("a name may have spaces and a key id 256 characters; HMAC secrets have no ids", async () => {
    const token = await sign(
      { sub: "Ada Lovelace", exp: NOW_S + 60 },
      "HS256",
      Buffer.from(SECRET),
      "k".repeat(256),
    );
    expect(await withJwt({ secrets: [SECRET] }).verify(token)).toMatchObject({
      ok: true,
      identity: { user: "Ada Lovelace" },
    });
  });

  test("claims may be as large as their limits", async () => {
    const auth = withJwt({ secrets: [SECRET] });
    const names = ["history", "presence", "publish", "subscribe", "*"];
    const caps = [`a=${names}`, `b=${names.slice(0, 4)}`, ...Array(62).fill("c=publish")];
    const claims = { sub: "s".repeat(255), info: "x".repeat(2046) };
    expect(await auth.verify(await sign({ ...claims, exp: NOW_S + 60 }))).toMatchObject({
      ok: true,
      identity: { user: claims.sub, info: claims.info },
    });
    const result = await auth.verify(await sign({ caps, exp: NOW_S + 60 }));
    const all = ["subscribe", "publish", "presence", "history"];
    expect(result).toMatchObject({ ok: true });
    const read = result.ok ? result.identity.caps : undefined;
    expect(read).toHaveLength(64);
    expect(read?.slice(0, 2).map(({ actions }) => actions as readonly string[])).toEqual([
      all,
      all,
    ]);
    expect(await auth.verify("a".repeat(8192))).toMatchObject({ message: "not a signed JWT" });
    expect(await auth.verify("a".repeat(8193))).toMatchObject({
      message: "the token is longer than 8192 characters",
    });
  });

  test("a refusal names the claim that is wrong", async () => {
    const auth = withJwt({ secrets: [SECRET] });
    expect(
      await auth.verify(
        await sign({ caps: ["ok=publish", "chat:*=publish,destroy"], exp: NOW_S + 60 }),
      ),
    ).toMatchObject({
      message:
        "claim caps[1].actions[1]: expected one of subscribe, publish, presence, history or *",
    });
  });

  const clocks: readonly (readonly [what: string, claims: Claims, retryMs: number | undefined])[] =
    [
      ["iat a second ahead", { iat: NOW_S + 1 }, undefined],
      ["iat an hour ahead", { iat: NOW_S + 3600 }, undefined],
      ["nbf within the leeway", { nbf: NOW_S + 5 }, undefined],
      ["nbf ten seconds ahead", { nbf: NOW_S + 10 }, 5_000],
      ["nbf a part of a second beyond the leeway", { nbf: NOW_S + 5.0004 }, 1],
      ["nbf a minute beyond the leeway", { nbf: NOW_S + 65 }, 60_000],
    ];
  test.each(clocks)(
    "an issuer's clock that is ahead ends nobody: %s",
    async (_what, claims, retryMs) => {
      const result = await withJwt({ secrets: [SECRET] }).verify(
        await sign({ sub: "ada", exp: NOW_S + 600, ...claims }),
      );
      expect(result).toMatchObject(
        retryMs === undefined ? { ok: true } : { ok: false, code: "try_later", retryMs },
      );
    },
  );

  test("the time to wait is never 0, also in the last part of a second", async () => {
    const auth = withJwt(
      { secrets: [SECRET], leewayMs: 5_000 },
      { clock: { wallMs: () => NOW_MS + 900, nowMs: () => 0 } },
    );
    expect(await auth.verify(await sign({ exp: NOW_S + 60, nbf: NOW_S + 5.5 }))).toMatchObject({
      code: "try_later",
      retryMs: 1,
    });
  });

  test("a token that does not hold yet is refused for what stays wrong", async () => {
    const auth = withJwt({ secrets: [SECRET], issuer: "https://a" });
    const claims = { exp: NOW_S + 600, nbf: NOW_S + 30 };
    expect(await auth.verify(await sign(claims))).toMatchObject({
      message: "claim iss is missing",
    });
    const forged = await sign({ ...claims, iss: "https://a" }, "HS256", Buffer.alloc(32, 1));
    expect(await auth.verify(forged)).toMatchObject({ code: "token_invalid" });
  });

  test("issuer and audience are checked when they are set", async () => {
    const auth = withJwt({
      secrets: [SECRET],
      issuer: ["https://a", "https://b"],
      audience: "holdfast",
    });
    const claims = { exp: NOW_S + 60, iss: "https://b", aud: ["x", "holdfast"] };
    expect((await auth.verify(await sign(claims))).ok).toBe(true);
    expect(await auth.verify(await sign({ ...claims, iss: "https://c" }))).toMatchObject({
      message: "claim iss is not what this node wants",
    });
    expect(await auth.verify(await sign({ ...claims, aud: "x" }))).toMatchObject({
      message: "claim aud is not what this node wants",
    });
    expect(await auth.verify(await sign({ exp: NOW_S + 60, aud: "holdfast" }))).toMatchObject({
      message: "claim iss is missing",
    });
  });

  test("the leeway lets a token live exactly so much longer", async () => {
    const auth = withJwt({ secrets: [SECRET], leewayMs: 5_000 });
    const result = await auth.verify(await sign({ exp: NOW_S - 4 }));
    expect(result).toMatchObject({ ok: true, identity: { expiresAtMs: NOW_MS + 1_000 } });
    expect((await auth.verify(await sign({ exp: NOW_S - 5 }))).ok).toBe(false);
  });

  test("a token may go without exp only where that is allowed", async () => {
    const result = await withJwt({ secrets: [SECRET], requireExp: false }).verify(
      await sign({ sub: "u" }),
    );
    expect(result).toEqual({ ok: true, identity: { user: "u" } });
  });

  test("a lifetime limit wants iat and bounds exp", async () => {
    const auth = withJwt({ secrets: [SECRET], lifetimeMsMax: 3_600_000 });
    expect((await auth.verify(await sign({ iat: NOW_S, exp: NOW_S + 3600 }))).ok).toBe(true);
    expect((await auth.verify(await sign({ iat: NOW_S, exp: NOW_S + 3601 }))).ok).toBe(false);
    expect((await auth.verify(await sign({ exp: NOW_S + 60 }))).ok).toBe(false);
  });

  test("without keys every token is refused, and anonymous clients get their identity only if one is set", async () => {
    const auth = createAuthenticator({ resume, clock, anonymous: { info: { guest: true } } });
    expect(await auth.verify(await sign({ exp: NOW_S + 60 }))).toMatchObject({
      ok: false,
      code: "token_invalid",
    });
    expect(auth.anonymous()).toEqual({ info: { guest: true } });
    expect(createAuthenticator({ resume, clock }).anonymous()).toBeUndefined();
  });
});

describe("settings", () => {
  const unusable: [string, () => Promise<JwtOptions> | JwtOptions, string][] = [
    ["no key", () => ({}), "jwt"],
    ["a short secret", () => ({ secrets: ["short"] }), "jwt.secrets[0]"],
    ["no algorithm", () => ({ secrets: [SECRET], algorithms: [] }), "jwt.algorithms"],
    [
      "an algorithm without a key",
      () => ({ secrets: [SECRET], algorithms: ["RS256"] }),
      "jwt.algorithms",
    ],
    [
      "an unknown algorithm",
      () => ({ secrets: [SECRET], algorithms: ["none" as never] }),
      "jwt.algorithms",
    ],
    ["no key in the text", () => ({ publicKeys: ["hello"] }), "jwt.publicKeys[0]"],
    ["JSON that is no key", () => ({ publicKeys: ["{}"] }), "jwt.publicKeys[0]"],
    ["broken JSON", () => ({ publicKeys: ["{"] }), "jwt.publicKeys[0]"],
    [
      "a symmetric JWK",
      () => ({ publicKeys: [`{"kty":"oct","k":"${"A".repeat(43)}"}`] }),
      "jwt.publicKeys[0]",
    ],
    [
      "a private JWK",
      async () => ({ publicKeys: [JSON.stringify(await exportJWK(pairs.ES256.privateKey))] }),
      "jwt.publicKeys[0]",
    ],
    [
      "a curve that no algorithm uses",
      async () => ({
        publicKeys: [
          await exportSPKI((await generateKeyPair("ES384", { extractable: true })).publicKey),
        ],
      }),
      "jwt.publicKeys[0]",
    ],
    [
      "a JWKS address that is no URL",
      () => ({ jwks: { url: "file:///etc/passwd" } }),
      "jwt.jwks.url",
    ],
    ["nine secrets", () => ({ secrets: Array(9).fill(SECRET) }), "jwt.secrets"],
    [
      "33 public keys",
      async () => ({
        publicKeys: [JSON.stringify(Array(33).fill(await exportJWK(pairs.ES256.publicKey)))],
      }),
      "jwt.publicKeys",
    ],
    ["a list of nothing", () => ({ publicKeys: ["[null]"] }), "jwt.publicKeys[0]"],
    ["a list of numbers", () => ({ publicKeys: ["[5]"] }), "jwt.publicKeys[0]"],
    [
      "a private PEM",
      async () => ({ publicKeys: [await exportPKCS8(pairs.ES256.privateKey)] }),
      "jwt.publicKeys[0]",
    ],
    ["a lifetime of nothing", () => ({ secrets: [SECRET], lifetimeMsMax: 0 }), "jwt.lifetimeMsMax"],
    ["a negative leeway", () => ({ secrets: [SECRET], leewayMs: -1 }), "jwt.leewayMs"],
    ["a leeway of an hour", () => ({ secrets: [SECRET], leewayMs: 3_600_000 }), "jwt.leewayMs"],
  ];
  test("settings may be as large and as small as their limits", async () => {
    const key = JSON.stringify(Array(32).fill(await exportJWK(pairs.ES256.publicKey)));
    const secrets = Array.from({ length: 8 }, (_, i) => `${i} ${SECRET}`);
    for (const leewayMs of [0, 300_000])
      withJwt({ secrets, publicKeys: [key], leewayMs, lifetimeMsMax: 1 });
  });

  test("an algorithm that there is not is told apart from one that has no key", () => {
    const message = (algorithm: string): string => {
      try {
        withJwt({ secrets: [SECRET], algorithms: [algorithm as never] });
        return "taken";
      } catch (error) {
        return String(error);
      }
    };
    expect(message("none")).toContain("expected some of HS256, RS256, ES256, EdDSA");
    expect(message("RS256")).toContain("RS256 has no key");
    expect(message("HS256")).toBe("taken");
  });

  test("a symmetric key among the public ones is called that", () => {
    expect(() => withJwt({ publicKeys: [`{"kty":"oct","k":"${"A".repeat(43)}"}`] })).toThrow(
      "is a symmetric key; give it as a secret",
    );
  });

  test("a key that is too weak is called that, as PEM and as JWK", async () => {
    const weak = createPublicKey(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey);
    for (const text of [
      String(weak.export({ type: "spki", format: "pem" })),
      JSON.stringify(weak.export({ format: "jwk" })),
    ])
      expect(() => withJwt({ publicKeys: [text] })).toThrow("RSA below 2048 bits");
  });

  test.each(unusable)(
    "%s is refused at start with the setting's name",
    async (_what, make, path) => {
      const options = await make();
      let thrown: unknown;
      try {
        withJwt(options);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(AuthConfigError);
      expect(thrown).toMatchObject({
        name: "AuthConfigError",
        code: "auth_config_invalid",
        path,
      });
    },
  );
});

const b64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token that jose would not make. */
function forge(header: object, claims: unknown, secret: string): string {
  return forgeText(JSON.stringify(claims), header, secret);
}

/** The same for claims that JSON.stringify does not write. */
function forgeText(claims: string, header: object = { alg: "HS256" }, secret = SECRET): string {
  const signed = `${b64(header)}.${Buffer.from(claims).toString("base64url")}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
