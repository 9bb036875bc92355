// Owns: questions to a back end over real sockets: every way in which it does not answer, and who
// waits for it.
import { afterEach, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import type { UnavailableError } from "@holdfast/contract";
import { createSeededRandom } from "@holdfast/core";
import type { BackEndSettings } from "../options/back-ends.ts";
import { BackEnd } from "./back-end.ts";
import type { Question } from "./message.ts";

const SECRET = "whsec_c2VjcmV0IG9mIHRoZSBkZXNr";
const RPC: Question = {
  type: "rpc",
  session: { id: "s1", user: "ada", address: "10.0.0.1" },
  method: "close",
  data: { ticket: 7 },
};
const CONNECT: Question = { type: "connect", session: { id: "s2", address: "10.0.0.2" } };

type Handler = (request: Request) => Response | Promise<Response>;
const servers: { stop(force: boolean): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

function start(handler: Handler, more: Partial<BackEndSettings> = {}) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
  servers.push(server);
  let nowMs = 1_000;
  const told: string[] = [];
  const changes: string[] = [];
  const settings: BackEndSettings = {
    url: `http://127.0.0.1:${server.port}/holdfast`,
    timeoutMs: 5_000,
    hooks: [],
    rpcs: {},
    whenAway: "refuse",
    ...more,
  };
  const backEnd = new BackEnd(settings, {
    fetch: (url, init) => fetch(url, init),
    random: createSeededRandom(1),
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000,
    asked: (type, outcome) => told.push(`${type} ${outcome}`),
    changed: (state, reason) => changes.push(`${state}: ${reason}`),
    secret: SECRET,
    ca: undefined,
  });
  const failure = (question: Question, signal?: AbortSignal): Promise<UnavailableError> =>
    backEnd.ask(question, signal).then(
      () => expect.unreachable(),
      (error: UnavailableError) => error,
    );
  return { backEnd, server, told, changes, failure, pass: (ms: number) => (nowMs += ms) };
}

test("a question is JSON with session and data, signed as Standard Webhooks says", async () => {
  let asked: Request | undefined;
  let body = "";
  const { backEnd, told } = start(async (request) => {
    asked = request;
    body = await request.text();
    return Response.json({ data: { lines: 3 } });
  });
  expect(await backEnd.ask(RPC)).toEqual({ hasData: true, data: { lines: 3 } });
  expect(JSON.parse(body)).toEqual({ v: 1, ...RPC });
  const header = (name: string) => asked?.headers.get(name) ?? "";
  const key = Buffer.from("c2VjcmV0IG9mIHRoZSBkZXNr", "base64");
  const mac = createHmac("sha256", key)
    .update(`${header("webhook-id")}.${header("webhook-timestamp")}.${body}`)
    .digest("base64");
  expect(header("webhook-signature")).toBe(`v1,${mac}`);
  expect(header("holdfast-timeout-ms")).toBe("5000");
  expect(told).toEqual(["rpc ok"]);
});

test("bytes travel as base64 in both directions", async () => {
  const { backEnd } = start(async (request) => {
    const { b } = (await request.json()) as { b: string };
    return Response.json({ b });
  });
  const data = new Uint8Array([0, 255, 7]);
  expect(await backEnd.ask({ ...RPC, data } as Question)).toEqual({ hasData: true, data });
});

test.each([
  ["204", () => new Response(null, { status: 204 }), { hasData: false }],
  ["an empty object", () => Response.json({}), { hasData: false }],
  ["a null", () => Response.json({ data: null }), { hasData: true, data: null }],
  ["a refusal", () => Response.json({ reject: "no" }), { hasData: false, reject: "no" }],
] as const)("%s is an answer", async (_what, respond, answer) => {
  const { backEnd, changes } = start(respond);
  expect(await backEnd.ask(RPC)).toEqual(answer);
  expect(changes).toEqual([]);
});

test.each([
  ["no JSON", () => new Response("<html>"), "unreadable"],
  ["a list", () => Response.json([]), "unreadable"],
  ["a refusal that is no text", () => Response.json({ reject: 7 }), "unreadable"],
  ["bytes that are no base64", () => Response.json({ b: "%%" }), "unreadable"],
  ["more than 1 MiB", () => new Response("x".repeat(1024 * 1024 + 1)), "unreadable"],
  ["a redirect", () => Response.redirect("http://127.0.0.1:9/", 302), "refused"],
  ["401", () => new Response("", { status: 401 }), "refused"],
] as const)("%s is a fault of the back end, which is there", async (_what, respond, outcome) => {
  const { failure, told, changes } = start(respond);
  for (let n = 0; n < 7; n++) {
    const error = await failure(RPC);
    expect(error.name).toBe("BackEndFailure");
  }
  expect(new Set(told)).toEqual(new Set([`rpc ${outcome}`]));
  expect(changes).toEqual([]);
});

test.each([
  ["503", () => new Response("", { status: 503 }), "failed"],
  ["429", () => new Response("", { status: 429 }), "failed"],
  ["nothing in time", () => new Promise<Response>(() => {}), "timeout"],
] as const)(
  "after five times %s it is left alone, and then one asks",
  async (_w, respond, outcome) => {
    let isWell = false;
    const more = { timeoutMs: 20 };
    const { backEnd, failure, told, changes, pass } = start(
      () => (isWell ? Response.json({}) : respond()),
      more,
    );
    for (let n = 0; n < 5; n++) {
      const error = await failure(RPC);
      expect(error.name).toBe("UnavailableError");
      expect(error.retryMs).toBeGreaterThan(0);
    }
    expect(changes).toHaveLength(1);
    expect(changes[0]).toStartWith("away: ");
    const open = await failure(RPC);
    expect(open.retryMs).toBeGreaterThan(0);
    expect(told).toEqual([...Array(5).fill(`rpc ${outcome}`), "rpc open"]);
    pass(open.retryMs);
    isWell = true;
    const [probe, other] = await Promise.allSettled([backEnd.ask(RPC), backEnd.ask(RPC)]);
    expect([probe?.status, other?.status]).toEqual(["fulfilled", "rejected"]);
    expect(await backEnd.ask(RPC)).toEqual({ hasData: false });
    expect(changes[1]).toBe("back: it answers");
  },
);

test("a question that changes nothing is asked again if the connection breaks; a call is not", async () => {
  let count = 0;
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket) {
        count += 1;
        socket.terminate();
      },
    },
  });
  servers.push(server);
  const { failure } = start(() => Response.json({}), { url: `http://127.0.0.1:${server.port}/` });
  expect((await failure(RPC)).message).toStartWith("no connection (");
  expect(count).toBe(1);
  await failure(CONNECT);
  expect(count).toBe(3);
});

test("a call that its caller gave up ends, and says nothing about the back end", async () => {
  const { failure, told, changes } = start(() => new Promise<Response>(() => {}));
  for (let n = 0; n < 6; n++) {
    const caller = new AbortController();
    const ended = failure(RPC, caller.signal);
    caller.abort();
    expect((await ended).message).toBe("the caller went away");
  }
  expect(new Set(told)).toEqual(new Set(["rpc cancelled"]));
  expect(changes).toEqual([]);
});

test("one user's requests take half of the room, and others find some", async () => {
  const { backEnd, failure, told } = start(() => new Promise<Response>(() => {}), {
    timeoutMs: 60_000,
  });
  const caller = new AbortController();
  const big: Question = { ...RPC, data: "x".repeat(1024 * 1024) } as Question;
  const waiting = Array.from({ length: 8 }, () => backEnd.ask(big, caller.signal).catch(() => {}));
  expect(await failure(big)).toMatchObject({ name: "UnavailableError", retryMs: 1000 });
  expect(told).toEqual(["rpc full"]);
  const others = backEnd.ask(CONNECT, caller.signal).catch((error: Error) => error.message);
  caller.abort();
  expect(await others).toBe("the caller went away");
  await Promise.all(waiting);
});

test("data that JSON cannot say is a fault of who gave it, and takes no room", async () => {
  const { failure, changes } = start(() => Response.json({}));
  for (let n = 0; n < 6; n++)
    expect((await failure({ ...RPC, data: 1n } as Question)).name).toBe("TypeError");
  expect(changes).toEqual([]);
});

test("one who may try, and finds no room, leaves the try to the next", async () => {
  let isWell = false;
  const handler = async (request: Request): Promise<Response> => {
    const { type } = (await request.json()) as { type: string };
    if (type === "rpc") return new Promise<Response>(() => {});
    return isWell ? Response.json({}) : new Response("", { status: 503 });
  };
  const { backEnd, failure, told, pass } = start(handler, { timeoutMs: 60_000 });
  const caller = new AbortController();
  const big: Question = { ...RPC, data: "x".repeat(1024 * 1024) } as Question;
  const waiting = Array.from({ length: 8 }, () => backEnd.ask(big, caller.signal).catch(() => {}));
  for (let n = 0; n < 5; n++) await failure(CONNECT);
  pass((await failure(CONNECT)).retryMs);
  isWell = true;
  await failure(big);
  expect(told.slice(-2)).toEqual(["connect open", "rpc full"]);
  expect(await backEnd.ask(CONNECT)).toEqual({ hasData: false });
  caller.abort();
  await Promise.all(waiting);
});
