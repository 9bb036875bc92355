import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { API_SCOPES, type ApiKey } from "@holdfast/config";
import type { NodeControl, NodeInfo } from "@holdfast/core";
import { createHttpApi, type HttpApiOptions } from "./api.ts";
import { openApiDocument } from "./openapi.ts";
import { CODE_STATUS } from "./problem.ts";
import { renderHttpApiReference, renderOpenApi } from "./reference.ts";
import { API_BASE, ROUTES } from "./routes/index.ts";

const INFO: NodeInfo = {
  node: "n1",
  revision: "r1",
  state: "ready",
  startedAtMs: 1,
  connections: 0,
  sessions: 0,
  subscriptions: 0,
  channels: 0,
  queueBytes: 0,
  windowMs: 500,
};

/** Just enough of a node to see that requests arrive; what operations do is tested against a real node in test/integration. */
const control: NodeControl = {
  publish: async (channel) => {
    if (channel === "boom") throw new Error("a secret detail");
    if (channel === "down") return { ok: false, code: "broker_unavailable", message: "no", retryMs: 1_500 };
    return { ok: true, value: { position: { epoch: "e", offset: 1 }, duplicate: false } };
  },
  history: async () => ({ ok: true, value: { epoch: "e", head: 0, more: false, publications: [] } }),
  removeHistory: async () => ({ ok: true, value: { epoch: "e", offset: 0 } }),
  presence: async () => ({ ok: true, value: [] }),
  channels: async ({ limit }) => ({ ok: true, value: Array.from({ length: limit }, (_, i) => `c${i}`) }),
  sessions: () => [],
  disconnect: async () => ({ ok: true, value: undefined }),
  unsubscribe: async () => ({ ok: true, value: undefined }),
  rpc: async (_method, input) => ({ ok: true, value: input }),
  info: () => INFO,
  drain: async () => ({ total: 0, remaining: 0, moved: 0, told: 0, cut: 0, deadlineInMs: 0 }),
  undrain: () => false,
};

const keyOf = (name: string): string => `${name}-${"k".repeat(32)}`;
const hashed = (name: string, scopes: ApiKey["scopes"]): ApiKey => ({
  name,
  keyHash: `sha256:${createHash("sha256").update(keyOf(name)).digest("hex")}`,
  scopes,
});
const KEYS: ApiKey[] = [
  { name: "all", key: keyOf("all"), scopes: ["*"] },
  ...API_SCOPES.filter((scope) => scope !== "*").map((scope) => hashed(scope, [scope])),
];

const seen: { event: string; fields: unknown }[] = [];
const told = (event: string) => (fields: unknown) => void seen.push({ event, fields });
const counted: { route: string | undefined; status: number }[] = [];

function serve(options: Partial<HttpApiOptions> = {}) {
  const api = createHttpApi({
    control,
    keys: KEYS,
    failuresPerMinuteMax: 1e6,
    events: { apiCommand: told("command"), apiKeyRefused: told("key"), apiFailed: told("failed") },
    recorder: { httpRequest: (route, status) => counted.push({ route, status }) },
    ...options,
  });
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => api(request, self.requestIP(request)?.address ?? ""),
  });
  return { server, url: `http://127.0.0.1:${server.port}${API_BASE}` };
}

let main: ReturnType<typeof serve>;
beforeAll(() => {
  main = serve();
});
afterAll(() => main.server.stop(true));

interface Ask {
  readonly method?: string;
  readonly key?: string | null;
  readonly body?: unknown;
  readonly raw?: BodyInit;
  readonly headers?: Record<string, string>;
  readonly url?: string;
}

async function ask(path: string, { method = "POST", key = "all", body, raw, headers = {}, url = main.url }: Ask = {}) {
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${keyOf(key)}` }),
      ...(text === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  });
  const answer = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text: answer,
    json: answer.startsWith("{") ? JSON.parse(answer) : undefined,
  };
}

/** An input that each route takes. */
const GOOD: Record<string, Record<string, unknown>> = {
  publish: { channel: "c", data: 1 },
  broadcast: { channels: ["c"], data: 1 },
  history: { channel: "c" },
  history_remove: { channel: "c" },
  presence: { channel: "c" },
  channels: {},
  sessions: {},
  disconnect: { user: "u" },
  unsubscribe: { user: "u", channel: "c" },
  rpc: { method: "m", data: 1 },
  info: {},
  drain: {},
  undrain: {},
};

const call = (route: (typeof ROUTES)[number], more: Ask = {}) => {
  const input = GOOD[route.name] ?? {};
  if (route.method === "POST") return ask(route.path, { body: input, ...more });
  return ask(`${route.path}?${new URLSearchParams(input as Record<string, string>)}`, { method: "GET", ...more });
};

describe("every operation", () => {
  test.each([...ROUTES])("$name answers in the shape that its schema says", async (route) => {
    const { status, json, headers } = await call(route);
    expect(status).toBe(route.status);
    expect(route.output.safeParse(json)).toMatchObject({ success: true });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-type")).toBe("application/json");
    expect(counted.at(-1)).toEqual({ route: route.name, status: route.status });
  });

  test.each([...ROUTES])("$name wants its scope and no other", async (route) => {
    for (const scope of API_SCOPES) {
      const { status } = await call(route, { key: scope === "*" ? "all" : scope });
      expect({ scope, status }).toEqual({ scope, status: scope === route.scope || scope === "*" ? route.status : 403 });
    }
    expect((await call(route, { key: null })).status).toBe(401);
    expect((await call(route, { key: "nobody" })).status).toBe(401);
  });

  test.each([...ROUTES])("$name refuses members that it does not know, and says which", async (route) => {
    const { status, json } =
      route.method === "POST"
        ? await ask(route.path, { body: { ...GOOD[route.name], zebra: 1 } })
        : await ask(`${route.path}?${new URLSearchParams({ ...GOOD[route.name], zebra: "1" } as Record<string, string>)}`, {
            method: "GET",
          });
    expect({ status, code: json.code }).toEqual({ status: 400, code: "request_invalid" });
    expect(json.detail).toContain("zebra");
  });

  test.each([...ROUTES])("$name is at one method only", async (route) => {
    const allow = route.method === "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((one) => one !== route.method)) {
      const { status, headers, json } = await ask(route.path, { method });
      expect({ method, status, allow: headers.get("allow"), code: json.code }).toEqual({
        method,
        status: 405,
        allow,
        code: "method_not_allowed",
      });
    }
    const options = await ask(route.path, { method: "OPTIONS", key: null });
    expect({ status: options.status, allow: options.headers.get("allow"), text: options.text }).toEqual({ status: 204, allow, text: "" });
  });

  test("HEAD is GET without the body", async () => {
    const { status, text, headers } = await ask("/info", { method: "HEAD" });
    expect({ status, text, type: headers.get("content-type") }).toEqual({ status: 200, text: "", type: "application/json" });
    expect((await ask("/info", { method: "HEAD", key: null })).status).toBe(401);
  });
});

describe("the documents", () => {
  test("OpenAPI and the routes name the same paths, methods, scopes and members", async () => {
    const { status, json } = await ask("/openapi.json", { method: "GET", key: null });
    expect(status).toBe(200);
    expect(json).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    const described = Object.entries(json.paths as Record<string, Record<string, { operationId: string }>>).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => `${method.toUpperCase()} ${path} ${operation.operationId}`),
    );
    const expected = ROUTES.map(({ method, path, name }) => `${method} ${API_BASE}${path} ${name}`);
    expect(described.sort()).toEqual([...expected, `POST ${API_BASE}/batch batch`, `GET ${API_BASE}/openapi.json openapi`].sort());
    for (const route of ROUTES) expect(json.paths[API_BASE + route.path][route.method.toLowerCase()]["x-scope"]).toBe(route.scope);
    const parameters = json.paths["/api/v1/history"].get.parameters as { name: string; required: boolean; schema: { type: string } }[];
    expect(parameters.map(({ name, required, schema }) => [name, required, schema.type])).toEqual([
      ["channel", true, "string"],
      ["limit", false, "integer"],
      ["before", false, "integer"],
    ]);
  });

  test("every path that the document names is there", async () => {
    for (const [path, methods] of Object.entries(openApiDocument().paths as Record<string, object>)) {
      for (const method of Object.keys(methods)) {
        const { status } = await ask(path.slice(API_BASE.length), { method: method.toUpperCase(), key: null });
        expect({ path, known: status === 401 || status === 200 }).toEqual({ path, known: true });
      }
    }
  });

  test("the pages in docs/reference are what the routes say (`npm run generate` writes them)", async () => {
    const page = (name: string) => readFile(new URL(`../../../../docs/reference/${name}`, import.meta.url), "utf8");
    expect(await page("http-api.md")).toBe(renderHttpApiReference());
    expect(await page("openapi.json")).toBe(renderOpenApi());
  });
});

describe("bodies", () => {
  const bad: [string, Ask, number, string][] = [
    ["no JSON", { raw: "{" }, 400, "request_invalid"],
    ["invalid UTF-8", { raw: new Uint8Array([0x22, 0xff, 0x22]) }, 400, "request_invalid"],
    ["a list", { raw: "[]" }, 400, "request_invalid"],
    ["null", { raw: "null" }, 400, "request_invalid"],
    ["text", { raw: '"x"' }, 400, "request_invalid"],
    ["nothing", { raw: "" }, 400, "request_invalid"],
    [
      "another content type",
      { raw: "a=1", headers: { "content-type": "application/x-www-form-urlencoded" } },
      415,
      "unsupported_media_type",
    ],
    [
      "a content type that begins like JSON",
      { raw: "{}", headers: { "content-type": "application/jsonp" } },
      415,
      "unsupported_media_type",
    ],
    ["no data", { body: { channel: "c" } }, 400, "request_invalid"],
    ["data and b", { body: { channel: "c", data: 1, b: "AA==" } }, 400, "request_invalid"],
    ["b that is no base64", { body: { channel: "c", b: "?" } }, 400, "request_invalid"],
    ["an empty channel", { body: { channel: "", data: 1 } }, 400, "request_invalid"],
    ["a channel that is a number", { body: { channel: 5, data: 1 } }, 400, "request_invalid"],
    ["a channel that is too long", { body: { channel: "c".repeat(256), data: 1 } }, 400, "request_invalid"],
    ["a key that is too long", { body: { channel: "c", data: 1, key: "k".repeat(129) } }, 400, "request_invalid"],
    ["__proto__ as a member", { raw: '{"channel":"c","data":1,"__proto__":{"x":1}}' }, 400, "request_invalid"],
    ["data nested half a million deep", { raw: nested(5e5) }, 422, "payload_invalid"],
    ["data nested one deeper than the protocol has", { raw: nested(129) }, 422, "payload_invalid"],
    ["a number beyond doubles", { raw: '{"channel":"c","data":{"x":[-1e999]}}' }, 422, "payload_invalid"],
    [
      "two idempotency keys that differ",
      { body: { channel: "c", data: 1, idempotencyKey: "a" }, headers: { "idempotency-key": "b" } },
      400,
      "request_invalid",
    ],
    [
      "an idempotency key that is too long",
      { body: { channel: "c", data: 1 }, headers: { "idempotency-key": "b".repeat(129) } },
      400,
      "request_invalid",
    ],
  ];
  test.each(bad)("with %s are refused", async (_what, given, status, code) => {
    const answer = await ask("/publish", given);
    expect({ status: answer.status, code: answer.json.code }).toEqual({ status, code });
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test("over the limit are refused, declared or not", async () => {
    const small = serve({ bodyBytesMax: 1_000 });
    const body = JSON.stringify({ channel: "c", data: "x".repeat(2_000) });
    expect((await ask("/publish", { raw: body, url: small.url })).status).toBe(413);
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("x".repeat(600)));
      },
    });
    const { status, json } = await ask("/publish", { raw: chunked, url: small.url });
    expect({ status, code: json.code }).toEqual({ status: 413, code: "payload_too_large" });
    expect((await ask("/publish", { body: { channel: "c", data: "x".repeat(900) }, url: small.url })).status).toBe(200);
    await small.server.stop(true);
  });

  test("that do not end in time are answered 408", async () => {
    const slow = serve({ bodyTimeoutMs: 50 });
    const answer = await rawRequest(
      slow.server.port ?? 0,
      `POST ${API_BASE}/publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${keyOf("all")}\r\ncontent-length: 100\r\n\r\n{`,
    );
    expect(answer).toStartWith("HTTP/1.1 408");
    await slow.server.stop(true);
  });

  test("are as deep as the protocol allows, and brackets in text are no depth", async () => {
    expect((await ask("/publish", { raw: nested(128) })).status).toBe(200);
    expect((await ask("/publish", { body: { channel: "c", data: `\\"${"[{".repeat(1_000)}` } })).status).toBe(200);
    const batch = { commands: [{ op: "rpc", method: "m", data: JSON.parse(nested(128)).data }] };
    expect((await ask("/batch", { body: batch })).json.results).toMatchObject([{ ok: true }]);
  });
});

describe("a batch", () => {
  const batch = (commands: unknown, more: Ask = {}) => ask("/batch", { body: { commands }, ...more });

  test("answers in order, and a failure stops none behind it", async () => {
    const { status, json } = await batch([
      { op: "publish", channel: "a", data: 1 },
      { op: "publish", channel: "down", data: 1 },
      { op: "info" },
    ]);
    expect(status).toBe(200);
    expect(json.results).toMatchObject([
      { ok: true, value: { offset: 1 } },
      { ok: false, error: { code: "broker_unavailable", retryMs: 1_500 } },
      { ok: true, value: { node: "n1" } },
    ]);
  });

  test("is checked as a whole before its first command is carried out", async () => {
    const published: string[] = [];
    const counting = serve({
      control: {
        ...control,
        publish: (channel, request) => {
          published.push(channel);
          return control.publish(channel, request);
        },
      },
    });
    const good = { op: "publish", channel: "a", data: 1 };
    const bad: [unknown, string, string][] = [
      [{ op: "publish", channel: "", data: 1 }, "request_invalid", "commands[1].channel"],
      [{ op: "publish", channel: "a" }, "request_invalid", "commands[1]"],
      [{ op: "nothing" }, "request_invalid", "commands[1].op"],
      [{ op: "batch", commands: [] }, "request_invalid", "commands[1].op"],
      [{ op: "broadcast", channels: ["a"], data: 1 }, "request_invalid", "commands[1].op"],
      [{ op: "drain" }, "request_invalid", "commands[1].op"],
      [{ channel: "a" }, "request_invalid", "commands[1].op"],
      [5, "request_invalid", "commands[1]"],
    ];
    for (const [command, code, path] of bad) {
      const { json } = await batch([good, command], { url: counting.url });
      expect({ code: json.code, path: json.path }).toEqual({ code, path });
    }
    const { status, json } = await batch([good, { op: "info" }], { key: "publish", url: counting.url });
    expect({ status, code: json.code, path: json.path }).toEqual({ status: 403, code: "permission_denied", path: "commands[1]" });
    expect(published).toEqual([]);
    await counting.server.stop(true);
  });

  test("wants a key, one command at least and a thousand at most", async () => {
    expect((await batch([{ op: "info" }], { key: null })).status).toBe(401);
    expect((await batch([])).status).toBe(400);
    expect((await batch(Array(1_001).fill({ op: "info" }))).status).toBe(400);
    expect((await batch(Array(1_000).fill({ op: "info" }))).json.results.length).toBe(1_000);
  });

  test("gives each command an idempotency key of its own", async () => {
    const keys: (string | undefined)[] = [];
    const counting = serve({
      control: {
        ...control,
        publish: (channel, request) => {
          keys.push(request.idempotencyKey);
          return control.publish(channel, request);
        },
      },
    });
    const commands = [
      { op: "publish", channel: "a", data: 1 },
      { op: "publish", channel: "a", data: 1, idempotencyKey: "own" },
      { op: "publish", channel: "a", data: 1 },
    ];
    await batch(commands, { headers: { "idempotency-key": "k" }, url: counting.url });
    await batch(commands.slice(0, 1), { url: counting.url });
    expect(keys).toEqual(["k/0", "own", "k/2", undefined]);
    expect((await batch(commands, { headers: { "idempotency-key": "k".repeat(127) } })).status).toBe(400);
    await counting.server.stop(true);
  });

  test("stops carrying out commands when its answer is large enough", async () => {
    const payload = { kind: "json", text: JSON.stringify("x".repeat(1e6)) } as const;
    const large = serve({ control: { ...control, rpc: async () => ({ ok: true, value: payload }) } });
    const { json } = await batch(Array(30).fill({ op: "rpc", method: "m" }), { url: large.url });
    const done = json.results.filter(({ ok }: { ok: boolean }) => ok).length;
    expect(done).toBe(17);
    expect(json.results.at(-1)).toMatchObject({ ok: false, error: { code: "payload_too_large" } });
    await large.server.stop(true);
  });
});

describe("queries", () => {
  const bad: [string, string][] = [
    ["history", "path=channel"],
    ["history?channel=", "channel"],
    ["history?channel=c&limit=0", "limit"],
    ["history?channel=c&limit=1001", "limit"],
    ["history?channel=c&limit=1.5", "limit"],
    ["history?channel=c&limit=1e3", "limit"],
    ["history?channel=c&limit=-1", "limit"],
    ["history?channel=c&limit=99999999999999999999", "limit"],
    ["history?channel=c&limit=", "limit"],
    ["history?channel=c&before=0", "before"],
    ["history?channel=c&channel=d", "channel"],
    ["sessions?after=", "after"],
    ["channels?limit=ten", "limit"],
    ["channels?__proto__=1", "__proto__"],
  ];
  test.each(bad)("%s is refused with the member's name", async (path, member) => {
    const { status, json } = await ask(`/${path}`, { method: "GET" });
    expect({ status, code: json.code }).toEqual({ status: 400, code: "request_invalid" });
    expect(`${json.path} ${json.detail}`).toContain(member.replace("path=", ""));
  });

  test("a page says where the next begins, and the last one does not", async () => {
    const { json } = await ask("/channels?limit=3", { method: "GET" });
    expect(json).toEqual({ channels: ["c0", "c1", "c2"], next: "c2" });
    expect((await ask("/sessions", { method: "GET" })).json).toEqual({ sessions: [] });
  });
});

describe("paths", () => {
  test.each(["", "/", "/publish/", "/Publish", "/nothing", "/publish%00", "//publish", "/../publish"])(
    "%s is no operation",
    async (path) => {
      const { status, json } = await ask(path);
      expect({ status, code: json.code }).toEqual({ status: 404, code: "not_found" });
    },
  );
});

describe("keys", () => {
  test.each([
    ["another scheme", "Basic abc"],
    ["no key", "Bearer"],
    ["two keys", `Bearer ${keyOf("all")} ${keyOf("all")}`],
    ["a key with a character more", `Bearer ${keyOf("all")}x`],
    ["the hash instead of the key", `Bearer ${hashed("publish", ["publish"]).keyHash}`],
    ["a very long key", `Bearer ${"x".repeat(8_000)}`],
  ])("%s is 401 with a challenge", async (_what, authorization) => {
    const { status, headers, json } = await ask("/info", { method: "GET", key: null, headers: { authorization } });
    expect({ status, code: json.code, challenge: headers.get("www-authenticate") }).toEqual({
      status: 401,
      code: "unauthorized",
      challenge: 'Bearer realm="holdfast"',
    });
    expect(JSON.stringify(seen)).not.toContain("kkkk");
  });

  test("the scheme's case does not matter", async () => {
    expect((await ask("/info", { method: "GET", key: null, headers: { authorization: `bearer ${keyOf("info")}` } })).status).toBe(200);
  });

  test("without any keys nobody is answered", async () => {
    const closed = serve({ keys: [] });
    expect((await ask("/info", { method: "GET", url: closed.url })).status).toBe(401);
    await closed.server.stop(true);
  });

  test("a key's hash of the wrong form is refused at start", () => {
    for (const keyHash of ["sha256:", "sha256:abcd", "hello"]) {
      expect(() => createHttpApi({ control, keys: [{ name: "odd", keyHash, scopes: ["*"] }] })).toThrow("API key odd");
    }
  });

  test("wrong keys of one address are slowed down, and a good key is not", async () => {
    const strict = serve({ failuresPerMinuteMax: 3 });
    const wrong = () => ask("/info", { method: "GET", key: "wrong", url: strict.url });
    for (let i = 0; i < 3; i++) expect((await wrong()).status).toBe(401);
    const { status, headers, json } = await wrong();
    expect({ status, code: json.code }).toEqual({ status: 429, code: "rate_limited" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(50);
    expect((await ask("/info", { method: "GET", url: strict.url })).status).toBe(200);
    await strict.server.stop(true);
  });
});

describe("failures", () => {
  test("an unexpected error is 500 with a request id that the log knows, and tells nothing of it", async () => {
    seen.length = 0;
    const { status, text, json, headers } = await ask("/publish", { body: { channel: "boom", data: 1 } });
    expect({ status, code: json.code }).toEqual({ status: 500, code: "internal" });
    expect(text).not.toContain("secret");
    expect(seen).toMatchObject([{ event: "failed", fields: { operation: "publish", requestId: json.requestId } }]);
    expect(headers.get("x-request-id")).toBe(json.requestId);
  });

  test("a failure of the node has its code's status and says when to repeat", async () => {
    const { status, headers, json } = await ask("/publish", { body: { channel: "down", data: 1 } });
    expect({ status, retryAfter: headers.get("retry-after") }).toEqual({ status: 503, retryAfter: "2" });
    expect(json).toMatchObject({
      type: "urn:holdfast:problem:broker_unavailable",
      status: 503,
      code: "broker_unavailable",
      detail: "no",
      retryMs: 1_500,
    });
  });

  test("every status is one of HTTP's errors", () => {
    for (const status of Object.values(CODE_STATUS)) expect(status).toBeWithin(400, 600);
  });

  test("more requests than the node takes at once are told to come back", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const busy = serve({ inFlightMax: 2, control: { ...control, presence: () => gate.then(() => ({ ok: true, value: [] })) } });
    const held = [1, 2].map(() => ask("/presence?channel=c", { method: "GET", url: busy.url }));
    await until(async () => (await ask("/info", { method: "GET", url: busy.url })).status === 503);
    release();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await ask("/info", { method: "GET", url: busy.url })).status).toBe(200);
    await busy.server.stop(true);
  });

  test("a drain that fails behind its answer is logged", async () => {
    seen.length = 0;
    const odd = serve({ control: { ...control, drain: () => Promise.reject(new Error("x")) } });
    expect((await ask("/drain", { body: {}, url: odd.url })).status).toBe(202);
    await until(() => seen.some(({ event }) => event === "failed"));
    expect(seen[0]).toMatchObject({ event: "command", fields: { operation: "drain", by: "all", address: "127.0.0.1" } });
    await odd.server.stop(true);
  });
});

describe("web pages", () => {
  test("get no leave to read answers unless their origin is listed", async () => {
    const { headers } = await ask("/info", { method: "GET", headers: { origin: "https://a.example" } });
    expect(headers.get("access-control-allow-origin")).toBeNull();
    const listed = serve({ allowedOrigins: ["https://a.example"] });
    const from = async (origin: string) => (await ask("/info", { method: "GET", headers: { origin }, url: listed.url })).headers;
    expect((await from("https://a.example")).get("access-control-allow-origin")).toBe("https://a.example");
    expect((await from("https://b.example")).get("access-control-allow-origin")).toBeNull();
    const preflight = await ask("/publish", {
      method: "OPTIONS",
      key: null,
      url: listed.url,
      headers: { origin: "https://a.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Authorization");
    await listed.server.stop(true);
  });
});

/** A publish whose data is so many lists inside one another. */
const nested = (depth: number): string => `{"channel":"c","data":${"[".repeat(depth)}${"]".repeat(depth)}}`;

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const startedMs = performance.now(); !(await holds()); await Bun.sleep(1)) {
    if (performance.now() - startedMs > 2_000) throw new Error("did not happen");
  }
}

/** What comes back on a connection that is written by hand. */
function rawRequest(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.setTimeout(3_000, () => socket.destroy(new Error("no answer")));
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
