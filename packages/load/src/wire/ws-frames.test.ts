// Owns: checks of the driver's WebSocket frames.
import { describe, expect, test } from "bun:test";
import { frameAt, textFrame, upgradeRequest } from "./ws-frames.ts";

/** A server's text frame. */
function serverFrame(length: number): Uint8Array {
  const head =
    length < 126
      ? [0x81, length]
      : length < 65_536
        ? [0x81, 126, length >> 8, length & 255]
        : [0x81, 127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255];
  return Uint8Array.from([...head, ...new Array<number>(length).fill(120)]);
}

describe("a server's frame of any length is found, and only when it is whole", () => {
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 100_000]) {
    test(`${length} bytes`, () => {
      const bytes = serverFrame(length);
      expect(frameAt(bytes, 0)).toEqual({
        opcode: 1,
        fin: true,
        from: bytes.length - length,
        to: bytes.length,
      });
      for (const cut of [1, 2, 3, bytes.length - length, bytes.length - 1]) {
        if (cut < bytes.length) expect(frameAt(bytes.subarray(0, cut), 0)).toBeUndefined();
      }
    });
  }
});

test("a real server reads the driver's frames, short and long", async () => {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const seen: string[] = [];
  const server = Bun.serve({
    port: 0,
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response(null, { status: 426 }),
    websocket: {
      message: (_socket, message) => {
        seen.push(String(message));
        if (seen.length === 2) resolve(seen);
      },
    },
  });
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(server.port),
    socket: { data: () => {} },
  });
  socket.write(upgradeRequest({ host: "127.0.0.1", path: "/" }));
  socket.write(textFrame("grüße"));
  socket.write(textFrame("x".repeat(300)));
  expect(await promise).toEqual(["grüße", "x".repeat(300)]);
  socket.end();
  await server.stop(true);
});
