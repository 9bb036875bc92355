import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { systemClock, systemRandom } from "@holdfast/server";
import { patience } from "../../../../test/patience.ts";
import { connectLink } from "./index.ts";
import { createLinkSecret } from "./link-auth.ts";
import { LINK_SOCKET_LIMITS, LinkSocket } from "./link-socket.ts";
import { LINK, type LinkMessage } from "./link-wire.ts";
import { bytes, codeOf, json, ORDERED, recorder, useBench } from "./testing/link-bench.ts";
import { layWire, until } from "./testing/wire.ts";

const { atEnd, current, joinAs, serve } = useBench();

// Processes are started and waited for; the machine may be busy.
setDefaultTimeout(patience(20_000));

describe("a supervisor that is killed", () => {
  async function start(path: string, secret: string) {
    const child = spawn(
      process.execPath,
      [join(import.meta.dir, "testing/supervisor.ts"), path, secret],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    atEnd(() => child.kill("SIGKILL"));
    await once(child.stdout, "data");
    return child;
  }

  test("leaves a stale socket file that its successor takes over; its nodes are refused meanwhile, come back and are told", async () => {
    const path = join(current().directory, "l.sock");
    const secret = createLinkSecret();
    const first = await start(path, secret);
    const node = await joinAs({ address: { kind: "unix", path }, secret }, "n1");
    const listener = recorder();
    let reconnects = 0;
    node.onReconnect(() => {
      reconnects += 1;
    });
    const before = await node.subscribe("c", ORDERED, listener);
    const inFlight = Array.from({ length: 20 }, (_, index) =>
      codeOf(node.publish("c", ORDERED, { payload: json(index) })),
    );
    first.kill("SIGKILL");
    await once(first, "exit");
    for (const code of await Promise.all(inFlight))
      expect(["none", "unavailable"]).toContain(String(code));
    expect(await codeOf(node.publish("c", ORDERED, { payload: json("down") }))).toBe("unavailable");
    expect(await readdir(current().directory)).toContain("l.sock");
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
    atEnd(() => wire.close());
    const [slow, fast] = [await joinAs(wire.endpoint, "slow"), await joinAs(endpoint, "fast")];
    const [slowHears, fastHears] = [recorder(), recorder()];
    let reconnects = 0;
    slow.onReconnect(() => {
      reconnects += 1;
    });
    await slow.subscribe("c", ORDERED, slowHears);
    await fast.subscribe("c", ORDERED, fastHears);
    wire.stall("to node");
    for (let index = 0; index < 200; index++)
      await fast.publish("c", ORDERED, { payload: bytes(20_000) });
    await until(() =>
      events.some(
        (event) =>
          event.kind === "ended" && event.nodeId === "slow" && event.reason.includes("slowly"),
      ),
    );
    wire.resume();
    await until(() => reconnects === 1);
    await fast.publish("c", ORDERED, { payload: json("end") });
    await until(() => slowHears.offsets.at(-1) === 201);
    await until(() => fastHears.offsets.length === 201);
    const bounds = { limit: 1000, bytesMax: 10_000_000 };
    const { publications } = await slow.history("c", ORDERED, { after: 0, ...bounds });
    expect(publications.length).toBe(201);
  });

  test("an answer that does not come is a timeout, a late one is ignored, and a subscription that timed out is not left behind", async () => {
    const { endpoint } = await serve();
    const wire = await layWire(endpoint);
    atEnd(() => wire.close());
    const node = await joinAs(wire.endpoint, "n1", { requestMs: patience(200) });
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

  test("requests beyond requestsMax, are refused as busy, and one too large for a frame as internal", async () => {
    const { endpoint } = await serve();
    const node = await joinAs(endpoint, "n1", { requestsMax: 3, frameBytesMax: 100_000 });
    const codes = await Promise.all(Array.from({ length: 5 }, () => codeOf(node.probe())));
    expect(codes).toEqual(["none", "none", "none", "busy", "busy"]);
    expect(await codeOf(node.publish("c", ORDERED, { payload: bytes(200_000) }))).toBe("internal");
    expect((await node.publish("c", ORDERED, { payload: bytes(90_000) })).position.offset).toBe(1);
  });

  test("pages end where a frame would be too large, whatever was asked for, and the link stays", async () => {
    const { endpoint, events } = await serve({ frameBytesMax: 300_000 });
    const node = await joinAs(endpoint, "n1");
    for (let index = 0; index < 4; index++)
      await node.publish("c", ORDERED, { payload: bytes(90_000) });
    for (const bytesMax of [undefined, 1_000_000_000]) {
      const bounds = { limit: 4, ...(bytesMax === undefined ? {} : { bytesMax }) };
      const page = await node.history("c", ORDERED, bounds);
      expect([page.publications.length, page.more]).toEqual([1, true]);
    }
    expect(events.map(({ kind }) => kind)).toEqual(["joined"]);
  });

  test("what is sent in one turn together exceeds a frame and arrives whole, in order", async () => {
    const { endpoint } = await serve({ frameBytesMax: 400_000 });
    const node = await joinAs(endpoint, "n1", { frameBytesMax: 400_000 });
    const listener = recorder();
    await node.subscribe("c", ORDERED, listener);
    await Promise.all(
      Array.from({ length: 50 }, () => node.publish("c", ORDERED, { payload: bytes(50_000) })),
    );
    await until(() => listener.offsets.length === 50);
    expect(listener.offsets).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });
});

describe("what a link costs", () => {
  test("everything that is sent in one turn is one write", async () => {
    const heard: LinkMessage[] = [];
    const [path, writes] = [join(current().directory, "count.sock"), { count: 0 }];
    const receiving = createServer((socket) => {
      new LinkSocket({
        socket,
        clock: systemClock,
        limits: LINK_SOCKET_LIMITS,
        handlers: { message: (message) => heard.push(message), ended: () => {} },
      });
    });
    await new Promise<void>((resolve) => receiving.listen({ path }, resolve));
    atEnd(() => receiving.close());
    const socket = connect({ path });
    atEnd(() => socket.destroy());
    const write = socket.write.bind(socket);
    socket.write = (chunk: Uint8Array | string) => {
      writes.count += 1;
      return write(chunk);
    };
    const link = new LinkSocket({
      socket,
      clock: systemClock,
      limits: LINK_SOCKET_LIMITS,
      handlers: { message: () => {}, ended: () => {} },
    });
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
    const node = await connectLink({
      endpoint,
      nodeId: "n1",
      clock: systemClock,
      random: systemRandom,
      onBug: (error) => bugs.push(error),
    });
    atEnd(() => node.close());
    const broken = (): never => {
      throw new Error("broken listener");
    };
    const other = recorder();
    await node.subscribe("a", ORDERED, { publication: broken, removed: broken, presence: broken });
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
    const old = await connectLink({
      endpoint,
      nodeId: "old",
      clock: systemClock,
      random: systemRandom,
    });
    await old.presence.renew("old", 60_000);
    await old.presence.enter("room", { member: "ada", data: json(1) }, "old/1");
    const fresh = await joinAs(endpoint, "new");
    await fresh.presence.renew("new", 60_000);
    await fresh.presence.enter("room", { member: "ada", data: json(1) }, "new/1");
    // The old node learns last that the connection moved: what it then says must not count, and
    // must still be sent by close.
    void old.presence.leave("room", "ada", "old/1", 0).catch(() => {});
    void old.presence.enter("room", { member: "bob" }, "old/2").catch(() => {});
    await old.close();
    await until(() => listener.told.length === 2);
    expect(listener.told).toEqual(["join", "join"]);
    expect((await fresh.presence.members("room")).members.map(({ member }) => member)).toEqual([
      "ada",
      "bob",
    ]);
  });
});
