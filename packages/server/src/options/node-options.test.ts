// Checks how a configuration comes together and what is refused.
import { describe, expect, test } from "bun:test";
import {
  type ConfigInput,
  effectiveConfig,
  formatProblems,
  loadConfig,
  optionRows,
  takeLive,
} from "@holdfast/config";
import type { ContractDefinition } from "@holdfast/contract";
import type { NodeSettings } from "@holdfast/core";
import fc from "fast-check";
import { type ChannelMap, type Config, NODE_OPTIONS, nodeSettings } from "./index.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

function loaded(input: ConfigInput): Config {
  const result = loadConfig(NODE_OPTIONS, input);
  if (!result.ok) throw new Error(formatProblems(result.problems));
  return result.config;
}

function refused(input: ConfigInput): readonly string[] {
  const result = loadConfig(NODE_OPTIONS, input);
  return result.ok
    ? []
    : result.problems.map((p) => `${p.option} | ${p.where} | ${p.found} | ${p.allowed}`);
}

describe("defaults", () => {
  test("the defaults are within their own ranges and relations", () => {
    expect(refused({})).toEqual([]);
    for (const { name, option } of optionRows(NODE_OPTIONS)) {
      if (option.default === undefined) continue;
      expect({ name, reading: option.read(option.default) }).toEqual({
        name,
        reading: { ok: true, value: option.default },
      });
    }
  });

  test("every row has a description, an environment name of its own and a flag unless it is secret or a map", () => {
    const rows = optionRows(NODE_OPTIONS);
    expect(new Set(rows.map((row) => row.env)).size).toBe(rows.length);
    for (const row of rows) {
      expect(row.option.description.length).toBeGreaterThan(20);
      expect(row.flag === undefined).toBe(row.option.secret || row.option.kind === "map");
    }
  });

  test("names are derived by rule", () => {
    const names = optionRows(NODE_OPTIONS).map((row) => `${row.name} ${row.env} ${row.flag}`);
    expect(names).toContain("port HOLDFAST_PORT --port");
    expect(names).toContain("broker.url HOLDFAST_BROKER_URL undefined");
    expect(names).toContain(
      "limits.subscriptionsMax HOLDFAST_LIMITS_SUBSCRIPTIONS_MAX --limits-subscriptions-max",
    );
    expect(names).toContain("auth.jwt.hmacSecret HOLDFAST_AUTH_JWT_HMAC_SECRET undefined");
  });
});

describe("precedence", () => {
  const layers: ConfigInput = {
    defaults: { port: 1, internalPort: 1001, host: "127.0.0.1", revision: "program" },
    file: "h.yaml",
    text: "port: 2\ninternalPort: 1002\nhost: 127.0.0.2\n",
    env: { HOLDFAST_PORT: "3", HOLDFAST_INTERNAL_PORT: "1003" },
    flags: { port: "4" },
  };

  test("flags win over the environment, which wins over the file, which wins over defaults", () => {
    const { port, internalPort, host, revision, internalHost } = loaded(layers);
    expect({ port, internalPort, host, revision, internalHost }).toEqual({
      port: 4,
      internalPort: 1003,
      host: "127.0.0.2",
      revision: "program",
      internalHost: "0.0.0.0",
    });
  });

  test("each value's source is told", () => {
    const result = loadConfig(NODE_OPTIONS, layers);
    const source = (name: string) => (result.ok ? result.sources.get(name)?.where : undefined);
    expect(["port", "internalPort", "host", "internalHost"].map(source)).toEqual([
      "--port",
      "HOLDFAST_INTERNAL_PORT",
      "h.yaml:3",
      "default",
    ]);
  });

  test("a bad value in a lower layer is refused although a higher one covers it", () => {
    expect(refused({ text: "port: x", flags: { port: 1 } })).toHaveLength(1);
  });
});

describe("what is refused", () => {
  const table: readonly (readonly [string, ConfigInput, string])[] = [
    [
      "an unknown key, with the nearest name",
      { text: "limits: { subscriptionMax: 5 }" },
      "did you mean limits.subscriptionsMax?",
    ],
    [
      "a key that stands outside its section",
      { text: "subscriptionsMax: 5" },
      "did you mean limits.subscriptionsMax?",
    ],
    [
      "an unknown key that is like nothing",
      { text: "zzzzzzzzzzzz: 5" },
      "an option of docs/reference/options.md",
    ],
    [
      "an unknown variable",
      { env: { HOLDFAST_PROT: "1" } },
      "HOLDFAST_PROT | environment | an unknown variable | did you mean HOLDFAST_PORT?",
    ],
    [
      "a key with a name of JavaScript's own",
      { text: "__proto__: { polluted: true }" },
      "__proto__ | the configuration:1 | an unknown option",
    ],
    ["constructor as a section", { text: "constructor: 1" }, "constructor"],
    ["a section's member named toString", { text: "limits: { toString: 1 }" }, "limits.toString"],
    [
      "a section given as one value",
      { text: "limits: 5" },
      "limits | the configuration:1 | a single value | a map of messageBytesMax",
    ],
    ["a list instead of a map", { text: "- 1" }, "a map of options"],
    [
      "broken YAML, with its line",
      { file: "h.yaml", text: "port: 1\nx: [" },
      "configuration file | h.yaml:2",
    ],
    [
      "a key twice",
      { file: "h.yaml", text: "port: 1\nport: 2" },
      "configuration file | h.yaml:2 | Map keys must be unique",
    ],
    ["an unresolved alias", { text: "port: *x" }, "aliases"],
    [
      "a port above the range",
      { text: "port: 65536" },
      "port | the configuration:1 | 65536 | 0 to 65535",
    ],
    ["a port below the range", { flags: { port: "-1" } }, "port | --port | -1 | 0 to 65535"],
    ["a fraction where a whole number is needed", { text: "port: 80.5" }, "80.5"],
    ["not a number", { text: "port: .nan" }, "port"],
    ["infinity", { text: "limits: { burstFactor: .inf }" }, "limits.burstFactor"],
    [
      "a number beyond what counts exactly",
      { text: "limits: { messageBytesMax: 9007199254740993 }" },
      "limits.messageBytesMax",
    ],
    ["hexadecimal in the environment", { env: { HOLDFAST_PORT: "0x50" } }, "0x50"],
    [
      "a duration with an unknown unit",
      { text: "timeouts: { idleMs: 5parsecs }" },
      "a number of ms or like 30s",
    ],
    [
      "a size with an unknown unit",
      { text: "flow: { lagBytes: 5kilo }" },
      "a number or like 64KiB",
    ],
    ["a word instead of a boolean", { text: "metrics: yes" }, "true or false"],
    ["a level that does not exist", { text: "log: { level: loud }" }, "debug, info, warn, error"],
    [
      "an origin with a path",
      { text: "allowedOrigins: [https://a.example/path]" },
      "allowedOrigins[0]",
    ],
    ["* among other origins", { text: "allowedOrigins: ['*', https://a.example]" }, "* alone"],
    ["a proxy that is not an address", { text: "trustedProxies: [balancer]" }, "trustedProxies[0]"],
    ["a range with too many bits", { text: "trustedProxies: [10.0.0.0/33]" }, "trustedProxies[0]"],
    ["a broker of another kind", { text: "broker: { url: mysql://x }" }, "memory:"],
    [
      "a short secret, without showing it",
      { env: { HOLDFAST_AUTH_JWT_HMAC_SECRET: "hunter2" } },
      "a hidden text of 7 characters",
    ],
    [
      "keys over an open network",
      { text: "auth: { jwt: { jwksUrl: http://idp.example/keys } }" },
      "an https: URL",
    ],
    [
      "an algorithm none of the keys serves",
      { text: "auth: { jwt: { algorithms: [HS256, RS256] } }" },
      "HS256, RS256 without a key",
    ],
    [
      "the algorithm none",
      { text: "auth: { jwt: { algorithms: [none] } }" },
      "auth.jwt.algorithms[0]",
    ],
    [
      "a certificate without its key",
      { text: "tls: { certFile: a.pem }" },
      "both tls.certFile and tls.keyFile",
    ],
    [
      "a key without its certificate",
      { text: "tls: { keyFile: a.pem }" },
      "both tls.certFile and tls.keyFile",
    ],
    ["two listeners on one port", { text: "internalPort: 8000" }, "another port than port"],
    [
      "lagBytes at the hard limit",
      { text: "flow: { lagBytes: 1MiB }" },
      "less than flow.queueBytesMax",
    ],
    ["chunks larger than what lags", { text: "flow: { chunkBytes: 512KiB }" }, "flow.lagBytes"],
    [
      "pings that leave no room for a lost one",
      { text: "timeouts: { pingMs: 40s }" },
      "half of timeouts.idleMs",
    ],
    [
      "resume tokens shorter than pings",
      { text: "timeouts: { resumeTtlMs: 30s }" },
      "half of timeouts.resumeTtlMs",
    ],
    [
      "figures too rare for the lease of nodes",
      { text: "fleet: { figuresMs: 4s }" },
      "a third of fleet.nodeLeaseMs",
    ],
    [
      "grace above the lease",
      { text: "timeouts: { presenceGraceMs: 60s }" },
      "timeouts.presenceLeaseMs",
    ],
    ["a reserve above 0.9", { text: "admission: { resumeReserve: 0.95 }" }, "0 to 0.9"],
    [
      "data that does not fit into a message",
      { text: "limits: { messageBytesMax: 64KiB }" },
      "three quarters of limits.messageBytesMax",
    ],
    [
      "more subscriptions than a client may ask for",
      { text: "limits: { subscriptionsMax: 5000 }" },
      "could not subscribe again",
    ],
    [
      "a durable channel without a time",
      { text: "channels: { 'a:{b}': { class: durable } }" },
      "because the channel is durable",
    ],
    [
      "a durable channel in memory",
      { text: "channels: { a: { class: durable, history: { ttlMs: 1h } } }" },
      "broker.url is memory:",
    ],
    [
      "a channel's unknown key",
      { text: "channels: { a: { histroy: {} } }" },
      "did you mean history?",
    ],
    [
      "a channel's unknown permission",
      { text: "channels: { a: { permissions: { publish: everyone } } }" },
      "anyone, authenticated, token, nobody",
    ],
    [
      "an API key without a secret",
      { text: "apiKeys: [{ name: a, scopes: [publish] }]" },
      "one of key and keyHash",
    ],
    [
      "a short API key, without showing it",
      { text: "apiKeys: [{ name: a, key: hunter2, scopes: ['*'] }]" },
      "7 characters | at least 32 characters",
    ],
    [
      "a hash of another form",
      { text: "apiKeys: [{ name: a, keyHash: 'md5:aa', scopes: ['*'] }]" },
      "sha256:",
    ],
    [
      "a scope that does not exist",
      { text: `apiKeys: [{ name: a, key: ${SECRET}, scopes: [root] }]` },
      "publish, history",
    ],
    [
      "two API keys of one name",
      {
        text: `apiKeys: [{ name: a, key: ${SECRET}, scopes: ['*'] }, { name: a, key: x${SECRET}, scopes: ['*'] }]`,
      },
      "a name that no other key has",
    ],
  ];
  for (const [name, input, expected] of table) {
    test(name, () => {
      const lines = refused(input);
      expect(lines.join("\n")).toContain(expected);
      expect(lines.join("\n")).not.toContain("hunter2");
    });
  }

  test("all problems at once, also those of relations between other options", () => {
    expect(
      refused({ text: "port: x\nhots: a\ntls: { certFile: a.pem }\nflow: { lagBytes: 2MiB }" }),
    ).toHaveLength(4);
  });

  test("a file too long to be one", () => {
    expect(refused({ text: "#".repeat(1_000_001) })).toHaveLength(1);
  });
});

describe("what is accepted", () => {
  test("durations and sizes with units, in YAML and in JSON", () => {
    const yaml = loaded({
      text: "timeouts: { idleMs: 1.5m, pingMs: 750ms }\nflow: { lagBytes: 128KiB }",
    });
    expect([yaml.timeouts.idleMs, yaml.flow.lagBytes]).toEqual([90_000, 131_072]);
    const json = loaded({
      text: '{\n\t"timeouts": { "idleMs": "2m" },\n\t"limits": { "dataBytesMax": "10kB" }\n}',
    });
    expect([json.timeouts.idleMs, json.limits.dataBytesMax]).toEqual([120_000, 10_000]);
  });

  test("lists from the environment, separated by commas or as JSON", () => {
    const env = {
      HOLDFAST_ALLOWED_ORIGINS: "https://a.example, http://localhost:3000",
      HOLDFAST_TRUSTED_PROXIES: '["10.0.0.0/8","fd00::/8"]',
    };
    const { allowedOrigins, trustedProxies } = loaded({ env });
    expect(allowedOrigins).toEqual(["https://a.example", "http://localhost:3000"]);
    expect(trustedProxies).toEqual(["10.0.0.0/8", "fd00::/8"]);
  });

  test("empty variables and empty keys count as absent", () => {
    expect(loaded({ env: { HOLDFAST_PORT: "" }, text: "nodeId:\nlimits:\n" }).port).toBe(8000);
  });

  test("what Kubernetes sets for a Service named holdfast is ignored, and said", () => {
    const env = {
      HOLDFAST_PORT: "tcp://10.0.0.7:80",
      HOLDFAST_INTERNAL_PORT: "tcp://10.0.0.8:9000",
      HOLDFAST_SERVICE_HOST: "10.0.0.7",
      HOLDFAST_SERVICE_PORT: "80",
      HOLDFAST_PORT_80_TCP_ADDR: "10.0.0.7",
      HOLDFAST_PORT_80_TCP: "tcp://10.0.0.7:80",
    };
    const result = loadConfig(NODE_OPTIONS, { env });
    expect(
      result.ok && [result.config.port, result.config.internalPort, result.notes.length],
    ).toEqual([8000, 9000, 2]);
  });

  test("a variable of another form for the same port is still refused", () => {
    expect(refused({ env: { HOLDFAST_PORT: "http://10.0.0.7" } })).toHaveLength(1);
  });

  test("channels with every rule, assignable to a contract", () => {
    const text = `
channels:
  "chat:{room}": { class: ordered, history: { size: 500, ttlMs: 1h }, presence: true, permissions: { subscribe: anyone, publish: token } }
  "tick:{id}": { class: latest, slowConsumer: conflate }
  plain:
`;
    const channels: ChannelMap = loaded({ text }).channels;
    const contract: ContractDefinition = { channels };
    expect(Object.keys(contract.channels)).toEqual(["chat:{room}", "tick:{id}", "plain"]);
    expect(channels["chat:{room}"]).toEqual({
      class: "ordered",
      history: { size: 500, ttlMs: 3_600_000 },
      presence: true,
      permissions: { subscribe: "anyone", publish: "token" },
    });
  });

  test("a pattern with a name of JavaScript's own is only a name", () => {
    const { channels } = loaded({ text: "channels: { __proto__: { presence: true } }" });
    expect(Object.keys(channels)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>).presence).toBeUndefined();
  });

  test("API keys as JSON in the environment", () => {
    const env = {
      HOLDFAST_API_KEYS: JSON.stringify([
        { name: "backend", key: SECRET, scopes: ["publish", "presence"] },
      ]),
    };
    expect(loaded({ env }).apiKeys).toEqual([
      { name: "backend", key: SECRET, scopes: ["publish", "presence"] },
    ]);
  });
});

test("secrets never appear in the effective configuration", () => {
  const env = {
    HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
    HOLDFAST_AUTH_RESUME_SECRET: SECRET,
    HOLDFAST_API_KEYS: JSON.stringify([{ name: "backend", key: SECRET, scopes: ["*"] }]),
  };
  const result = loadConfig(NODE_OPTIONS, { env });
  const rows = result.ok ? effectiveConfig(NODE_OPTIONS, result.config, result.sources) : [];
  expect(rows).toHaveLength(optionRows(NODE_OPTIONS).length);
  expect(JSON.stringify(rows)).not.toContain(SECRET);
  expect(rows.find((row) => row.name === "auth.jwt.hmacSecret")).toEqual({
    name: "auth.jwt.hmacSecret",
    value: "(hidden)",
    source: { kind: "env", where: "HOLDFAST_AUTH_JWT_HMAC_SECRET" },
  });
});

test("of a changed configuration a running node takes live options and tells which ones wait", () => {
  const before = loaded({});
  const after = loaded({
    flags: { port: 1, "limits.subscriptionsMax": 7, "drain.windowMs": "9s", nodeId: "x" },
  });
  const { config, taken, waiting } = takeLive(NODE_OPTIONS, before, after);
  expect([taken, waiting]).toEqual([
    ["limits.subscriptionsMax", "drain.windowMs"],
    ["nodeId", "port"],
  ]);
  expect([
    config.port,
    config.nodeId,
    config.limits.subscriptionsMax,
    config.drain.windowMs,
  ]).toEqual([8000, undefined, 7, 9000]);
  expect(takeLive(NODE_OPTIONS, before, before)).toEqual({
    config: before,
    taken: [],
    waiting: [],
  });
});

test("durable channels in memory are accepted where that is said", () => {
  const text =
    "channels: { a: { class: durable, history: { ttlMs: 1h } } }\nbroker: { allowNonDurable: true }";
  expect(refused({ text })).toEqual([]);
});

test("the engine's settings are exactly core's, in types and in fields", () => {
  const settings: NodeSettings = nodeSettings(loaded({}), { nodeId: "n1", revision: "r1" });
  // Compiles only while core asks for everything that is here.
  const back: ReturnType<typeof nodeSettings> = settings;
  expect([back.nodeId, back.revision, back.limits.subscriptionsMax]).toEqual(["n1", "r1", 1000]);
});

test("no text, environment or flag makes loading throw, or refuses without saying what is allowed", () => {
  const names = fc.constantFrom(
    "port",
    "limits",
    "auth",
    "channels",
    "apiKeys",
    "tls",
    "__proto__",
    "flow",
    "x",
  );
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.jsonValue()),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(
      fc.dictionary(names, value),
      fc.string(),
      fc.dictionary(names, value),
      (tree, raw, flags) => {
        for (const text of [JSON.stringify(tree), raw]) {
          const result = loadConfig(NODE_OPTIONS, { text, flags, env: { HOLDFAST_PORT: raw } });
          if (!result.ok) for (const p of result.problems) expect(p.allowed).not.toBe("");
        }
      },
    ),
    { numRuns: 300 },
  );
});
