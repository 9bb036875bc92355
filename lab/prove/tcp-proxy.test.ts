// Checks that the bad network is late and in order, and that cutting and stalling are what they
// say.
import { afterAll, expect, test } from "bun:test";
import { createConnection, createServer, type Socket } from "node:net";
import { TcpProxy } from "./tcp-proxy.ts";

const cleanups: (() => unknown)[] = [];
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

async function echoBehind(
  options: Omit<Parameters<typeof TcpProxy.start>[0], "target"> = {},
): Promise<TcpProxy> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const proxy = await TcpProxy.start({
    ...options,
    target: typeof address === "object" && address !== null ? address.port : 0,
  });
  cleanups.push(
    () => proxy.close(),
    () => server.close(),
  );
  return proxy;
}

function connect({ port }: TcpProxy): {
  socket: Socket;
  closed: Promise<void>;
  upTo: (length: number) => Promise<string>;
} {
  const socket = createConnection(port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  let look = (): void => {};
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    look();
  });
  return {
    socket,
    closed: new Promise((resolve) => socket.on("close", () => resolve())),
    upTo: (length) =>
      new Promise((resolve) => {
        look = () => text.length >= length && resolve(text);
        look();
      }),
  };
}

test("a bad network delays everything, some of it twice, and keeps the order", async () => {
  let draw = 0;
  // Every seventh packet is lost.
  const proxy = await echoBehind({
    weather: { delayMs: 15, loss: 0.5, retransmitMs: 30 },
    random: () => (draw++ % 7 === 0 ? 0 : 1),
  });
  const { socket, upTo } = connect(proxy);
  const parts = Array.from({ length: 60 }, (_, place) => `${place}`.padStart(4, "0"));
  const startMs = performance.now();
  for (const part of parts) {
    socket.write(part);
    await Bun.sleep(1);
  }
  expect(await upTo(240)).toBe(parts.join(""));
  // There and back, and the loss of the first packet.
  expect(performance.now() - startMs).toBeGreaterThan(2 * 15 + 30);
});

test("cut ends what there is and what comes, until restored", async () => {
  const proxy = await echoBehind();
  const first = connect(proxy);
  first.socket.write("a");
  expect(await first.upTo(1)).toBe("a");
  proxy.cut();
  await first.closed;
  await connect(proxy).closed;
  proxy.restore();
  const second = connect(proxy);
  second.socket.write("b");
  expect(await second.upTo(1)).toBe("b");
});

test("while stalled nothing comes, and everything afterwards", async () => {
  const proxy = await echoBehind();
  const { socket, upTo } = connect(proxy);
  socket.write("a");
  expect(await upTo(1)).toBe("a");
  proxy.stall(true);
  socket.write("b".repeat(100_000));
  expect(await Promise.race([upTo(2), Bun.sleep(80)])).toBeUndefined();
  proxy.stall(false);
  expect(await upTo(100_001)).toHaveLength(100_001);
});
