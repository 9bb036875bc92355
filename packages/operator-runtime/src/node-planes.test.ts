import { afterAll, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { TOKEN_MAX } from "@holdfast/operator";
import { createPki } from "../../../test/doctor/api-server.ts";
import { patience } from "../../../test/patience.ts";
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

test("a node that repeats the key brings it into no error", async () => {
  const detail = `You sent ${"x".repeat(150)} Bearer sesame`;
  answer = () => Response.json({ detail }, { status: 409 });
  const { code, message } = await problem(planes.ask(PLACE));
  expect([code, message]).toEqual(["refused", expect.stringContaining("You sent")]);
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
    expect.stringMatching(/^Cannot GET \/info of the node at .*: found more than 262144 bytes$/),
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

test.each([1.5, 2 ** 52, 2 ** 53 - 1, 1e308, "9007199254740991"])(
  "a fence of %p is none that a leader gave, and the rest of the answer counts",
  (fence) => {
    const { report } = readInfo({ state: "ready", fence, connections: 7 });
    expect(report).toMatchObject({ fence: TOKEN_MAX, sessions: 7 });
  },
);

test.each(["", "x", null, {}, -5, -1e308])("a fence of %p counts as none", (fence) => {
  expect(readInfo({ state: "ready", fence }).report.fence).toBe(0);
});

test("no drain is over before its time, whatever its node says", () => {
  const left = (deadlineInMs: unknown) =>
    readInfo({ state: "draining", drain: { deadlineInMs } }).report.drainLeftMs;
  expect([left(-1e308), left("x"), left(1e308)]).toEqual([0, 0, 2 ** 40]);
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

/** What a hostile or broken node does on the wire. */
const WIRE: readonly (readonly [string, (socket: Socket) => void])[] = [
  ["closes", (socket) => socket.destroy()],
  ["closes within its answer", (socket) => socket.end(`${HEAD}content-length: 50\r\n\r\n{"st`)],
  ["speaks no HTTP", (socket) => socket.end("\0\0garbage\r\n")],
  ["answers no JSON", (socket) => socket.end(body('{"state": '))],
  ["answers a list in a list, and so on", (socket) => socket.end(body("[".repeat(200_000)))],
  ["answers an empty object", (socket) => socket.end(body("{}"))],
  ["says that a gigabyte comes", (socket) => flood(socket, "content-length: 1073741824\r\n\r\n")],
  ["sends headers without end", (socket) => flood(socket, "x: ")],
  ["sends nothing", () => {}],
  ["sends a byte now and then", (socket) => drip(socket)],
];
const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
const body = (text: string): string => `${HEAD}content-length: ${text.length}\r\n\r\n${text}`;

/** As much as the socket takes, until the other side has had enough. */
function flood(socket: Socket, then: string): void {
  const more = "x".repeat(65_536);
  socket.write(HEAD + then);
  const send = (): void => {
    while (!socket.destroyed && socket.write(more));
  };
  socket.on("drain", send);
  send();
}

function drip(socket: Socket): void {
  socket.write(`${HEAD}content-length: 1000000\r\n\r\n`);
  const timer = setInterval(() => socket.write("{"), 50);
  socket.on("close", () => clearInterval(timer));
}

test.each(WIRE)(
  "a node that %s is not heard of in this round",
  async (_, does) => {
    const hostile = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => does(socket));
    });
    await once(hostile.listen(0, "127.0.0.1"), "listening");
    const { port } = hostile.address() as AddressInfo;
    const planesOfIt = new NodePlanes({
      ...{ port, scheme: "http", basePath: "", timeoutMs: 200 },
      key: async () => "k",
    });
    try {
      expect(["refused", "unreachable"]).toContain((await problem(planesOfIt.ask(PLACE))).code);
    } finally {
      hostile.close();
    }
  },
  patience(10_000),
);

test("an IPv6 address stands in brackets", async () => {
  const six = new NodePlanes({
    ...{ port: 9, scheme: "http", basePath: "/rt", timeoutMs: 200 },
    key: async () => "k",
  });
  // Whether this machine speaks IPv6 or not, nobody is there.
  const { code, message, cause } = await problem(six.ask({ uid: "u", address: "2001:db8::7" }));
  expect([code, message]).toEqual(["unreachable", expect.stringContaining("[2001:db8::7]:9")]);
  expect(String(cause)).not.toContain("URL");
});
