// Checks the gateway against servers and clients that mean harm: raw bytes on real sockets.
import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { stateless } from "@holdfast/rehoming";
import { createSeededRandom } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { backend, connect, gateway, opened, until } from "./testing/setting.ts";

setDefaultTimeout(patience(30_000));

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const acceptOf = (request: string): string => {
  const key = /sec-websocket-key: *(\S+)/i.exec(request)?.[1] ?? "";
  return createHash("sha1").update(`${key}${GUID}`).digest("base64");
};
const switching = (request: string, ...more: string[]): string =>
  [
    ...["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"],
    ...[`Sec-WebSocket-Accept: ${acceptOf(request)}`, ...more, "\r\n"],
  ].join("\r\n");

/** A server that gets each request as text, and answers with bytes. */
async function rawServer(answer: (request: string, socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    let request = "";
    socket.on("error", () => {});
    socket.on("data", (data) => {
      const had = request.includes("\r\n\r\n");
      request += data.toString("latin1");
      // What comes behind the handshake is a close: it goes without a word.
      if (had) socket.destroy();
      else if (request.includes("\r\n\r\n")) answer(request, socket);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  opened.push({ stop: () => void server.close() });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}
async function before(answer: (request: string, socket: Socket) => void) {
  const address = await rawServer(answer);
  const setting = gateway([], stateless, { openMsMax: 300, messageBytesMax: 1000 });
  setting.endpoints.discovered([{ address, takes: true }], performance.now());
  return { address, ...setting };
}
const frame = (first: number, payload: string | Uint8Array): Buffer => {
  const body = Buffer.from(payload as string);
  const head =
    body.length < 126
      ? Buffer.from([first, body.length])
      : Buffer.from([first, 126, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, body]);
};

const noSockets: readonly (readonly [string, (request: string, socket: Socket) => void])[] = [
  ["answers with bytes that are no HTTP", (_, socket) => socket.write("\0\x01\xffnope\r\n\r\n")],
  ["closes at once", (_, socket) => socket.destroy()],
  ["never answers", () => {}],
  [
    "answers byte by byte",
    (request, socket) => {
      const bytes = switching(request);
      let at = 0;
      const timer = setInterval(() => {
        if (socket.destroyed || at >= bytes.length) clearInterval(timer);
        else socket.write(bytes[at++] ?? "");
      }, 20);
    },
  ],
  [
    "proves another key",
    (request, socket) => socket.write(switching(request.replace(/key: */i, "key: x"))),
  ],
  [
    "chooses a subprotocol that nobody offered",
    (request, socket) => socket.write(switching(request, "Sec-WebSocket-Protocol: evil")),
  ],
  [
    "sends headers without end",
    (request, socket) => socket.write(switching(request, `X-Big: ${"x".repeat(2_000_000)}`)),
  ],
];
for (const [what, answer] of noSockets)
  test(`an endpoint that ${what} gives no socket, and nothing of it stays`, async () => {
    const { one, address, endpoints } = await before(answer);
    await expect(connect(one.port)).rejects.toThrow();
    await until("nothing is open", () => endpoints.connections(address) === 0);
    expect([one.clientCount, one.clients().length]).toEqual([0, 0]);
  });

const broken: readonly (readonly [string, () => Buffer])[] = [
  ["a frame longer than may be", () => frame(0x82, "x".repeat(5000))],
  ["a reserved bit", () => frame(0xc1, "x")],
  ["an unknown opcode", () => frame(0x83, "x")],
  ["text that is no UTF-8", () => frame(0x81, Buffer.from([0xff, 0xfe]))],
  ["a continuation of nothing", () => frame(0x80, "x")],
  ["a fragmented ping", () => frame(0x09, "x")],
  ["a close with a code that may not be", () => frame(0x88, Buffer.from([0x03, 0xed]))],
  ["a close of one byte", () => frame(0x88, Buffer.from([1]))],
  ["a length of 2^62", () => Buffer.from([0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0])],
];
for (const [what, bytes] of broken)
  test(`an endpoint that sends ${what} ends its client with a code, and no other`, async () => {
    let isEvil = true;
    const { one, address, endpoints, taken } = await before((request, socket) => {
      socket.write(switching(request));
      if (isEvil) setTimeout(() => socket.write(bytes()), 20);
      else socket.write(frame(0x81, "fine"));
    });
    isEvil = false;
    const other = await connect(one.port);
    isEvil = true;
    const client = await connect(one.port);
    await until("it is closed", () => client.closed !== undefined);
    expect([1002, 1007, 1008, 1009, 1011, 1012, 1013]).toContain(client.closed?.code ?? 0);
    expect(other.closed).toBeUndefined();
    other.socket.close();
    await until("nothing is open", () => endpoints.connections(address) === 0);
    expect(taken()).toBe(0);
  });

test("an endpoint that closes together with its handshake is heard: its code reaches the client", async () => {
  const { one, address, endpoints, counted } = await before((request, socket) =>
    socket.write(Buffer.concat([Buffer.from(switching(request)), frame(0x88, "\x11\x31bye")])),
  );
  for (let i = 0; i < 5; i++) {
    const client = await connect(one.port);
    await until("it is closed", () => client.closed !== undefined);
    expect(client.closed).toEqual({ code: 4401, reason: "bye" });
  }
  await until("nothing is open", () => endpoints.connections(address) === 0);
  await until("nobody is held", () => one.clients().length === 0 && one.clientCount === 0);
  expect(counted).toEqual(Array<string>(5).fill("closed 4401 gateway"));
});

test("30,000 mutated bytes of clients end only those who sent them, and leave nothing", async () => {
  const a = backend("a");
  const { one, endpoints, taken } = gateway([a], stateless, { messageBytesMax: 2000 });
  const good = await connect(one.port);
  const random = createSeededRandom(7);
  const byte = (): number => Math.floor(random.next() * 256);
  const upgrade = [
    ...["GET /ws HTTP/1.1", "Host: a", "Connection: Upgrade", "Upgrade: websocket"],
    ...["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "\r\n"],
  ].join("\r\n");
  const masked = (): Buffer => {
    const size = Math.floor(random.next() * 60);
    const head = [
      0x81 + (random.next() < 0.5 ? 1 : 0),
      0x80 | size,
      byte(),
      byte(),
      byte(),
      byte(),
    ];
    return Buffer.from([...head, ...Array.from({ length: size }, byte)]);
  };
  const one30 = async (): Promise<void> => {
    const socket = connectTcp({ port: one.port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.write(upgrade);
    await new Promise<void>((done) => {
      socket.once("data", () => done());
      socket.once("close", () => done());
    });
    for (let i = 0; i < 10 && !socket.destroyed; i++) {
      const bytes = masked();
      for (let flips = Math.floor(random.next() * 3); flips > 0; flips--)
        bytes[Math.floor(random.next() * bytes.length)] = byte();
      socket.write(bytes);
    }
    await Bun.sleep(5);
    socket.destroy();
  };
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 10 }, one30));
    good.socket.send(`${round}`);
    await until("the good one is answered", () => good.got.length === round + 1);
  }
  expect(good.got).toEqual(Array.from({ length: 10 }, (_, i) => `re:${i}@a`));
  await until("the others are gone", () => one.clientCount === 1);
  await until("their sockets too", () => endpoints.connections(a.address) === 1);
  expect(taken()).toBe(0);
});

test("5,000 mutated frames of an endpoint reach at most the client whose they are", async () => {
  const random = createSeededRandom(11);
  const draw = (most: number): number => Math.floor(random.next() * most);
  /** A frame that says whose it is; most often some of its bytes are others. */
  const said = (name: string): Buffer => {
    const bytes = frame(0x80 | draw(3), `${`${name}:`.repeat(5)}${"x".repeat(draw(90))}`);
    if (random.next() < 0.3) return bytes;
    for (let flips = 1 + draw(3); flips > 0; flips--) bytes[draw(bytes.length)] = draw(256);
    return random.next() < 0.2 ? bytes.subarray(0, draw(bytes.length)) : bytes;
  };
  const { one, address, endpoints, taken } = await before((request, socket) => {
    const name = /\?name=(\w+)/.exec(request)?.[1] ?? "";
    socket.write(switching(request));
    if (name === "good") socket.write(frame(0x81, "good:1"));
    else for (let i = 0; i < 50; i++) socket.write(said(name));
  });
  const good = await connect(one.port, "/ws/x?name=good");
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const name = `c${round}x${index}`;
        return { name, client: await connect(one.port, `/ws/x?name=${name}`) };
      }),
    );
    await Bun.sleep(20);
    for (const { name, client } of clients) {
      // Three bytes at most are others: whose it is still stands there.
      const others = client.got.filter((text) => /c\d+x\d+:/.test(text) && !text.includes(name));
      expect(others).toEqual([]);
      expect(client.got.join()).not.toContain("good:");
      client.socket.close();
    }
  }
  expect([good.got, good.closed]).toEqual([["good:1"], undefined]);
  await until("the others are gone", () => one.clientCount === 1);
  await until("their sockets too", () => endpoints.connections(address) === 1);
  expect(taken()).toBe(0);
});

test("a client that floods an endpoint that reads nothing is read no further, and takes no memory", async () => {
  const held: Socket[] = [];
  const address = await rawServer((request, socket) => {
    socket.write(switching(request));
    socket.pause();
    held.push(socket);
  });
  const { one, endpoints } = gateway([], stateless, { messageBytesMax: 1 << 20 });
  endpoints.discovered([{ address, takes: true }], performance.now());
  const client = await connect(one.port);
  Bun.gc(true);
  const beforeBytes = process.memoryUsage().rss;
  const big = "x".repeat(1_000_000);
  // 100 MB: the client's own buffers hold what the gateway does not read.
  for (let i = 0; i < 100; i++) client.socket.send(big);
  await Bun.sleep(1000);
  expect(client.socket.bufferedAmount).toBeGreaterThan(50_000_000);
  expect(process.memoryUsage().rss - beforeBytes).toBeLessThan(400_000_000);
  (client.socket as unknown as { terminate(): void }).terminate();
  for (const socket of held) socket.destroy();
  await until("gone", () => one.clientCount === 0);
});
