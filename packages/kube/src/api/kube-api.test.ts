import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { credentialsSource } from "./credentials-source.ts";
import { createKubeApi } from "./kube-api.ts";
import { KubeApiError } from "./kube-api-error.ts";
import { type Exchange, type RawServer, rawServer } from "./testing/raw-http.ts";
import { accessTo, clientOf, until } from "./testing/setting.ts";

setDefaultTimeout(patience(10_000));

const PATH = "/apis/apps/v1/namespaces/x/replicasets/y";
let server: RawServer;
let asked: Exchange[];
let take: (exchange: Exchange) => void;

beforeEach(() => {
  asked = [];
  take = (exchange) => exchange.answer(200, { kind: "Thing" });
  server = rawServer((exchange) => {
    asked.push(exchange);
    take(exchange);
  });
});
afterEach(() => server.stop());

const url = () => `http://127.0.0.1:${server.port}`;
const api = (timeoutMs = 5000) => clientOf(accessTo(url()), { timeoutMs, userAgent: "holdfast/9" });

async function errorOf(of: Promise<unknown>): Promise<KubeApiError> {
  const error = await of.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof KubeApiError)) throw error;
  return error;
}

const asSent = ({ method, path, query, headers, body }: Exchange) => ({
  asked: `${method} ${path}${query.size === 0 ? "" : `?${query}`}`,
  type: headers["content-type"],
  body: body === "" ? undefined : JSON.parse(body),
});

test("each call is the request that the API documents", async () => {
  const body = { metadata: { name: "y" } };
  await api().get(PATH);
  await api().create(PATH, body);
  await api().replace(PATH, body);
  await api().merge(PATH, body);
  await api().apply(PATH, body);
  await api().apply(PATH, body, true);
  await api().remove(PATH);
  await api().remove(PATH, {
    ...{ uid: "u", resourceVersion: "7", propagation: "Orphan", graceSeconds: 0 },
  });
  const [json, kind] = ["application/json", { kind: "DeleteOptions", apiVersion: "v1" }];
  const applied = { type: "application/apply-patch+yaml", body };
  expect(asked.map(asSent)).toEqual([
    { asked: `GET ${PATH}`, type: undefined, body: undefined },
    { asked: `POST ${PATH}?fieldManager=tester`, type: json, body },
    { asked: `PUT ${PATH}?fieldManager=tester`, type: json, body },
    { asked: `PATCH ${PATH}?fieldManager=tester`, type: "application/merge-patch+json", body },
    { asked: `PATCH ${PATH}?fieldManager=tester&force=false`, ...applied },
    { asked: `PATCH ${PATH}?fieldManager=tester&force=true`, ...applied },
    { asked: `DELETE ${PATH}`, type: json, body: kind },
    {
      ...{ asked: `DELETE ${PATH}`, type: json },
      body: {
        ...kind,
        ...{ preconditions: { uid: "u", resourceVersion: "7" } },
        ...{ propagationPolicy: "Orphan", gracePeriodSeconds: 0 },
      },
    },
  ]);
  expect(asked.every(({ headers }) => headers["user-agent"] === "holdfast/9")).toBe(true);
});

test("a list gives the objects of all pages, each with its kind", async () => {
  take = (exchange) =>
    exchange.answer(200, {
      ...{ kind: "ReplicaSetList", apiVersion: "apps/v1" },
      metadata: {
        resourceVersion: "5",
        ...(exchange.query.get("continue") === "more" ? {} : { continue: "more" }),
      },
      items: [{ metadata: { name: exchange.query.get("continue") ?? "first" } }],
    });
  const all = await api().list("/apis/apps/v1/replicasets", { labelSelector: "a in (b,c)" });
  const what = { apiVersion: "apps/v1", kind: "ReplicaSet" };
  expect(all).toEqual({
    resourceVersion: "5",
    items: [
      { ...what, metadata: { name: "first" } },
      { ...what, metadata: { name: "more" } },
    ],
  });
  expect(asked.map(({ query }) => Object.fromEntries(query))).toEqual([
    { labelSelector: "a in (b,c)", limit: "500" },
    { labelSelector: "a in (b,c)", limit: "500", continue: "more" },
  ]);
});

test("a list that never ends is refused at its limit", async () => {
  take = (exchange) =>
    exchange.answer(200, {
      ...{ metadata: { resourceVersion: "5", continue: "more" } },
      items: Array.from({ length: 500 }, () => ({ metadata: {} })),
    });
  const error = await errorOf(api().listAll(PATH, { objectsMax: 2000 }));
  expect(error.reason).toBe("TooLarge");
  expect(asked.length).toBe(5);
});

const KINDS = ["isNotFound", "isConflict", "isAlreadyExists", "isGone", "isForbidden"] as const;

test.each([
  [404, "NotFound", ["isNotFound"]],
  [409, "Conflict", ["isConflict"]],
  [409, "AlreadyExists", ["isAlreadyExists"]],
  [410, "Expired", ["isGone"]],
  [403, "Forbidden", ["isForbidden"]],
  [401, "Unauthorized", ["isUnauthorized"]],
  [422, "Invalid", ["isInvalid"]],
  [429, "TooManyRequests", ["isTransient"]],
  [500, "InternalError", ["isTransient"]],
  [504, "Timeout", ["isTransient"]],
])("a refusal %i %s is %p", async (status, reason, kinds) => {
  take = (exchange) =>
    exchange.answer(status, { kind: "Status", status: "Failure", reason, message: "because" });
  const error = await errorOf(api().get(PATH));
  expect(error.message).toBe(`Cannot GET ${PATH}: ${status} ${reason} (because), expected success`);
  expect([error.status, error.reason]).toEqual([status, reason]);
  const all = [...KINDS, "isUnauthorized", "isInvalid", "isTransient", "isUnanswered"] as const;
  expect(all.filter((kind) => error[kind])).toEqual(kinds as (typeof all)[number][]);
});

test.each([
  ["3", {}, 3000],
  ["0", {}, 0],
  ["99999", {}, 60_000],
  ["-1", {}, undefined],
  ["Wed, 21 Oct 2026 07:28:00 GMT", {}, undefined],
  [undefined, { details: { retryAfterSeconds: 2 } }, 2000],
  [undefined, { details: { retryAfterSeconds: "soon" } }, undefined],
])("Retry-After %p, %p in the body: %p ms", async (header, body, ms) => {
  take = (exchange) =>
    exchange.answer(429, body, header === undefined ? {} : { "Retry-After": header });
  expect((await errorOf(api().get(PATH))).retryAfterMs).toBe(ms);
});

test.each([
  ["/api/v1/../../secrets"],
  ["/api/v1/."],
  ["/api/%2e%2e/x"],
  ["/api/v1/pods?watch=true"],
  ["/api/v1/a b"],
  ["api/v1"],
  ["//evil.example/api#"],
])("a path that is none is not sent: %s", async (path) => {
  const error = await errorOf(api().get(path));
  expect([error.status, error.reason]).toEqual([0, "BadPath"]);
  expect(asked).toEqual([]);
});

test.each<[string, string, (exchange: Exchange) => void]>([
  ["nothing", "Timeout", () => {}],
  ["half an answer", "Timeout", (exchange) => exchange.begin()],
  ["a cut", "Unreachable", (exchange) => exchange.cut()],
  ["HTML", "Malformed", (exchange) => exchange.answer(200, "<html>")],
  ["a list", "Malformed", (exchange) => exchange.answer(200, [])],
  ["a redirect", "Unreachable", (exchange) => exchange.answer(307, "", { Location: url() })],
])("%s as the answer is %s", async (_what, reason, fault) => {
  take = fault;
  const error = await errorOf(api(patience(200)).get(PATH));
  expect([error.status, error.reason]).toEqual([0, reason]);
  expect(error.isUnanswered).toBe(true);
});

test("a redirect takes the token nowhere", async () => {
  const strange: Exchange[] = [];
  const other = rawServer((exchange) => {
    strange.push(exchange);
    exchange.answer(200, {});
  });
  take = (exchange) =>
    exchange.answer(307, "", { Location: `http://127.0.0.1:${other.port}${PATH}` });
  const client = clientOf(accessTo(url(), { token: { data: SECRET } }));
  expect((await errorOf(client.get(PATH))).reason).toBe("Unreachable");
  expect(strange).toEqual([]);
  other.stop();
});

test("nobody who listens is Unreachable", async () => {
  server.stop();
  const error = await errorOf(api().get(PATH));
  expect(error.message).toBe(
    `Cannot GET ${PATH}: Unreachable (ECONNREFUSED), expected an answer of the API server`,
  );
});

test("an answer of more than 64 MiB is refused", async () => {
  const long = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(`{"a":"${"x".repeat(64 * 1024 * 1024)}"}`),
  });
  const client = clientOf(accessTo(`http://127.0.0.1:${long.port}`));
  expect((await errorOf(client.get(PATH))).reason).toBe("TooLarge");
  await long.stop(true);
});

test("requests of one client share a connection", async () => {
  const client = api();
  for (let round = 0; round < 20; round += 1) await client.get(PATH);
  expect(server.connections).toBe(1);
});

function tokenFile() {
  const folder = mkdtempSync(join(tmpdir(), "kube-api-"));
  const file = join(folder, "token");
  return {
    file,
    write: (token: string) => writeFileSync(file, `${token}\n`),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

const SECRET = "eyJhbGciOi.very-secret.token";

test("a token file is read again after a while, and at once if the server refuses it", async () => {
  const token = tokenFile();
  token.write(`${SECRET}1`);
  const clock = createManualClock();
  const access = accessTo(url(), { token: { file: token.file } });
  const source = credentialsSource(access, { env: {} }, { clock });
  const client = createKubeApi(access, source, { fieldManager: "tester" });
  const sent = () => asked.map(({ headers }) => headers.authorization?.at(-1)).join("");
  await client.get(PATH);
  token.write(`${SECRET}2`);
  await client.get(PATH);
  expect(sent()).toBe("11");
  clock.advance(60_000);
  await client.get(PATH);
  expect(sent()).toBe("112");
  // The server knows the third alone from now on.
  token.write(`${SECRET}3`);
  take = (exchange) =>
    exchange.headers.authorization?.endsWith("3")
      ? exchange.answer(200, {})
      : exchange.answer(401, { reason: "Unauthorized" });
  clock.advance(5000);
  await client.create(PATH, { a: 1 });
  expect(sent()).toBe("11223");
  expect(asked.at(-1)?.body).toBe('{"a":1}');
  token.remove();
  clock.advance(60_000);
  await client.get(PATH);
  expect(sent()).toBe("112233");
});

test("refusals of all that there is do not read files, or run plugins, without end", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kube-api-"));
  const count = join(folder, "count");
  const status = JSON.stringify({ kind: "ExecCredential", status: { token: SECRET } });
  const script = `echo run >> ${count}; echo '${status}'`;
  const access = accessTo(url(), {
    exec: { apiVersion: "v1", command: "sh", args: ["-c", script], env: {} },
  });
  const clock = createManualClock();
  const source = credentialsSource(access, { env: process.env }, { clock });
  const client = createKubeApi(access, source, { fieldManager: "tester" });
  take = (exchange) => exchange.answer(401, {});
  const runs = async () => (await Bun.file(count).text()).split("\n").length - 1;
  await Promise.all(Array.from({ length: 20 }, () => errorOf(client.get(PATH))));
  expect(await runs()).toBe(1);
  clock.advance(5000);
  await Promise.all(Array.from({ length: 20 }, () => errorOf(client.get(PATH))));
  expect(await runs()).toBe(2);
  rmSync(folder, { recursive: true });
});

test("no credentials is an error of ours, and no error holds a token or what was sent", async () => {
  const missing = await errorOf(
    clientOf(accessTo(url(), { token: { file: "/nowhere/token" } })).get(PATH),
  );
  expect([missing.status, missing.reason]).toEqual([0, "Credentials"]);
  expect(missing.message).toContain("Cannot read /nowhere/token: ENOENT");
  const client = clientOf(accessTo(url(), { token: { data: SECRET } }), { timeoutMs: 100 });
  const faults: ((exchange: Exchange) => void)[] = [
    (exchange) => exchange.answer(401, {}),
    (exchange) => exchange.answer(500, "no"),
    (exchange) => exchange.cut(),
    () => {},
  ];
  for (const fault of faults) {
    take = fault;
    const error = await errorOf(client.create(PATH, { data: "body-secret" }));
    const shown = Bun.inspect(error, { depth: 20 }) + JSON.stringify(error) + error.stack;
    expect(shown).not.toContain("very-secret");
    expect(shown).not.toContain("body-secret");
  }
  server.stop();
  expect(Bun.inspect(await errorOf(client.get(PATH)))).not.toContain("very-secret");
});

test("a watch is asked for with bookmarks, from the version, and ends with its signal", async () => {
  take = (exchange) => exchange.begin();
  const ending = new AbortController();
  let isOpen = false;
  const watched = errorOf(
    api().watch(PATH, {
      ...{ resourceVersion: "12", timeoutSeconds: 301, labelSelector: "a=b" },
      signal: ending.signal,
      onOpen: () => {
        isOpen = true;
      },
      onEvent: () => {},
    }),
  );
  await until(() => isOpen);
  expect(Object.fromEntries(asked[0]?.query ?? [])).toEqual({
    ...{ watch: "true", allowWatchBookmarks: "true", labelSelector: "a=b" },
    ...{ resourceVersion: "12", timeoutSeconds: "301" },
  });
  ending.abort();
  expect((await watched).reason).toBe("Stopped");
  await until(() => server.connections === 0);
});
