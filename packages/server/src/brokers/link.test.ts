import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Broker, type ChannelListener, createMemoryBroker, type MemoryBroker, type StreamOptions } from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";
import { createSeededRandom } from "@holdfast/testkit";
import { pack } from "msgpackr";
import {
  connectLink,
  createLinkServer,
  formatLink,
  type LinkClientLimits,
  type LinkEndpoint,
  type LinkServer,
  type LinkServerEvent,
  type LinkServerLimits,
  parseLink,
} from "./index.ts";
import { createLinkSecret } from "./link-auth.ts";
import { LinkDialer } from "./link-dialer.ts";
import { LINK_SOCKET_LIMITS, LinkSocket } from "./link-socket.ts";
import { LINK, type LinkMessage } from "./link-wire.ts";
import { layWire, realClock, until } from "./testing.ts";

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 1000, ttlMs: 60_000 };
const json = (value: unknown): Payload => ({ kind: "json", text: JSON.stringify(value) });
const bytes = (size: number): Payload => ({ kind: "bytes", bytes: new Uint8Array(size) });
const random = createSeededRandom("link");

let ends: (() => unknown)[] = [];
let broker: MemoryBroker;
let directory: string;

beforeEach(async () => {
  broker = createMemoryBroker({ clock: realClock, random });
  directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
});

afterEach(async () => {
  for (const end of ends.reverse()) await end();
  ends = [];
  broker.close();
  await rm(directory, { recursive: true, force: true });
});

async function serve(limits: Partial<LinkServerLimits> = {}): Promise<LinkServer & { readonly events: LinkServerEvent[] }> {
  const events: LinkServerEvent[] = [];
  const server = await createLinkServer({ broker, clock: realClock, limits, onEvent: (event) => events.push(event) });
  ends.push(() => server.close());
  return { ...server, events };
}

async function joinAs(endpoint: LinkEndpoint, nodeId: string, limits: Partial<LinkClientLimits> = {}): Promise<Broker> {
  const node = await connectLink({ endpoint, nodeId, clock: realClock, random, limits: { backoffMs: 2, backoffMsMax: 20, ...limits } });
  ends.push(() => node.close());
  return node;
}

function recorder(): ChannelListener & { readonly offsets: number[]; readonly told: string[] } {
  const [offsets, told]: [number[], string[]] = [[], []];
  return { offsets, told, publication: ({ offset }) => offsets.push(offset), presence: ({ kind }) => told.push(kind) };
}

const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "none",
    (error: { code: unknown }) => error.code,
  );

/** A connection that speaks bytes: `closed` resolves when the server ends it. */
async function stranger({ address }: LinkEndpoint): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
  const socket = connect(address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port });
  socket.on("error", () => {});
  socket.resume();
  ends.push(() => socket.destroy());
  const closed = new Promise((resolve) => socket.once("close", resolve));
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, closed };
}

const frame = (body: Uint8Array): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.byteLength);
  return Buffer.concat([header, body]);
};

/** A node that has shown the secret and then says whatever the test wants. */
function rawNode(
  endpoint: LinkEndpoint,
): Promise<{ readonly link: LinkSocket; readonly heard: LinkMessage[]; readonly lost: Promise<string> }> {
  return new Promise((resolve) => {
    const heard: LinkMessage[] = [];
    let tellLost: (reason: string) => void = () => {};
    const lost = new Promise<string>((tell) => {
      tellLost = tell;
    });
    const dialer: LinkDialer = new LinkDialer({
      endpoint,
      nodeId: "raw",
      clock: realClock,
      random,
      limits: LINK_SOCKET_LIMITS,
      connectMs: 2_000,
      backoffMs: 60_000,
      backoffMsMax: 60_000,
      handlers: {
        welcomed: (link) => {
          dialer.settled();
          resolve({ link, heard, lost });
        },
        message: (message) => heard.push(message),
        lost: tellLost,
      },
    });
    ends.push(() => dialer.stop());
    dialer.dial();
  });
}

describe("who may connect", () => {
  test("a node with another secret is refused and told as nobody", async () => {
    const { endpoint, events } = await serve();
    const wrong = { ...endpoint, secret: createLinkSecret() };
    expect(await codeOf(joinAs(wrong, "n1", { firstConnectMs: 60 }))).toBe("unavailable");
    expect(events.filter(({ kind }) => kind === "joined")).toEqual([]);
    expect(events[0]).toEqual({ kind: "ended", nodeId: undefined, reason: expect.stringContaining("secret") });
  });

  test("a node does not trust a supervisor that does not know the secret", async () => {
    const path = join(directory, "false.sock");
    const heard: Buffer[] = [];
    const impostor = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        heard.push(chunk);
        socket.write(frame(pack([[LINK.welcome, "0".repeat(64)]])));
      });
      socket.write(frame(pack([[LINK.challenge, 1, "00"]])));
    });
    await new Promise<void>((resolve) => impostor.listen({ path }, resolve));
    ends.push(() => impostor.close());
    const secret = createLinkSecret();
    expect(await codeOf(joinAs({ address: { kind: "unix", path }, secret }, "n1", { firstConnectMs: 60 }))).toBe("unavailable");
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
    const server = await createLinkServer({ broker, clock: realClock });
    const { address } = server.endpoint;
    if (address.kind !== "unix") throw new Error("expected a unix socket");
    expect((await stat(address.path)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(address.path))).mode & 0o777).toBe(0o700);
    await server.close();
    await expect(stat(dirname(address.path))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("a path in a directory that others can reach is refused", async () => {
    await chmod(directory, 0o755);
    const opening = createLinkServer({ broker, clock: realClock, place: { kind: "unix", path: join(directory, "l.sock") } });
    expect(await codeOf(opening)).toBe("directory_not_private");
  });

  test("a path that a living supervisor has, or that is some other file, is refused and left alone", async () => {
    const path = join(directory, "l.sock");
    const first = await createLinkServer({ broker, clock: realClock, place: { kind: "unix", path } });
    ends.push(() => first.close());
    expect(await codeOf(createLinkServer({ broker, clock: realClock, place: { kind: "unix", path } }))).toBe("address_in_use");
    await (await joinAs(first.endpoint, "n1")).probe();
    const file = join(directory, "file");
    await writeFile(file, "mine");
    expect(await codeOf(createLinkServer({ broker, clock: realClock, place: { kind: "unix", path: file } }))).toBe("address_in_use");
    expect(await readdir(directory)).toContain("file");
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

describe("a supervisor that is killed", () => {
  async function start(path: string, secret: string) {
    const child = spawn(process.execPath, [join(import.meta.dir, "testing-supervisor.ts"), path, secret], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    ends.push(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    return child;
  }

  test("leaves a stale socket file that its successor takes over; its nodes are refused meanwhile, come back and are told", async () => {
    const path = join(directory, "l.sock");
    const secret = createLinkSecret();
    const first = await start(path, secret);
    const node = await joinAs({ address: { kind: "unix", path }, secret }, "n1");
    const listener = recorder();
    let reconnects = 0;
    node.onReconnect(() => {
      reconnects += 1;
    });
    const before = await node.subscribe("c", ORDERED, listener);
    const inFlight = Array.from({ length: 20 }, (_, index) => codeOf(node.publish("c", ORDERED, { payload: json(index) })));
    first.kill("SIGKILL");
    await once(first, "exit");
    for (const code of await Promise.all(inFlight)) expect(["none", "unavailable"]).toContain(String(code));
    expect(await codeOf(node.publish("c", ORDERED, { payload: json("down") }))).toBe("unavailable");
    expect(await readdir(directory)).toContain("l.sock");
    await start(path, secret);
    await until(() => reconnects === 1);
    const after = await node.publish("c", ORDERED, { payload: json("up") });
    expect(after.position.epoch).not.toBe(before.epoch);
    await until(() => listener.offsets.at(-1) === 1);
  });
});

describe("limits", () => {
  test("a node that does not read is cut, comes back with its subscriptions and finds what it missed in history", async () => {
    const { endpoint, events } = await serve({ queueBytesMax: 1 << 20 });
    const wire = await layWire(endpoint);
    ends.push(() => wire.close());
    const [slow, fast] = [await joinAs(wire.endpoint, "slow"), await joinAs(endpoint, "fast")];
    const [slowHears, fastHears] = [recorder(), recorder()];
    let reconnects = 0;
    slow.onReconnect(() => {
      reconnects += 1;
    });
    await slow.subscribe("c", ORDERED, slowHears);
    await fast.subscribe("c", ORDERED, fastHears);
    wire.stall("to node");
    for (let index = 0; index < 200; index++) await fast.publish("c", ORDERED, { payload: bytes(20_000) });
    await until(() => events.some((event) => event.kind === "ended" && event.nodeId === "slow" && event.reason.includes("slowly")));
    wire.resume();
    await until(() => reconnects === 1);
    await fast.publish("c", ORDERED, { payload: json("end") });
    await until(() => slowHears.offsets.at(-1) === 201);
    await until(() => fastHears.offsets.length === 201);
    expect((await slow.history("c", ORDERED, { after: 0, limit: 1000 })).publications.length).toBe(201);
  });

  test("an answer that does not come is a timeout, a late one is ignored, and a subscription that timed out is not left behind", async () => {
    const { endpoint } = await serve();
    const wire = await layWire(endpoint);
    ends.push(() => wire.close());
    const node = await joinAs(wire.endpoint, "n1", { requestMs: 40 });
    const listener = recorder();
    wire.stall("to node");
    const calls = [
      node.publish("c", ORDERED, { payload: json(1), idempotencyKey: "k" }),
      node.subscribe("d", ORDERED, listener),
      node.probe(),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(["timeout", "timeout", "timeout"]);
    wire.resume();
    const again = await node.publish("c", ORDERED, { payload: json(1), idempotencyKey: "k" });
    expect(again).toEqual({ position: { epoch: expect.any(String), offset: 1 }, duplicate: true });
    expect(await node.channels({ prefix: "", limit: 10 })).toEqual(["c"]);
    await node.publish("d", ORDERED, { payload: json(1) });
    expect(listener.offsets).toEqual([]);
  });

  test("requests beyond requestsMax, and one too large for a frame, are refused with limit and hurt nothing", async () => {
    const { endpoint } = await serve();
    const node = await joinAs(endpoint, "n1", { requestsMax: 3, frameBytesMax: 100_000 });
    const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf(node.probe())));
    expect(codes).toEqual(["none", "none", "none", "limit", "limit"]);
    expect(await codeOf(node.publish("c", ORDERED, { payload: bytes(200_000) }))).toBe("limit");
    expect((await node.publish("c", ORDERED, { payload: bytes(90_000) })).position.offset).toBe(1);
  });

  test("an answer too large for a frame is refused with limit and the link stays", async () => {
    const { endpoint, events } = await serve({ frameBytesMax: 300_000 });
    const node = await joinAs(endpoint, "n1");
    for (let index = 0; index < 4; index++) await node.publish("c", ORDERED, { payload: bytes(90_000) });
    expect(await codeOf(node.history("c", ORDERED, { limit: 4 }))).toBe("limit");
    expect((await node.history("c", ORDERED, { limit: 2 })).publications.length).toBe(2);
    expect(events.map(({ kind }) => kind)).toEqual(["joined"]);
  });

  test("what is sent in one turn together exceeds a frame and arrives whole, in order", async () => {
    const { endpoint } = await serve({ frameBytesMax: 400_000 });
    const node = await joinAs(endpoint, "n1", { frameBytesMax: 400_000 });
    const listener = recorder();
    await node.subscribe("c", ORDERED, listener);
    await Promise.all(Array.from({ length: 50 }, () => node.publish("c", ORDERED, { payload: bytes(50_000) })));
    await until(() => listener.offsets.length === 50);
    expect(listener.offsets).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });
});

describe("what a link costs", () => {
  test("everything that is sent in one turn is one write", async () => {
    const heard: LinkMessage[] = [];
    const [path, writes] = [join(directory, "count.sock"), { count: 0 }];
    const receiving = createServer((socket) => {
      new LinkSocket({
        socket,
        clock: realClock,
        limits: LINK_SOCKET_LIMITS,
        handlers: { message: (message) => heard.push(message), ended: () => {} },
      });
    });
    await new Promise<void>((resolve) => receiving.listen({ path }, resolve));
    ends.push(() => receiving.close());
    const socket = connect({ path });
    ends.push(() => socket.destroy());
    const write = socket.write.bind(socket);
    socket.write = (chunk: Uint8Array | string) => {
      writes.count += 1;
      return write(chunk);
    };
    const link = new LinkSocket({ socket, clock: realClock, limits: LINK_SOCKET_LIMITS, handlers: { message: () => {}, ended: () => {} } });
    for (let index = 0; index < 100; index++) link.send([LINK.probe, index], 8);
    await until(() => heard.length === 100);
    expect(writes.count).toBe(1);
    expect(heard.map(([, id]) => id)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe("a listener that throws", () => {
  test("is told as a bug and neither ends the link nor keeps anything from the others", async () => {
    const { endpoint, events } = await serve();
    const bugs: unknown[] = [];
    const node = await connectLink({ endpoint, nodeId: "n1", clock: realClock, random, onBug: (error) => bugs.push(error) });
    ends.push(() => node.close());
    const broken = (): never => {
      throw new Error("broken listener");
    };
    const other = recorder();
    await node.subscribe("a", ORDERED, { publication: broken, presence: broken });
    await node.subscribe("b", ORDERED, other);
    node.bus.listen(broken);
    await node.publish("a", ORDERED, { payload: json(1) });
    await node.presence.enter("a", { member: "m" }, "n1/1");
    await node.bus.send({ kind: "unsubscribe", from: "n1", channel: "c" });
    await node.publish("b", ORDERED, { payload: json(1) });
    await until(() => other.offsets.length === 1 && bugs.length === 3);
    expect(events.map(({ kind }) => kind)).toEqual(["joined"]);
  });
});

describe("a restart", () => {
  test("the old node and the new one share a member: it never leaves, though the old one ends", async () => {
    const { endpoint } = await serve();
    const watcher = await joinAs(endpoint, "watcher");
    const listener = recorder();
    await watcher.subscribe("room", ORDERED, listener);
    const old = await connectLink({ endpoint, nodeId: "old", clock: realClock, random });
    await old.presence.renew("old", 60_000);
    await old.presence.enter("room", { member: "ada", data: json(1) }, "old/1");
    const fresh = await joinAs(endpoint, "new");
    await fresh.presence.renew("new", 60_000);
    await fresh.presence.enter("room", { member: "ada", data: json(1) }, "new/1");
    // The old node learns last that the connection moved: what it then says must not count, and must still be sent by close.
    void old.presence.leave("room", "ada", "old/1", 0).catch(() => {});
    void old.presence.enter("room", { member: "bob" }, "old/2").catch(() => {});
    await old.close();
    await until(() => listener.told.length === 2);
    expect(listener.told).toEqual(["join", "join"]);
    expect((await fresh.presence.members("room")).map(({ member }) => member)).toEqual(["ada", "bob"]);
  });
});
