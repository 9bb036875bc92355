import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createPki } from "../../../test/doctor/api-server.ts";
import { NodePlanes, readInfo } from "./node-planes.ts";
import { PlaneError } from "./plane.ts";

const asked: { method: string; path: string; key: string | null; body: string }[] = [];
let answer: () => Response = () => Response.json({});
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    asked.push({
      method: request.method,
      path: new URL(request.url).pathname,
      key: request.headers.get("authorization"),
      body: await request.text(),
    });
    return answer();
  },
});
afterAll(() => server.stop(true));

let refusals = 0;
const planes = new NodePlanes({
  port: server.port ?? 0,
  scheme: "http",
  basePath: "/rt",
  key: async () => "sesame",
  keyRefused: () => {
    refusals += 1;
  },
});
const PLACE = { uid: "u", address: "127.0.0.1" };

const problem = async (work: Promise<unknown>): Promise<PlaneError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PlaneError)) throw new Error(`expected a PlaneError, found ${error}`);
  expect(error.message).not.toContain("sesame");
  return error;
};

test("an order has the key in its header, and its parts in its body", async () => {
  answer = () => new Response("{}", { status: 202 });
  await planes.drain(PLACE, { token: 5, windowMs: 1000, toRevision: "r2" });
  expect(asked.at(-1)).toEqual({
    method: "POST",
    path: "/rt/api/v1/drain",
    key: "Bearer sesame",
    body: '{"token":5,"windowMs":1000,"toRevision":"r2"}',
  });
});

test("a refusal of the order is not one of the key, and nobody there is neither", async () => {
  answer = () => Response.json({ detail: "found token 1, expected at least 5" }, { status: 409 });
  expect((await problem(planes.serve(PLACE, { token: 1 }))).code).toBe("refused");
  answer = () => new Response("", { status: 503 });
  expect((await problem(planes.ask(PLACE))).code).toBe("unreachable");
  const nobody = new NodePlanes({
    port: 9,
    scheme: "http",
    basePath: "",
    key: async () => "sesame",
  });
  expect((await problem(nobody.ask(PLACE))).code).toBe("unreachable");
  expect(refusals).toBe(0);
  answer = () => new Response("", { status: 401 });
  expect((await problem(planes.ask(PLACE))).code).toBe("key");
  expect(refusals).toBe(1);
});

test("the key follows no redirect", async () => {
  answer = () => new Response("", { status: 302, headers: { location: "http://127.0.0.1:9/" } });
  expect((await problem(planes.ask(PLACE))).code).toBe("unreachable");
});

test("an answer without end is given up", async () => {
  const state = JSON.stringify({ state: "ready", rest: "x".repeat(300_000) });
  answer = () => new Response(state);
  const given = await problem(planes.ask(PLACE));
  expect([given.code, given.message]).toEqual([
    "refused",
    "Cannot read a node's answer: more than 262144 bytes",
  ]);
});

test("what a node says is read as a report", () => {
  const info = {
    node: "n1",
    startedAtMs: 5,
    state: "draining",
    connections: 12,
    fixedSockets: 2,
    connectionsMax: 100,
    fence: 7,
    drain: { deadlineInMs: 4000 },
    felt: { connectionMinutes: 1.5, slow: 2 },
  };
  expect(readInfo(info)).toEqual({
    run: "n1/5",
    report: {
      ...{ state: "draining", sessions: 10, fixedSockets: 2, connectionsMax: 100, fence: 7 },
      drainLeftMs: 4000,
    },
    felt: {
      ...{ connectionMinutes: 1.5, resumes: 0, lost: 0, slow: 2 },
      ...{ resumesFailed: 0, closedAbnormally: 0 },
    },
  });
});

test("figures that no node has do not reach the status", () => {
  const strange = readInfo({ state: "ready", connections: 1e308, fixedSockets: -4, waiting: 2.5 });
  expect(strange.report).toMatchObject({ sessions: 2 ** 40, fixedSockets: 0, waiting: 2 });
  expect(readInfo({ state: "ready", connections: 1.5 }).report.sessions).toBe(1);
});

test.each([1.5, 2 ** 53, 1e300])("a fence of %p is none: no token would be above it", (fence) => {
  expect(() => readInfo({ state: "ready", fence })).toThrow(PlaneError);
});

test("a node with a certificate for another name is asked", async () => {
  const pki = await createPki();
  const read = (name: string) => readFileSync(pki.path(name), "utf8");
  const secure = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    tls: { cert: read("server.pem"), key: read("server.key") },
    fetch: () => Response.json({ state: "ready", connections: 3 }),
  });
  const port = secure.port ?? 0;
  const overTls = new NodePlanes({ port, scheme: "https", basePath: "", key: async () => "k" });
  try {
    expect((await overTls.ask(PLACE)).report.sessions).toBe(3);
  } finally {
    await secure.stop(true);
    pki.remove();
  }
});
