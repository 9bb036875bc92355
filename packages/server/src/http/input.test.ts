import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { patience } from "../../../../test/patience.ts";
import { API_BASE } from "./routes/index.ts";
import { type Ask, keyOf, serve } from "./testing.ts";

const main = serve();
const { ask } = main;
afterAll(() => main.stop());

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
    [
      "a channel that is too long",
      { body: { channel: "c".repeat(256), data: 1 } },
      400,
      "request_invalid",
    ],
    [
      "a key that is too long",
      { body: { channel: "c", data: 1, key: "k".repeat(129) } },
      400,
      "request_invalid",
    ],
    [
      "__proto__ as a member",
      { raw: '{"channel":"c","data":1,"__proto__":{"x":1}}' },
      400,
      "request_invalid",
    ],
    ["data nested half a million deep", { raw: nested(5e5) }, 422, "payload_invalid"],
    ["data nested one deeper than the protocol has", { raw: nested(129) }, 422, "payload_invalid"],
    [
      "a number beyond doubles",
      { raw: '{"channel":"c","data":{"x":[-1e999]}}' },
      422,
      "payload_invalid",
    ],
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

  const lossy: [string, string, string][] = [
    ["an integer that no double holds", '{"id":9007199254740993}', "data.id"],
    ["half of a surrogate pair", '["\\ud800"]', "data[0]"],
    ["the key __proto__", '{"a":{"__proto__":1}}', "data.a.__proto__"],
    ["a member twice", '{"a":1,"b":2,"a":3}', "data.a"],
    ["a number beyond doubles", '{"x":[-1e999]}', "data.x[0]"],
  ];
  test.each(lossy)("whose data holds %s are refused with its path", async (_what, data, path) => {
    const { status, json } = await ask("/publish", { raw: `{"channel":"c","data":${data}}` });
    expect([status, json.code, json.path]).toEqual([422, "payload_invalid", path]);
    const batch = `{"commands":[{"op":"publish","channel":"c","data":${data}}]}`;
    const refused = (await ask("/batch", { raw: batch })).json;
    expect([refused.code, refused.path]).toEqual(["payload_invalid", `commands[0].${path}`]);
  });

  test("in which a member of the request stands twice are refused with its name", async () => {
    const { status, json } = await ask("/publish", {
      raw: '{"channel":"c","channel":"d","data":1}',
    });
    expect([status, json.code, json.path]).toEqual([400, "request_invalid", "channel"]);
  });

  test("over the limit are refused, declared or not", async () => {
    const small = serve({ bodyBytesMax: 1_000 });
    const body = JSON.stringify({ channel: "c", data: "x".repeat(2_000) });
    expect((await small.ask("/publish", { raw: body })).status).toBe(413);
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode("x".repeat(600)));
      },
    });
    const { status, json } = await small.ask("/publish", { raw: chunked });
    expect({ status, code: json.code }).toEqual({ status: 413, code: "payload_too_large" });
    expect(
      (await small.ask("/publish", { body: { channel: "c", data: "x".repeat(900) } })).status,
    ).toBe(200);
    await small.stop();
  });

  test("that do not end in time are answered 408", async () => {
    const slow = serve({ bodyTimeoutMs: 50 });
    const answer = await rawRequest(
      slow.port,
      `POST ${API_BASE}/publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${keyOf("all")}\r\ncontent-length: 100\r\n\r\n{`,
    );
    expect(answer).toStartWith("HTTP/1.1 408");
    await slow.stop();
  });

  test("are as deep as the protocol allows, and brackets in text are no depth", async () => {
    expect((await ask("/publish", { raw: nested(128) })).status).toBe(200);
    expect(
      (await ask("/publish", { body: { channel: "c", data: `\\"${"[{".repeat(1_000)}` } })).status,
    ).toBe(200);
    const batch = { commands: [{ op: "rpc", method: "m", data: JSON.parse(nested(128)).data }] };
    expect((await ask("/batch", { body: batch })).json.results).toMatchObject([{ ok: true }]);
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
    expect((await ask("/sessions", { method: "GET" })).json).toEqual({ sessions: [], missing: [] });
  });
});

/** A publish whose data is so many lists inside one another. */
const nested = (depth: number): string =>
  `{"channel":"c","data":${"[".repeat(depth)}${"]".repeat(depth)}}`;

/** What comes back on a connection that is written by hand. */
function rawRequest(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.setTimeout(patience(3_000), () => socket.destroy(new Error("no answer")));
    socket.once("data", (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
