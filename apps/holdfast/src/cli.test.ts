// Checks the commands that need no node: help, config, token, keygen, and what is refused.
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { API_KEY_LENGTH_MIN, loadConfig, optionRows } from "@holdfast/config";
import { createAuthenticator } from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";
import manifest from "../package.json";
import { type Run, runCommand } from "./testing.ts";
import { VERSION } from "./version.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> =>
  runCommand(argv, { env });

test("the version is the package's", async () => {
  expect(VERSION).toBe(manifest.version);
  expect((await run(["--version"])).out).toBe(`${VERSION}\n`);
});

describe("help", () => {
  test("of serve has every option that has a flag, its variable, and the exit statuses", async () => {
    const { code, out } = await run(["serve", "--help"]);
    expect(code).toBe(0);
    for (const { flag, env } of optionRows(NODE_OPTIONS))
      if (flag !== undefined)
        expect([out.includes(`${flag} `), out.includes(`[${env}]`)]).toEqual([true, true]);
    expect(out).toContain("Exit status: 0");
  });
  test("names the commands for people, not the hidden one", async () => {
    const { out } = await run(["--help"]);
    for (const command of ["dev", "serve", "config", "token", "keygen", "probe", "plan"])
      expect(out).toContain(`\n  ${command} `);
    expect(out).not.toContain("dev-node");
  });
});

describe("what is refused with status 2", () => {
  const table: readonly (readonly [
    string,
    readonly string[],
    Readonly<Record<string, string>>,
    string,
  ])[] = [
    ["no command", [], {}, "Usage"],
    ["an unknown command", ["sreve"], {}, "serve"],
    ["an unknown flag, with the one that was meant", ["serve", "--prot", "1"], {}, "--port"],
    ["a flag without its value", ["serve", "--port"], {}, "argument missing"],
    ["a value out of range", ["serve", "--port", "70000"], {}, "0 to 65535"],
    ["a variable that does not exist", ["serve"], { HOLDFAST_PROT: "1" }, "HOLDFAST_PORT"],
    ["a file that is not there", ["serve", "--config", "nowhere.yaml"], {}, "cannot be read"],
    [
      "a file named by a variable that is not there",
      ["config"],
      { HOLDFAST_CONFIG: "nowhere.yaml" },
      "nowhere.yaml",
    ],
    ["a node without authentication", ["serve"], {}, "no way to check tokens"],
    [
      "a node without authentication that lets anonymous clients in",
      ["serve", "--auth-anonymous"],
      {},
      "no way to check tokens",
    ],
    [
      "a contract file that is not there",
      ["serve", "--auth-insecure", "--contract", "nowhere.ts"],
      {},
      "nowhere.ts",
    ],
    [
      "a contract file without a contract",
      ["serve", "--auth-insecure", "--contract", "version.ts"],
      {},
      "no contract",
    ],
    ["dev's node without dev", ["dev-node"], {}, "started by"],
    ["a token without a secret", ["token", "--sub", "ada"], {}, "HOLDFAST_AUTH_JWT_HMAC_SECRET"],
    ["a token for nobody", ["token"], {}, "--sub"],
    [
      "a token for ever",
      ["token", "--sub", "a", "--ttl", "400d"],
      { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET },
      "365d",
    ],
    [
      "a capability of another form",
      ["token", "--sub", "a", "--cap", "chat:*"],
      { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET },
      "pattern=actions",
    ],
    [
      "info that is not JSON",
      ["token", "--sub", "a", "--info", "{"],
      { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET },
      "JSON",
    ],
    ["a scope that does not exist", ["keygen", "--scopes", "root"], {}, "publish"],
    ["a key's name with spaces", ["keygen", "--name", "a b"], {}, "letters"],
  ];
  for (const [name, argv, env, expected] of table) {
    test(name, async () => {
      const { code, err } = await run(argv, env);
      expect(code).toBe(2);
      expect(err).toContain(expected);
    });
  }
});

describe("config", () => {
  test("prints every option with its source and no secret", async () => {
    const { code, out } = await run(["config", "--port", "1234", "--metrics", "false"], {
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
    });
    expect(code).toBe(0);
    expect(out.trimEnd().split("\n")).toHaveLength(optionRows(NODE_OPTIONS).length);
    expect(out).toMatch(/^port +1234 +--port$/m);
    expect(out).toMatch(/^metrics +false +--metrics$/m);
    expect(out).toMatch(/^auth\.jwt\.hmacSecret +\(hidden\) +HOLDFAST_AUTH_JWT_HMAC_SECRET$/m);
    expect(out).not.toContain(SECRET);
  });
  test("prints JSON when asked", async () => {
    const { out } = await run(["config", "--json", "--log-level", "warn"]);
    const rows = JSON.parse(out) as { name: string; value: unknown; source: { where: string } }[];
    expect(rows.find((row) => row.name === "log.level")).toEqual({
      name: "log.level",
      value: "warn",
      source: { kind: "flag", where: "--log-level" },
    } as never);
  });
});

describe("token", () => {
  test("is one that a node with the same secret takes, with every claim", async () => {
    const argv = [
      "token",
      "--sub",
      "ada",
      "--cap",
      "chat:*=subscribe,publish",
      "--cap",
      "news=*",
      "--info",
      '{"name":"Ada"}',
      "--ttl",
      "90s",
    ];
    const beforeMs = Date.now();
    const { out } = await run(argv, {
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_AUTH_JWT_ISSUER: "us",
      HOLDFAST_AUTH_JWT_AUDIENCE: "node",
    });
    const authenticator = createAuthenticator({
      jwt: { secrets: [SECRET], issuer: "us", audience: "node", leewayMs: 0 },
      resume: { secrets: [SECRET], ttlMs: 60_000 },
    });
    const verified = await authenticator.verify(out.trim());
    if (!verified.ok) throw new Error(verified.message);
    const { user, info, caps, expiresAtMs = 0 } = verified.identity;
    expect([user, info]).toEqual(["ada", { name: "Ada" }]);
    expect(caps?.map(({ channel, actions }) => [channel, actions.length])).toEqual([
      ["chat:*", 2],
      ["news", 4],
    ]);
    // A token's times are whole seconds.
    expect(expiresAtMs).toBeGreaterThan(beforeMs + 89_000);
    expect(expiresAtMs).toBeLessThan(Date.now() + 91_000);
  });
});

describe("keygen", () => {
  test("prints a key, and a configuration that has its hash and is taken", async () => {
    const { out } = await run(["keygen", "--name", "mailer", "--scopes", "publish,presence"]);
    const key = /^ {2}(hfk_\S+)$/m.exec(out)?.[1] ?? "";
    const loaded = loadConfig(NODE_OPTIONS, { text: out.slice(out.indexOf("  apiKeys:")) });
    const keyHash = `sha256:${createHash("sha256").update(key).digest("hex")}`;
    expect(loaded.ok && loaded.config.apiKeys).toEqual([
      { name: "mailer", keyHash, scopes: ["publish", "presence"] },
    ]);
    expect(key.length).toBeGreaterThanOrEqual(API_KEY_LENGTH_MIN);
  });
  test("never prints the same key twice", async () => {
    expect((await run(["keygen"])).out).not.toBe((await run(["keygen"])).out);
  });
});
