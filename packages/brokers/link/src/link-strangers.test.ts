import { describe, expect, test } from "bun:test";
import { chmod, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { systemClock } from "@holdfast/server";
import { pack } from "msgpackr";
import { createLinkServer, formatLink, parseLink } from "./index.ts";
import { createLinkSecret } from "./link-auth.ts";
import { LINK, LINK_VERSION, type LinkMessage } from "./link-wire.ts";
import { codeOf, frame, useBench } from "./testing/link-bench.ts";

const { atEnd, current, joinAs, rawNode, serve, stranger } = useBench();

describe("who may connect", () => {
  test("a node with another secret is refused and told as nobody", async () => {
    const { endpoint, events } = await serve();
    const wrong = { ...endpoint, secret: createLinkSecret() };
    expect(await codeOf(joinAs(wrong, "n1", { firstConnectMs: 250 }))).toBe("unavailable");
    expect(events.filter(({ kind }) => kind === "joined")).toEqual([]);
    expect(events[0]).toEqual({
      kind: "ended",
      nodeId: undefined,
      reason: expect.stringContaining("secret"),
    });
  });

  test("a node does not trust a supervisor that does not know the secret", async () => {
    const path = join(current().directory, "false.sock");
    const heard: Buffer[] = [];
    const impostor = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        heard.push(chunk);
        socket.write(frame(pack([[LINK.welcome, "0".repeat(64)]])));
      });
      socket.write(frame(pack([[LINK.challenge, LINK_VERSION, "00"]])));
    });
    await new Promise<void>((resolve) => impostor.listen({ path }, resolve));
    atEnd(() => impostor.close());
    const secret = createLinkSecret();
    expect(
      await codeOf(
        joinAs({ address: { kind: "unix", path }, secret }, "n1", { firstConnectMs: 250 }),
      ),
    ).toBe("unavailable");
    expect(heard.length).toBeGreaterThan(0);
    expect(Buffer.concat(heard).includes(secret)).toBe(false);
  });

  test("a peer that says nothing is cut after the time for the handshake", async () => {
    const { endpoint } = await serve({ handshakeMs: 30 });
    await (await stranger(endpoint)).closed;
  });

  test("connections beyond connectionsMax are cut at once and the others go on", async () => {
    const { endpoint } = await serve({ connectionsMax: 1 });
    const node = await joinAs(endpoint, "n1");
    await (await stranger(endpoint)).closed;
    await node.probe();
  });

  const deep = Buffer.concat([Buffer.alloc(3000, 0x91), Buffer.of(0xc0)]);
  for (const [what, sent] of [
    ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a frame said to be of four gigabytes", Buffer.alloc(8, 0xff)],
    ["a frame larger than a stranger's may be", frame(pack([[LINK.hello, "x".repeat(5000)]]))],
    ["an empty frame", frame(Buffer.alloc(0))],
    ["something that is no list", frame(pack(7))],
    ["a list of no messages", frame(pack([7]))],
    ["a message without a type", frame(pack([[]]))],
    ["a hello of another version", frame(pack([[LINK.hello, 99, "n", "n", "p"]]))],
    ["a hello without members", frame(pack([[LINK.hello, 1]]))],
    ["a request before the hello", frame(pack([[LINK.probe, 1]]))],
    ["lists in lists in lists", frame(deep)],
    ["a cut string", frame(Buffer.of(0x91, 0x91, 0xdb, 0xff, 0xff, 0xff, 0xff))],
  ] as const) {
    test(`a stranger who sends ${what} is cut and the node beside it goes on`, async () => {
      const { endpoint } = await serve();
      const node = await joinAs(endpoint, "n1");
      const { socket, closed } = await stranger(endpoint);
      socket.write(sent);
      await closed;
      await node.probe();
    });
  }

  for (const [what, sent] of [
    ["an unknown type", [999, 1]],
    ["a request without an id", [LINK.publish, null, "c"]],
    ["a publish without a stream", [LINK.publish, 1, "c", null, null]],
    ["a class that does not exist", [LINK.subscribe, 1, "c", [9, 1, 1], 1]],
    ["a payload of a number", [LINK.publish, 1, "c", [2, 1, 1], [[1, 5], null, null, null, null]]],
    ["a bus message that is no JSON", [LINK.bus, 1, "{"]],
    ["a second hello", [LINK.hello, 1, "n", "n", "p"]],
  ] as const) {
    test(`a node that sends ${what} is cut and the node beside it goes on`, async () => {
      const { endpoint } = await serve();
      const node = await joinAs(endpoint, "n1");
      const raw = await rawNode(endpoint);
      raw.link.send(sent as unknown as LinkMessage, 100);
      await raw.lost;
      await node.probe();
    });
  }
});

describe("the socket file", () => {
  test("only this user can reach it, and nothing is left of it after close", async () => {
    const server = await createLinkServer({ broker: current().broker, clock: systemClock });
    const { address } = server.endpoint;
    if (address.kind !== "unix") throw new Error("expected a unix socket");
    expect((await stat(address.path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(address.path))).mode & 0o777).toBe(0o700);
    await server.close();
    await expect(stat(dirname(address.path))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a path in a directory that others can reach is refused", async () => {
    await chmod(current().directory, 0o755);
    const opening = createLinkServer({
      broker: current().broker,
      clock: systemClock,
      place: { kind: "unix", path: join(current().directory, "l.sock") },
    });
    expect(await codeOf(opening)).toBe("directory_not_private");
  });

  test("a path that a living supervisor has, or that is some other file, is refused and left alone", async () => {
    const path = join(current().directory, "l.sock");
    const first = await createLinkServer({
      broker: current().broker,
      clock: systemClock,
      place: { kind: "unix", path },
    });
    atEnd(() => first.close());
    expect(
      await codeOf(
        createLinkServer({
          broker: current().broker,
          clock: systemClock,
          place: { kind: "unix", path },
        }),
      ),
    ).toBe("address_in_use");
    await (await joinAs(first.endpoint, "n1")).probe();
    const file = join(current().directory, "file");
    await writeFile(file, "mine");
    expect(
      await codeOf(
        createLinkServer({
          broker: current().broker,
          clock: systemClock,
          place: { kind: "unix", path: file },
        }),
      ),
    ).toBe("address_in_use");
    expect(await readdir(current().directory)).toContain("file");
  });

  test("the text of an endpoint leads back to it", () => {
    for (const endpoint of [
      { address: { kind: "unix", path: "/tmp/a b#c%20/ü:1.sock" }, secret: createLinkSecret() },
      { address: { kind: "tcp", host: "127.0.0.1", port: 40_000 }, secret: createLinkSecret() },
      { address: { kind: "tcp", host: "::1", port: 1 }, secret: createLinkSecret() },
    ] as const) {
      expect(parseLink(formatLink(endpoint))).toEqual(endpoint);
    }
    for (const text of ["", "unix:", "unix:/a", "tcp:host#ab", "tcp:h:123456#ab", "http://x#ab"])
      expect(() => parseLink(text)).toThrow("not the address");
  });
});
