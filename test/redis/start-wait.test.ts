// Checks a node that starts while its broker is away: it waits, says so, and serves when the broker
// has come.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { freePort } from "../free-port.ts";
import { eventually, type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { startServer, stopServers, type TestServer } from "./servers.ts";

setDefaultTimeout(patience(60_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Waiting {
  readonly redis: TestServer;
  readonly command: RunningCommand;
  ask(path: string): Promise<readonly [number, string]>;
  /** On the public port. A body: it is posted. Without a key, nobody asks. */
  api(
    path: string,
    body?: object,
    key?: string,
  ): Promise<{ status: number; json: Record<string, unknown> }>;
}

const API_KEY = "k".repeat(32);

/** A node that was started while its Redis was not there. */
async function startWaiting(startWaitMs: string): Promise<Waiting> {
  const redis = await startServer();
  cleanups.push(() => stopServers([redis]));
  await redis.kill();
  const [port, internalPort] = [await freePort(), await freePort()];
  const command = startCommand(["serve"], {
    env: {
      HOLDFAST_BROKER_URL: redis.url,
      HOLDFAST_BROKER_START_WAIT_MS: startWaitMs,
      HOLDFAST_AUTH_INSECURE: "true",
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_PORT: `${port}`,
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "operator", key: API_KEY, scopes: ["*"] }]),
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_PORT: `${internalPort}`,
    },
  });
  cleanups.push(() => command.signal("SIGKILL"));
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${internalPort}${path}`).catch(() => undefined);
    return [answer?.status ?? 0, (await answer?.text()) ?? ""] as const;
  };
  const api: Waiting["api"] = async (path, body, key = API_KEY) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    }).catch(() => undefined);
    const text = (await answer?.text()) ?? "";
    return {
      status: answer?.status ?? 0,
      json: text.startsWith("{") ? JSON.parse(text) : { text },
    };
  };
  await command.until((output) => output.includes("broker_awaited"));
  return { redis, command, ask, api };
}

test("it lives, is not ready and says why, and is ready when the broker has come", async () => {
  const { redis, command, ask } = await startWaiting("10m");
  expect(await ask("/livez")).toEqual([200, '{"alive":true}']);
  const [status, body] = await ask("/readyz");
  expect([status, JSON.parse(body)]).toEqual([
    503,
    {
      ready: false,
      state: "starting",
      reasons: [{ reason: "broker", detail: expect.stringContaining("for 600 s at most") }],
    },
  ]);
  const [, metrics] = await ask("/metrics");
  expect(metrics).toMatch(/^holdfast_ready 0$/m);
  expect(metrics).toMatch(/^holdfast_broker_up 0$/m);
  const [awaited] = command.events().filter(({ event }) => event === "broker_awaited");
  expect(awaited).toMatchObject({ level: "warn", atMostMs: 600_000 });
  await redis.restart();
  await eventually("the node is ready", async () => (await ask("/readyz"))[0] === 200);
  expect((await ask("/metrics"))[1]).toMatch(/^holdfast_ready 1$/m);
});

test("at its limit it ends with the status of a failure that may pass, and one with a longer limit does not", async () => {
  const patient = await startWaiting("10m");
  const { command } = await startWaiting("1s");
  expect(await command.ended()).toBe(3);
  expect(command.output()).toContain("Cannot reach the broker at");
  expect((await patient.ask("/livez"))[0]).toBe(200);
});

test("a signal ends the wait", async () => {
  const { command } = await startWaiting("10m");
  command.signal("SIGTERM");
  expect(await command.ended()).toBe(0);
  expect(command.events().map(({ event }) => event)).toContain("start_given_up");
});

test("orders are obeyed while it waits, and it never becomes ready if it was ordered to drain", async () => {
  const { redis, ask, api } = await startWaiting("10m");
  expect((await api("/api/v1/info", undefined, "x".repeat(32))).status).toBe(401);
  expect(await api("/api/v1/info")).toMatchObject({
    status: 200,
    json: { state: "starting", fence: 0, connections: 0 },
  });
  const drain = { token: 5, windowMs: 60_000, preDelayMs: 60_000, toRevision: "r2" };
  expect(await api("/api/v1/drain", drain)).toMatchObject({
    status: 202,
    json: { state: "draining", fence: 5, drain: { remaining: 0 } },
  });
  expect(await api("/api/v1/undrain", { token: 4 })).toMatchObject({
    status: 409,
    json: { code: "order_refused" },
  });
  expect(await api("/api/v1/publish", { channel: "a", data: 1 })).toMatchObject({
    status: 503,
    json: { code: "try_later", retryMs: 1000 },
  });
  expect((await api("/connect")).status).toBe(503);
  await redis.restart();
  await eventually("the node has its broker", async () =>
    (await ask("/readyz"))[1].includes('"draining"'),
  );
  await eventually("the node is drained", async () => {
    const { json } = await api("/api/v1/info");
    return json["state"] === "draining" && json["fence"] === 5;
  });
  expect((await ask("/readyz"))[0]).toBe(503);
  expect((await api("/api/v1/undrain", { token: 4 })).status).toBe(409);
  expect((await api("/api/v1/undrain", { token: 6 })).json).toEqual({ undone: true });
  await eventually("the node is ready", async () => (await ask("/readyz"))[0] === 200);
});

test("an order that was taken back while it waits leaves a node that becomes ready, with its fence", async () => {
  const { redis, ask, api } = await startWaiting("10m");
  expect((await api("/api/v1/drain", { token: 5 })).status).toBe(202);
  expect((await api("/api/v1/undrain", { token: 7 })).json).toEqual({ undone: true });
  expect((await api("/api/v1/info")).json).toMatchObject({ state: "starting", fence: 7 });
  expect((await api("/api/v1/drain", { token: 6 })).status).toBe(409);
  await redis.restart();
  await eventually("the node is ready", async () => (await ask("/readyz"))[0] === 200);
  await eventually("it knows its fence", async () => {
    const { json } = await api("/api/v1/info");
    return json["state"] === "ready" && json["fence"] === 7;
  });
});
