import { afterAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { API_SCOPES } from "../options/index.ts";
import { openApiDocument } from "./openapi.ts";
import { CODE_STATUS } from "./problem.ts";
import { renderHttpApiReference, renderOpenApi } from "./reference.ts";
import { API_BASE, ROUTES, STREAM_ROUTES } from "./routes/index.ts";
import { type Ask, control, serve, until } from "./testing.ts";

const main = serve();
const { ask } = main;
afterAll(() => main.stop());

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
  shed: { keep: 5, toRevision: "r2" },
  nodes: {},
  node_drain: { node: "n2" },
  node_undrain: { node: "n2" },
};

const call = (route: (typeof ROUTES)[number], more: Ask = {}) => {
  const input = GOOD[route.name] ?? {};
  if (route.method === "POST") return ask(route.path, { body: input, ...more });
  return ask(`${route.path}?${new URLSearchParams(input as Record<string, string>)}`, {
    method: "GET",
    ...more,
  });
};

describe("every operation", () => {
  test.each([...ROUTES])("$name answers in the shape that its schema says", async (route) => {
    const { status, json, headers } = await call(route);
    expect(status).toBe(route.status);
    expect(route.output.safeParse(json)).toMatchObject({ success: true });
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("content-type")).toBe("application/json");
    expect(main.counted.at(-1)).toEqual({ route: route.name, status: route.status });
  });

  test.each([...ROUTES])("$name wants its scope and no other", async (route) => {
    for (const scope of API_SCOPES) {
      const { status } = await call(route, { key: scope === "*" ? "all" : scope });
      expect({ scope, status }).toEqual({
        scope,
        status: scope === route.scope || scope === "*" ? route.status : 403,
      });
    }
    expect((await call(route, { key: null })).status).toBe(401);
    expect((await call(route, { key: "nobody" })).status).toBe(401);
  });

  test.each([...ROUTES])(
    "$name refuses members that it does not know, and says which",
    async (route) => {
      const { status, json } =
        route.method === "POST"
          ? await ask(route.path, { body: { ...GOOD[route.name], zebra: 1 } })
          : await ask(
              `${route.path}?${new URLSearchParams({ ...GOOD[route.name], zebra: "1" } as Record<string, string>)}`,
              {
                method: "GET",
              },
            );
      expect({ status, code: json.code }).toEqual({ status: 400, code: "request_invalid" });
      expect(json.detail).toContain("zebra");
    },
  );

  test.each([...ROUTES])("$name is at one method only", async (route) => {
    const allow = route.method === "GET" ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"].filter(
      (one) => one !== route.method,
    )) {
      const { status, headers, json } = await ask(route.path, { method });
      expect({ method, status, allow: headers.get("allow"), code: json.code }).toEqual({
        method,
        status: 405,
        allow,
        code: "method_not_allowed",
      });
    }
    const options = await ask(route.path, { method: "OPTIONS", key: null });
    expect({
      status: options.status,
      allow: options.headers.get("allow"),
      text: options.text,
    }).toEqual({ status: 204, allow, text: "" });
  });

  test("HEAD is GET without the body", async () => {
    const { status, text, headers } = await ask("/info", { method: "HEAD" });
    expect({ status, text, type: headers.get("content-type") }).toEqual({
      status: 200,
      text: "",
      type: "application/json",
    });
    expect((await ask("/info", { method: "HEAD", key: null })).status).toBe(401);
  });
});

describe("the documents", () => {
  test("OpenAPI and the routes name the same paths, methods, scopes and members", async () => {
    const { status, json } = await ask("/openapi.json", { method: "GET", key: null });
    expect(status).toBe(200);
    expect(json).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    const described = Object.entries(
      json.paths as Record<string, Record<string, { operationId: string }>>,
    ).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => `${method.toUpperCase()} ${path} ${operation.operationId}`,
      ),
    );
    const expected = [...ROUTES, ...STREAM_ROUTES].map(
      ({ method, path, name }) => `${method} ${API_BASE}${path} ${name}`,
    );
    expect(described.sort()).toEqual(
      [
        ...expected,
        `POST ${API_BASE}/batch batch`,
        `POST ${API_BASE}/ingest ingest`,
        `GET ${API_BASE}/openapi.json openapi`,
      ].sort(),
    );
    for (const route of ROUTES)
      expect(json.paths[API_BASE + route.path][route.method.toLowerCase()]["x-scope"]).toBe(
        route.scope,
      );
    const parameters = json.paths["/api/v1/history"].get.parameters as {
      name: string;
      required: boolean;
      schema: { type: string };
    }[];
    expect(parameters.map(({ name, required, schema }) => [name, required, schema.type])).toEqual([
      ["channel", true, "string"],
      ["limit", false, "integer"],
      ["before", false, "integer"],
    ]);
  });

  test("every path that the document names is there", async () => {
    for (const [path, methods] of Object.entries(
      openApiDocument().paths as Record<string, object>,
    )) {
      for (const method of Object.keys(methods)) {
        const { status } = await ask(path.slice(API_BASE.length), {
          method: method.toUpperCase(),
          key: null,
        });
        expect({ path, known: status === 401 || status === 200 }).toEqual({ path, known: true });
      }
    }
  });

  test("the pages in docs/reference are what the routes say (`npm run generate` writes them)", async () => {
    const page = (name: string) =>
      readFile(new URL(`../../../../docs/reference/${name}`, import.meta.url), "utf8");
    expect(await page("http-api.md")).toBe(renderHttpApiReference());
    expect(await page("openapi.json")).toBe(renderOpenApi());
  });
});

describe("paths", () => {
  test.each([
    "",
    "/",
    "/publish/",
    "/Publish",
    "/nothing",
    "/publish%00",
    "//publish",
    "/../publish",
  ])("%s is no operation", async (path) => {
    const { status, json } = await ask(path);
    expect({ status, code: json.code }).toEqual({ status: 404, code: "not_found" });
  });
});

describe("failures", () => {
  test("an unexpected error is 500 with a request id that the log knows, and tells nothing of it", async () => {
    main.seen.length = 0;
    const { status, text, json, headers } = await ask("/publish", {
      body: { channel: "boom", data: 1 },
    });
    expect({ status, code: json.code }).toEqual({ status: 500, code: "internal" });
    expect(text).not.toContain("secret");
    expect(main.seen).toMatchObject([
      { event: "failed", fields: { operation: "publish", requestId: json.requestId } },
    ]);
    expect(headers.get("x-request-id")).toBe(json.requestId);
  });

  test("a failure of the node has its code's status and says when to repeat", async () => {
    const { status, headers, json } = await ask("/publish", { body: { channel: "down", data: 1 } });
    expect({ status, retryAfter: headers.get("retry-after") }).toEqual({
      status: 503,
      retryAfter: "2",
    });
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
    const busy = serve({
      inFlightMax: 2,
      control: { ...control, presence: () => gate.then(() => ({ ok: true, value: [] })) },
    });
    const held = [1, 2].map(() => busy.ask("/presence?channel=c", { method: "GET" }));
    await until(async () => (await busy.ask("/info", { method: "GET" })).status === 503);
    release();
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200]);
    expect((await busy.ask("/info", { method: "GET" })).status).toBe(200);
    await busy.stop();
  });

  test("an order that the node refuses is answered with why", async () => {
    const obey: typeof control.obey = ({ order }) =>
      order === "drain"
        ? { ok: false, code: "order_refused", message: "found token 1", path: "token" }
        : { ok: false, code: "node_ending", message: "it ends" };
    const odd = serve({ control: { ...control, obey } });
    const refused = await odd.ask("/drain", { body: { token: 1 } });
    expect(refused).toMatchObject({ status: 409, json: { code: "order_refused", path: "token" } });
    expect((await odd.ask("/undrain", { body: {} })).json).toEqual({ undone: false });
    await odd.stop();
  });
});

describe("web pages", () => {
  test("get no leave to read answers unless their origin is listed", async () => {
    const { headers } = await ask("/info", {
      method: "GET",
      headers: { origin: "https://a.example" },
    });
    expect(headers.get("access-control-allow-origin")).toBeNull();
    const listed = serve({ allowedOrigins: ["https://a.example"] });
    const from = async (origin: string) =>
      (await listed.ask("/info", { method: "GET", headers: { origin } })).headers;
    expect((await from("https://a.example")).get("access-control-allow-origin")).toBe(
      "https://a.example",
    );
    expect((await from("https://b.example")).get("access-control-allow-origin")).toBeNull();
    const preflight = await listed.ask("/publish", {
      method: "OPTIONS",
      key: null,
      headers: { origin: "https://a.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Authorization");
    await listed.stop();
  });
});
