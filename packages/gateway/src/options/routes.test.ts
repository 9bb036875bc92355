import { expect, test } from "bun:test";
import { loadConfig, optionRows } from "@holdfast/config";
import { fieldRows } from "./fields.ts";
import { GATEWAY_OPTIONS, type GatewayConfig } from "./gateway-options.ts";
import { PROFILE_KINDS } from "./profile-kinds.ts";
import { gatewayOptionsReference } from "./reference.ts";
import { ROUTE_FIELDS } from "./route-fields.ts";

const load = (text: string) => loadConfig(GATEWAY_OPTIONS, { file: "gateway.yaml", text });
function config(text: string): GatewayConfig {
  const loaded = load(text);
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.problems));
  return loaded.config;
}

test("a route has what the file says, and defaults for the rest", () => {
  const { routes } = config(`
routes:
  - name: game
    host: game.example.com
    path: /ws
    profile: stateless
    service: {static: ["10.0.0.1:8080", {address: "[::1]:80", weight: 2, zone: a}]}
    key: {header: X-Room}
    health: {check: {path: /health, timeoutMs: 2s}}
  - name: rest
    service: {dns: {name: rest.default.svc.cluster.local, port: 80}}
    profile:
      kind: replay
      first: 1
      setup: [{match: {json: {type: subscribe}}, key: id, until: {json: {type: unsubscribe}}}]
      answers: [{prefix: ok}]
`);
  expect(routes[0]).toMatchObject({
    ...{ name: "game", host: "game.example.com", path: "/ws", openMs: 5000 },
    profile: { kind: "stateless" },
    service: {
      kind: "static",
      options: [
        { address: "10.0.0.1:8080", takes: true, weight: 1 },
        { address: "[::1]:80", takes: true, weight: 2, zone: "a" },
      ],
    },
    key: { from: "header", name: "X-Room" },
    health: { failuresMax: 3, check: { kind: "http", path: "/health", timeoutMs: 2000 } },
  });
  expect(routes[1]).toMatchObject({
    path: "/",
    service: { kind: "dns", options: { name: "rest.default.svc.cluster.local", port: 80 } },
    profile: {
      kind: "replay",
      options: {
        first: 1,
        setup: [
          {
            match: { json: { type: "subscribe" } },
            key: "id",
            until: { json: { type: "unsubscribe" } },
          },
        ],
        answers: [{ prefix: "ok" }],
      },
    },
  });
  expect(routes[1]?.profile.profile.rehomes).toBe(true);
});

const OK = "service: {static: ['a:1']}";
/** What is wrong, where, and a word of what is expected. */
const refused: readonly (readonly [string, string, string])[] = [
  ["- {}", "routes[0].name", "63"],
  ["- {name: a}", "routes[0].service", "static"],
  [`- {name: A b, ${OK}}`, "routes[0].name", "a-z"],
  [`- {name: a, ${OK}, upstreamTls: {cafile: x}}`, "routes[0].upstreamTls.cafile", "caFile"],
  [`- {name: a, ${OK}, upstreamTls: {certFile: x}}`, "routes[0].upstreamTls.keyFile", "both"],
  [
    `- {name: a, ${OK}, upstreamTls: {serverName: "A:1"}}`,
    "routes[0].upstreamTls.serverName",
    "host",
  ],
  [`- {name: a, ${OK}, upstreamTls: perhaps}`, "routes[0].upstreamTls", "caFile"],
  [`- {name: a, ${OK}, cohorts: {}}`, "routes[0].cohorts.weights", "percent"],
  [`- {name: a, ${OK}, cohorts: {weights: {v1: 60, v2: 41}}}`, "routes[0].cohorts.weights", "100"],
  [`- {name: a, ${OK}, cohorts: {weights: {v1: -1}}}`, "routes[0].cohorts.weights.v1", "0 to 100"],
  [
    `- {name: a, ${OK}, cohorts: {weights: {"a b": 1}}}`,
    "routes[0].cohorts.weights.a b",
    "revision",
  ],
  [
    `- {name: a, ${OK}, cohorts: {weights: {v1: 1}, key: {ip: x}}}`,
    "routes[0].cohorts.key.ip",
    "header",
  ],
  [`- {name: a, ${OK}, triesMax: 0}`, "routes[0].triesMax", "1 to 10"],
  [`- {name: a, ${OK}, profil: none}`, "routes[0].profil", "did you mean profile?"],
  [`- {name: a, ${OK}, profile: stateles}`, "routes[0].profile", "did you mean stateless?"],
  [`- {name: a, ${OK}, profile: {kind: nope}}`, "routes[0].profile.kind", "did you mean none?"],
  [`- {name: a, ${OK}, profile: {first: 1}}`, "routes[0].profile.kind", "one of none"],
  [`- {name: a, ${OK}, profile: {kind: stateless, x: 1}}`, "routes[0].profile.x", ""],
  [
    `- {name: a, ${OK}, profile: {kind: replay, setup: [{match: {json: {a: [1]}}}]}}`,
    "routes[0].profile.setup[0].match.json.a",
    "texts, numbers",
  ],
  [
    `- {name: a, ${OK}, profile: {kind: replay, setup: [{match: {prefix: ''}}]}}`,
    "routes[0].profile.setup[0].match.prefix",
    "1 to 200",
  ],
  [`- {name: a, ${OK}, profile: __proto__}`, "routes[0].profile", "one of none"],
  ["- {name: a, service: {static: []}}", "routes[0].service.static", "1 to 1000"],
  ["- {name: a, service: {static: ['a']}}", "routes[0].service.static[0].address", "host:port"],
  ["- {name: a, service: {static: ['a:0']}}", "routes[0].service.static[0].address", "host:port"],
  [
    "- {name: a, service: {static: ['a:1', 'a:1']}}",
    "routes[0].service.static[1]",
    "each address once",
  ],
  ["- {name: a, service: {constructor: 1}}", "routes[0].service.constructor", "static"],
  ["- {name: a, service: {static: ['a:1'], dns: {name: b}}}", "routes[0].service", "static"],
  ["- {name: a, service: {dns: {name: b}}}", "routes[0].service.dns.port", "65535"],
  ["- {name: a, service: {dns: {port: 1}}}", "routes[0].service.dns.name", "full name"],
  [`- {name: a, ${OK}, path: a}`, "routes[0].path", "begins with /"],
  [`- {name: a, ${OK}, path: /a/../b}`, "routes[0].path", "dot segments"],
  [`- {name: a, ${OK}, host: 'Game:80'}`, "routes[0].host", "lower case"],
  [`- {name: a, ${OK}, key: {header: 'X Room'}}`, "routes[0].key.header", "a name"],
  [`- {name: a, ${OK}, key: {body: x}}`, "routes[0].key.body", "header"],
  [`- {name: a, ${OK}, health: {wellShareMin: 2}}`, "routes[0].health.wellShareMin", "0 to 1"],
  [`- {name: a, ${OK}, health: {check: {kind: icmp}}}`, "routes[0].health.check.kind", "tcp"],
  [`- {name: a, ${OK}}\n  - {name: a, path: /b, ${OK}}`, "routes[1].name", "no other route"],
  [`- {name: a, ${OK}}\n  - {name: b, ${OK}}`, "routes[1].path", "only one route"],
  [`- {name: a, ${OK}, messageBytesMax: 2MiB}`, "routes[0].messageBytesMax", "at most limits."],
  ["- 5", "routes[0]", "a map of name"],
  ["{a: 1}", "routes", "a list of maps"],
];

for (const [text, option, allowed] of refused)
  test(`refused, with its place: ${text.replaceAll("\n", " ")}`, () => {
    const loaded = load(`port: 1\nroutes:\n  ${text}\n`);
    const problems = loaded.ok ? [] : loaded.problems;
    expect(problems.map((problem) => problem.option)).toContain(option);
    const [problem] = problems.filter((one) => one.option === option);
    expect(problem?.allowed).toContain(allowed);
    expect(problem?.where).toMatch(/^gateway\.yaml:[34]$/);
  });

test("each problem has the line on which it stands", () => {
  const loaded = load(`
routes:
  - name: a
    profile:
      kind: nope
    service:
      static: ["a:1"]
  - name: b
    path: nowhere
    service:
      static:
        - a:1
        - a:x
`);
  expect(loaded.ok ? [] : loaded.problems.map(({ option, where }) => [option, where])).toEqual([
    ["routes[0].profile.kind", "gateway.yaml:5"],
    ["routes[1].path", "gateway.yaml:9"],
    ["routes[1].service.static[1].address", "gateway.yaml:13"],
  ]);
});

test("keys are read as a node's, with scopes of the gateway", () => {
  const hash = `sha256:${"a".repeat(64)}`;
  const keys = (scope: string) =>
    load(`apiKeys: [{name: a, keyHash: "${hash}", scopes: [${scope}]}]`);
  expect(keys("drain").ok).toBe(true);
  const loaded = keys("publish");
  expect(loaded.ok ? [] : loaded.problems.map(({ option }) => option)).toEqual([
    "apiKeys[0].scopes",
  ]);
  const secret = load("apiKeys: [{name: a, key: tooshort, scopes: [drain]}]");
  expect(JSON.stringify(secret)).not.toContain("tooshort");
});

test("the reference has every option, field, profile and service", () => {
  const page = gatewayOptionsReference("# Head\n");
  const names = [
    ...optionRows(GATEWAY_OPTIONS).map(({ name }) => name),
    ...fieldRows(ROUTE_FIELDS).map(({ name }) => name),
    ...Object.values(PROFILE_KINDS).flatMap(({ fields }) =>
      fieldRows(fields).map((row) => row.name),
    ),
    ...Object.keys(PROFILE_KINDS),
  ];
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  expect(page).not.toContain("undefined");
});
