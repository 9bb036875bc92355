// Owns: who may use `/events`: tokens by header, ticket and cookie, pages of other origins; and the
// other two forms of a stream, NDJSON and long polling.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { SignJWT } from "jose";
import { patience } from "../patience.ts";
import { EventReader } from "./event-reader.ts";
import { startNode, type TestNode, type TestNodeOptions, until } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const SECRET = "a secret for tokens of the tests, long enough";
const permissions = { subscribe: "token", publish: "token", history: "token" } as const;
const contract = { channels: { "chat:{room}": { permissions } } };
const TOKENS = { HOLDFAST_AUTH_ANONYMOUS: "false", HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET };
const CAPS = ["chat:*=*"];

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(options: TestNodeOptions = {}): Promise<TestNode> {
  const started = await startNode({ contract, ...options, env: { ...TOKENS, ...options.env } });
  cleanups.push(() => started.node.stop());
  return started;
}

const tokenOf = (seconds: number, caps: readonly string[] = CAPS): Promise<string> =>
  new SignJWT({ sub: "ada", caps })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
    .sign(new TextEncoder().encode(SECRET));

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const url = ({ httpUrl }: TestNode, more = "") => `${httpUrl}/events?channel=chat:a${more}`;

function read(at: () => string, options: ConstructorParameters<typeof EventReader>[1] = {}) {
  const reader = new EventReader(at, options);
  cleanups.push(() => reader.stop());
  return reader;
}

const publish = async (node: TestNode, token: string, n: number) => {
  const answer = await fetch(`${node.httpUrl}/events`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer(token) },
    body: JSON.stringify({ channel: "chat:a", data: n }),
  });
  expect(answer.status).toBe(202);
};

test("a token by header opens a stream; none, a bad one and one that lacks the right do not", async () => {
  const node = await start();
  const token = await tokenOf(600);
  const reader = read(() => url(node), { headers: () => bearer(token) });
  await until("it has begun", () => reader.of("subscribed").length === 1);
  await publish(node, token, 1);
  await until("it came", () => reader.of("publication").length === 1);
  expect(reader.of("publication")[0]?.data).toMatchObject({ user: "ada", data: 1 });
  const other = await tokenOf(600, ["other:*=*"]);
  const refused: [Record<string, string>, number, string][] = [
    [{}, 401, "unauthorized"],
    [{ authorization: "Basic x" }, 401, "unauthorized"],
    [bearer("x.y.z"), 401, "token_invalid"],
    [bearer(await tokenOf(-600)), 401, "token_expired"],
    [bearer(other), 403, "permission_denied"],
  ];
  for (const [headers, status, code] of refused) {
    const answer = await fetch(url(node), { headers });
    expect([answer.status, (await answer.json()).code]).toEqual([status, code]);
  }
  expect(
    await (await fetch(url(node, "&channel=chat:b"), { headers: bearer(other) })).json(),
  ).toMatchObject({ code: "permission_denied", channel: "chat:a" });
});

test("a token's end ends its stream", async () => {
  const node = await start({ env: { HOLDFAST_AUTH_JWT_LEEWAY_MS: "0" } });
  const token = await tokenOf(2);
  const reader = read(() => url(node), { headers: () => bearer(token), givesUp: true });
  await until("it has begun", () => reader.of("subscribed").length === 1);
  await reader.done;
  expect(reader.of("goodbye").map(({ data }) => data.code)).toEqual(["token_expired"]);
  expect(reader.statuses).toEqual([200, 401]);
});

test("a ticket opens a stream, and its reader returns after the ticket's time; nobody else does", async () => {
  // The node's clock, by which a ticket is a minute old at once, is moved.
  const node = await start();
  const token = await tokenOf(600);
  const given = await fetch(`${node.httpUrl}/events/ticket`, {
    method: "POST",
    headers: bearer(token),
  });
  expect(given.status).toBe(201);
  const { ticket, expiresMs } = await given.json();
  expect(expiresMs).toBe(60_000);
  const at = () => url(node, `&ticket=${encodeURIComponent(ticket)}`);
  const reader = read(at);
  await until("it has begun", () => reader.of("subscribed").length === 1);
  await publish(node, token, 1);
  await until("it came", () => reader.of("publication").length === 1);
  expect(reader.lastId).toMatch(/![0-9a-z]+\.[\w-]{16}$/);
  expect(JSON.stringify(reader.events)).not.toContain(ticket);
  for (const headers of [{}, bearer("x")]) {
    const answer = await fetch(`${node.httpUrl}/events/ticket`, { method: "POST", headers });
    expect(answer.status).toBe(401);
  }
  expect((await fetch(url(node, "&ticket=hft.hf1.e30.x"))).status).toBe(401);
});

test("a cookie opens a stream if an option says so, and publishes for pages that may come alone", async () => {
  const node = await start({
    env: { HOLDFAST_AUTH_COOKIE: "session", HOLDFAST_ALLOWED_ORIGINS: "https://app.example" },
  });
  const cookie = `a=b; session=${await tokenOf(600)}`;
  const reader = read(() => url(node), { headers: () => ({ cookie }) });
  await until("it has begun", () => reader.of("subscribed").length === 1);
  const post = (headers: Record<string, string>) =>
    fetch(`${node.httpUrl}/events`, {
      method: "POST",
      headers: { cookie, ...headers },
      body: '{"channel":"chat:a","data":1}',
    });
  const json = { "content-type": "application/json" };
  expect((await post({ ...json, origin: "https://app.example" })).status).toBe(202);
  expect((await post({ ...json, "sec-fetch-site": "same-origin" })).status).toBe(202);
  expect((await post(json)).status).toBe(403);
  expect((await post({ origin: "https://app.example", "content-type": "text/plain" })).status).toBe(
    403,
  );
  expect((await post({ ...json, origin: "https://evil.example" })).status).toBe(403);
  const without = await start();
  expect((await fetch(url(without), { headers: { cookie } })).status).toBe(401);
});

test("pages read streams if their origin may connect", async () => {
  const node = await start({ env: { HOLDFAST_ALLOWED_ORIGINS: "https://app.example" } });
  const headers = bearer(await tokenOf(600));
  const ask = (origin: string, method = "HEAD") =>
    fetch(url(node), { method, headers: { ...headers, origin } });
  const good = await ask("https://app.example");
  expect([good.status, good.headers.get("access-control-allow-origin")]).toEqual([
    200,
    "https://app.example",
  ]);
  expect(good.headers.get("access-control-allow-credentials")).toBe("true");
  const bad = await ask("https://evil.example");
  expect([bad.status, bad.headers.get("access-control-allow-origin")]).toEqual([403, null]);
  const preflight = await ask("https://app.example", "OPTIONS");
  expect([preflight.status, preflight.headers.get("access-control-allow-methods")]).toEqual([
    204,
    "GET, HEAD, POST, OPTIONS",
  ]);
  expect(preflight.headers.get("access-control-allow-headers")).toContain("Last-Event-ID");
  expect((await ask("https://app.example", "DELETE")).status).toBe(405);
});

test("the same stream as NDJSON", async () => {
  const node = await start();
  const token = await tokenOf(600);
  const abort = new AbortController();
  cleanups.push(() => abort.abort());
  const answer = await fetch(url(node), {
    headers: { ...bearer(token), accept: "application/x-ndjson" },
    signal: abort.signal,
  });
  expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
  for (let n = 1; n <= 3; n++) await publish(node, token, n);
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.split("\n").length > 4) break;
  }
  const events = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.map(({ event, data }) => [event, data.data])).toEqual([
    ["subscribed", undefined],
    ["publication", 1],
    ["publication", 2],
    ["publication", 3],
  ]);
  expect(new Set(events.map(({ id }) => id)).size).toBe(4);
});

test("long polls with a cursor get everything once, and wait if there is nothing", async () => {
  const node = await start();
  const token = await tokenOf(600);
  let cursor = "";
  const poll = async (waitMs: number) => {
    const after = cursor === "" ? "" : `&after=${encodeURIComponent(cursor)}`;
    const answer = await fetch(url(node, `&waitMs=${waitMs}${after}`), {
      headers: { ...bearer(token), accept: "application/json" },
    });
    expect(answer.status).toBe(200);
    const body = await answer.json();
    cursor = body.cursor ?? cursor;
    return body.events.filter(({ event }: { event: string }) => event !== "subscribed");
  };
  expect(await poll(20_000)).toEqual([]);
  expect(await poll(0)).toEqual([]);
  const got: number[] = [];
  const polling = (async () => {
    while (got.length < 200) for (const { data } of await poll(20_000)) got.push(data.data);
  })();
  for (let n = 0; n < 200; n++) await publish(node, token, n);
  await polling;
  expect(got).toEqual(Array.from({ length: 200 }, (_, n) => n));
  await until("no stream is left", () => node.node.info().subscriptions === 0);
});

test("one user and one address open as many streams as connections, and others open theirs", async () => {
  const node = await start({
    env: { HOLDFAST_LIMITS_CONNECTIONS_PER_USER_MAX: "3", HOLDFAST_TRUSTED_PROXIES: "127.0.0.1" },
  });
  const token = await tokenOf(600);
  const open = (accept: string, address: string, of = token) =>
    fetch(url(node), {
      headers: { ...bearer(of), accept, "x-forwarded-for": address },
      signal: AbortSignal.timeout(patience(20_000)),
    });
  const held = [];
  for (let i = 0; i < 3; i++) held.push(await open("text/event-stream", "10.0.0.1"));
  expect(held.map(({ status }) => status)).toEqual([200, 200, 200]);
  const refused = await open("application/x-ndjson", "10.0.0.2");
  expect([refused.status, (await refused.json()).code]).toEqual([429, "connection_limit"]);
  const passing = await open("text/event-stream", "10.0.0.2");
  expect(await passing.text()).toContain('"code":"connection_limit"');
  await held.pop()?.body?.cancel();
  await until("its place is free", () => node.node.info().connections === 2);
  expect((await open("text/event-stream", "10.0.0.1")).status).toBe(200);
});

test("a flood of publishes is refused by the rate of a connection, however many requests bring it", async () => {
  const node = await start({ env: { HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "10" } });
  const token = await tokenOf(600);
  const post = () =>
    fetch(`${node.httpUrl}/events`, {
      method: "POST",
      headers: { "content-type": "application/json", ...bearer(token) },
      body: '{"channel":"chat:a","data":1}',
    });
  const answers = await Promise.all(Array.from({ length: 200 }, post));
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([202, 429]));
  expect(statuses.filter((status) => status === 202).length).toBeLessThan(60);
  expect(answers.find(({ status }) => status === 429)?.headers.get("retry-after")).toBe("1");
  expect(node.node.info().connections).toBe(1);
  expect(node.bugs).toEqual([]);
});
