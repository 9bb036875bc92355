// Owns: tests of the simulated network: what TCP guarantees, and what it does not.
import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/core";
import fc from "fast-check";
import type { End } from "./connection.ts";
import { EventLoop } from "./event-loop.ts";
import { type Dialled, Network } from "./network.ts";

/** A client and a server with one connection; what each was told, with times left out. */
function connected(
  options: {
    seed?: number;
    latencyMs?: number;
    jitterMs?: number;
    bytesPerMs?: number;
    hardLimitBytes?: number;
  } = {},
) {
  const loop = new EventLoop({ settle: drainMicrotasks });
  const settings = {
    latencyMs: 5,
    jitterMs: 20,
    bytesPerMs: 100,
    hardLimitBytes: 10_000,
    ...options,
  };
  const network = new Network({ loop, random: createSeededRandom(options.seed ?? 1), settings });
  const [clientProcess, serverProcess] = [loop.process("client"), loop.process("server")];
  const told = { client: [] as string[], server: [] as string[] };
  const note = (side: "client" | "server") => ({
    message: (message: string | Uint8Array) => void told[side].push(String(message)),
    closed: (code: number, reason: string) =>
      void told[side].push(`closed ${code} ${reason}`.trimEnd()),
    drained: () => void told[side].push("drained"),
  });
  let server: End | undefined;
  network.listen(
    "server",
    {
      process: serverProcess,
      accept: (end) => {
        server = end;
        return note("server");
      },
    },
    0,
  );
  let client: Dialled | undefined;
  clientProcess.at(1, () => {
    client = network.dial(clientProcess, "holdfast.v1", {
      opened: () => told.client.push("opened"),
      ...note("client"),
    });
  });
  loop.run(200 + 5 * settings.jitterMs);
  const [connection] = network.connections;
  if (client === undefined || server === undefined || connection === undefined)
    throw new Error("not connected");
  return { loop, network, client, server, connection, told };
}

describe("simulated network", () => {
  test("messages arrive in the order in which they were sent, whatever the jitter and their sizes", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 40 }),
        (seed, sizes) => {
          const { loop, client, told } = connected({ seed, jitterMs: 500, hardLimitBytes: 1e9 });
          for (const [index, size] of sizes.entries()) client.send(`${index} `.padEnd(size, "x"));
          loop.run(60_000);
          expect(told.server.map((message) => Number.parseInt(message, 10))).toEqual([
            ...sizes.keys(),
          ]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("what is behind a stalled wire waits, is counted, and is told when it has left", () => {
    const { loop, server, connection, told } = connected();
    connection.stall(server, 1000);
    expect(server.send("a".repeat(300))).toBe("queued");
    expect(server.send("b")).toBe("queued");
    expect(server.out.queuedBytes).toBe(301);
    loop.run(900);
    expect(told.client).toEqual(["opened"]);
    loop.run(3000);
    expect(told.client).toEqual(["opened", "a".repeat(300), "b"]);
    expect([server.out.queuedBytes, told.server]).toEqual([0, ["drained"]]);
  });

  test("a server that queues more than its limit is cut off", () => {
    const { loop, server, connection, told } = connected({ hardLimitBytes: 100 });
    connection.stall(server, 1000);
    expect(server.send("a".repeat(90))).toBe("queued");
    expect(server.send("b".repeat(20))).toBe("closed");
    loop.run(5000);
    expect(told.server).toEqual(["closed 1006"]);
    expect(told.client).toEqual(["opened", "closed 1006"]);
  });

  test("a close arrives behind everything that was sent before it", () => {
    const { loop, server, told } = connected();
    server.send("a".repeat(800));
    server.close(4001, "later");
    expect(server.send("b")).toBe("closed");
    loop.run(5000);
    expect(told.client).toEqual(["opened", "a".repeat(800), "closed 4001 later"]);
    expect(told.server).toEqual(["closed 4001 later"]);
  });

  test("a broken connection delivers a beginning of what was sent and never a hole", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 100 }), (seed, breakAfterMs) => {
        const { loop, client, connection, told } = connected({ seed });
        for (let index = 0; index < 30; index++)
          loop.process("pace").at(index * 3, () => client.send(`${index}`));
        loop
          .process("fate")
          .at(breakAfterMs, () => connection.break({ clientMs: 50, serverMs: 500 }));
        loop.run(10_000);
        const arrived = told.server.slice(0, -1);
        expect(arrived).toEqual(arrived.map((_, index) => `${index}`));
        expect([told.server.at(-1), told.client.at(-1)]).toEqual(["closed 1006", "closed 1006"]);
      }),
      { numRuns: 50 },
    );
  });

  test("a half-open side hears nothing and its queue grows", () => {
    const { loop, server, client, connection, told } = connected();
    connection.break({ clientMs: 10, serverMs: "never" });
    loop.run(1000);
    expect(server.send("into the void")).toBe("queued");
    client.send("nobody sends this");
    loop.run(60_000);
    expect(told).toEqual({ client: ["opened", "closed 1006"], server: [] });
  });

  test("a lost listener refuses newcomers or leaves them waiting, and the balancer forgets it", () => {
    for (const how of ["refuses", "silent"] as const) {
      const { loop, network, told } = connected();
      network.lose("server", how, 5000);
      loop.run(1000);
      expect(told.client).toEqual(how === "refuses" ? ["opened", "closed 1006"] : ["opened"]);
      const states: string[] = [];
      const handlers = {
        opened: () => states.push("opened"),
        message() {},
        closed: (code: number) => states.push(`closed ${code}`),
      };
      network.dial(loop.process("another"), "holdfast.v1", handlers);
      loop.run(3000);
      expect(states).toEqual(how === "refuses" ? ["closed 1006"] : []);
      loop.run(6000);
      network.dial(loop.process("late"), "holdfast.v1", handlers);
      loop.run(9000);
      expect(states).toEqual(how === "refuses" ? ["closed 1006", "closed 1006"] : ["closed 1006"]);
    }
  });
});
