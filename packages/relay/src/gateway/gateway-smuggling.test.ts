// Checks what two programs could read in two ways: requests of clients, answers of endpoints. What
// is unclear is refused, and nothing of one client's answer reaches another.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { patience } from "../../../../test/patience.ts";
import { gateway, opened, until } from "./testing/setting.ts";

setDefaultTimeout(patience(30_000));

const BENIGN = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const sockets = new Set<Socket>();
afterAll(() => {
  for (const socket of sockets) socket.destroy();
});

/** An endpoint that answers each request with the bytes that a test says, and keeps what it got. */
async function before() {
  const got: string[] = [];
  let answer = BENIGN;
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      got.push(text);
      text = "";
      socket.write(Buffer.from(answer, "latin1"));
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  opened.push({ stop: () => void server.close() });
  const { port } = server.address() as { port: number };
  const setting = gateway([], undefined, { answerMsMax: 300 });
  setting.endpoints.discovered([{ address: `127.0.0.1:${port}`, takes: true }], performance.now());
  return {
    ...setting,
    got,
    says: (bytes: string) => {
      answer = bytes;
    },
    state: () => setting.endpoints.list(performance.now())[0]?.state,
  };
}

/** Everything that comes back until the connection ends, or says no more for a moment. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((done) => {
    let text = "";
    const socket = connectTcp({ port, host: "127.0.0.1" });
    const end = (): void => {
      socket.destroy();
      done(text);
    };
    let timer = setTimeout(end, patience(3000));
    socket.on("data", (data) => {
      text += data.toString("latin1");
      clearTimeout(timer);
      timer = setTimeout(end, patience(60));
    });
    socket.on("close", () => {
      clearTimeout(timer);
      end();
    });
    socket.on("error", () => {});
    socket.write(Buffer.from(bytes, "latin1"));
  });
}
const statusOf = (text: string): string => text.split(" ")[1] ?? "";

const POST = "POST /ws/x HTTP/1.1\r\nHost: a\r\n";
const GET = "GET /ws/x HTTP/1.1\r\nHost: a\r\n";
const HIDDEN = "GET /ws/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";

const unclear: readonly (readonly [string, string])[] = [
  ["a length and chunks", `${POST}Content-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks and a length", `${POST}${CHUNKED}Content-Length: 60\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["two lengths", `${POST}Content-Length: 5\r\nContent-Length: 0\r\n\r\nabcde${HIDDEN}`],
  ["the same length twice", `${POST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde`],
  ["a list of lengths", `${POST}Content-Length: 5, 5\r\n\r\nabcde`],
  ["a length with a sign", `${POST}Content-Length: +5\r\n\r\nabcde`],
  ["a length in hex", `${POST}Content-Length: 0x5\r\n\r\nabcde`],
  ["a length without end", `${POST}Content-Length: ${"9".repeat(30)}\r\n\r\nabcde`],
  ["a space before a colon", `${POST}Content-Length : 5\r\n\r\nabcde${HIDDEN}`],
  ["the same of chunks", `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["an encoding that nobody knows", `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
  ["chunks that are not last", `${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ["a chunk with a size below 0", `${POST}${CHUNKED}\r\n-3\r\nabc\r\n0\r\n\r\n`],
  ["a chunk with a size without end", `${POST}${CHUNKED}\r\n${"f".repeat(18)}\r\nabc\r\n0\r\n\r\n`],
  ["chunks that end with LF", `${POST}${CHUNKED}\r\n3\nabc\n0\n\n${HIDDEN}`],
  ["a chunk that is longer than it says", `${POST}${CHUNKED}\r\n3\r\nabcXX0\r\n\r\n${HIDDEN}`],
  ["a folded header", `${GET}X-A: 1\r\n Content-Length: 5\r\n\r\nabcde`],
  ["a CR in a value", `${GET}X-A: 1\rX-B: 2\r\n\r\n`],
  ["a LF in a value", `${GET}X-A: 1\nX-B: 2\r\n\r\n`],
  ["a NUL in a value", `${GET}X-A: a\0b\r\n\r\n`],
  ["a NUL in a name", `${GET}X\0A: a\r\n\r\n`],
  ["a header without a colon", `${GET}X-A\r\n\r\n`],
  ["a header without a name", `${GET}: a\r\n\r\n`],
  ["two hosts", `${GET}Host: b\r\n\r\n`],
  ["no host", "GET /ws/x HTTP/1.0\r\n\r\n"],
];
test.each(unclear)("a request with %s is refused, and no endpoint is blamed", async (_, bytes) => {
  const { one, got, state } = await before();
  for (let i = 0; i < 4; i++) expect(statusOf(await exchange(one.port, bytes))).toBe("400");
  expect(got.filter((text) => text.includes("hidden") || text.includes("abc"))).toEqual([]);
  expect(state()).toBe("taking");
});

const clear: readonly (readonly [string, string])[] = [
  ["extensions of chunks", `${POST}${CHUNKED}\r\n3;a=b\r\nabc\r\n0\r\n\r\n`],
  ["a tab before a value", `${POST}Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n`],
];
test.each(clear)("a request with %s is taken", async (_, bytes) => {
  const { one } = await before();
  expect(statusOf(await exchange(one.port, bytes))).toBe("200");
});

test("a host in the target counts for nothing: routes and endpoints go by the Host header", async () => {
  const { one, got } = await before();
  await exchange(one.port, "GET http://evil/ws/x HTTP/1.1\r\nHost: a\r\n\r\n");
  const [request = ""] = got;
  expect(request).toStartWith("GET /ws/x HTTP/1.1");
  expect(request.toLowerCase()).toContain("\r\nhost: a\r\n");
  expect(request).not.toContain("evil");
});

test("what stands in a body is no request, whatever it looks like", async () => {
  const { one, got } = await before();
  const bodies = [
    `${GET}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
    `${POST}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
  ];
  for (const bytes of bodies) {
    const answers = await exchange(one.port, bytes);
    expect(answers.split("HTTP/1.1 ").length).toBe(2);
  }
  expect(got.filter((text) => text.startsWith("GET /ws/hidden"))).toEqual([]);
});

const EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
const answers: readonly (readonly [string, string])[] = [
  ["a second one", `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${EVIL}`],
  [
    "a length, chunks and a second one",
    `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n${CHUNKED}\r\n0\r\n\r\n${EVIL}`,
  ],
  ["two lengths", `HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok${EVIL}`],
  ["a switch that nobody asked for", `HTTP/1.1 101 Yes\r\nUpgrade: x\r\n\r\n${EVIL}`],
  ["a body where none may be", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL"],
  ["a body of what did not change", `HTTP/1.1 304 Same\r\nContent-Length: 40\r\n\r\n${EVIL}`],
  ["no HTTP", "EVIL"],
  ["headers without end", `HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(3_000_000)}\r\n\r\n`],
  ["a chunk that is none", `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n2\r\nok\r\nzz\r\n`],
  ["less than it says", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nok"],
];
test.each(answers)("nothing of an answer with %s reaches another client", async (_, bytes) => {
  const { one, says, endpoints } = await before();
  says(bytes);
  const first = await exchange(one.port, `${GET}\r\n`);
  expect(first).not.toContain("EVIL");
  says(BENIGN);
  endpoints.opened(endpoints.list(0)[0]?.address ?? "", performance.now());
  for (let i = 0; i < 3; i++) {
    const next = await exchange(one.port, `${GET}\r\n`);
    expect([statusOf(next), next.endsWith("good")]).toEqual(["200", true]);
  }
  await until("nothing is under way", () => endpoints.list(0)[0]?.connections === 0);
});

test("headers of the endpoint's own hop, and those of the gateway, reach no client", async () => {
  const { one, says } = await before();
  const own =
    "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nHoldfast-Session: z\r\nX-Kept: 1\r\n";
  says(`HTTP/1.1 200 OK\r\n${own}Content-Length: 2\r\n\r\nok`);
  const answer = (await exchange(one.port, `${GET}\r\n`)).toLowerCase();
  expect(answer).toContain("x-kept: 1");
  for (const name of ["x-secret", "holdfast-session"]) expect(answer).not.toContain(name);
});
