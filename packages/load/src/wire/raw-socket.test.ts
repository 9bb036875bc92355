// Owns: checks of the raw WebSocket against a real server: what it takes apart, how it ends, what
// it is not fooled by.
import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { RawSocket, type SocketEnd } from "./raw-socket.ts";
import { NONCE_ACCEPTED } from "./ws-frames.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** Opens a socket and collects what it tells until it ends. */
function collect(port: number, onOpen: (socket: RawSocket) => void = () => {}) {
  const messages: (string | number)[] = [];
  const { promise, resolve } = Promise.withResolvers<SocketEnd>();
  const socket: RawSocket = new RawSocket(
    { url: new URL(`ws://127.0.0.1:${port}/`), verifiesTls: true },
    {
      opened: () => onOpen(socket),
      message: (bytes, from, to, isText) =>
        messages.push(isText ? bytes.toString("utf8", from, to) : to - from),
      ended: resolve,
    },
  );
  return { socket, messages, end: promise };
}

/** A server that answers the upgrade with these bytes, in pieces of this size. */
async function byteServer(answer: Buffer, piece: number): Promise<number> {
  const server: Server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    socket.once("data", async () => {
      for (let at = 0; at < answer.length; at += piece) {
        socket.write(answer.subarray(at, at + piece));
        await new Promise((resolve) => setImmediate(resolve));
      }
      socket.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => server.close());
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

const upgraded = (...frames: readonly (readonly number[])[]): Buffer =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ${NONCE_ACCEPTED}\r\n\r\n`,
    ),
    Buffer.from(frames.flat()),
  ]);
const text = (opcode: number, payload: string): number[] => [
  opcode,
  payload.length,
  ...Buffer.from(payload),
];

describe("frames are found however the bytes are cut", () => {
  for (const piece of [1, 3, 1_000]) {
    test(`in pieces of ${piece}`, async () => {
      const answer = upgraded(
        text(0x81, "whole"),
        text(0x01, "in "),
        text(0x89, "ping"),
        text(0x00, "three "),
        text(0x80, "parts"),
        text(0x82, "bin"),
        [0x88, 2, 0x10, 0xe1],
      );
      const { messages, end } = collect(await byteServer(answer, piece));
      expect(await end).toEqual({ name: "close_4321", code: 4321 });
      expect(messages).toEqual(["whole", "in three parts", 3]);
    });
  }
});

describe("an end has a name", () => {
  const cases: [string, Buffer, string][] = [
    ["no WebSocket", Buffer.from("HTTP/1.1 200 OK\r\n\r\n"), "http_200"],
    ["refused for now", Buffer.from("HTTP/1.1 503 Busy\r\n\r\n"), "http_503"],
    [
      "an answer to somebody else",
      Buffer.from("HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: nonsense\r\n\r\n"),
      "not_websocket",
    ],
    ["no HTTP", Buffer.from("SSH-2.0-x\r\n\r\n"), "not_websocket"],
    ["a head without end", Buffer.alloc(20_000, "x"), "not_websocket"],
    ["nothing", Buffer.alloc(0), "connection_refused"],
    ["cut in the middle of a frame", upgraded([0x81, 100, 1, 2]), "connection_lost"],
    ["a part without a beginning", upgraded(text(0x80, "part")), "frame_invalid"],
    ["a close without a code", upgraded([0x88, 0]), "close_1005"],
  ];
  for (const [what, answer, name] of cases) {
    test(what, async () => {
      const { end } = collect(await byteServer(answer, 1_000));
      expect((await end).name).toBe(name);
    });
  }
  test("nobody there", async () => {
    const port = await byteServer(Buffer.alloc(0), 1);
    for (const stop of stops.splice(0)) stop();
    expect((await collect(port).end).name).toBe("econnrefused");
  });
});

test("what a server takes slowly is kept in order and whole", async () => {
  const sizes: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      maxPayloadLength: 4 << 20,
      message: (_socket, message) => {
        sizes.push(message.length);
        if (sizes.length === 30) resolve();
      },
    },
  });
  stops.push(() => server.stop(true));
  collect(Number(server.port), (socket) => {
    for (let n = 1; n <= 30; n++) socket.send("x".repeat(n * 3_000));
  });
  await promise;
  expect(sizes).toEqual(Array.from({ length: 30 }, (_, n) => (n + 1) * 3_000));
});

test("what was sent before hanging up arrives", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: { message: (_socket, message) => resolve(String(message)) },
  });
  stops.push(() => server.stop(true));
  collect(Number(server.port), (socket) => {
    socket.send("bye");
    socket.hangUp();
  });
  expect(await promise).toBe("bye");
});
