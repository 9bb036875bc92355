// Owns: servers that misbehave on purpose: the generator must find it, and count it right.
import { describe, expect, test } from "bun:test";
import { fanout, type LoadPlan, ping, runLoad } from "@holdfast/load";
import { smallBasics } from "./plans.ts";
import { type Faults, startPlainServer } from "./servers/plain.ts";

const READERS = 10;

async function underFaults(faults: Faults) {
  const server = startPlainServer(faults);
  try {
    const plan = fanout(smallBasics("ws", server.url, { connections: READERS }), {
      publishers: 1,
      publishesPerSecond: 200,
    });
    const { total, lost } = await runLoad({ ...plan, settleMsMax: 200 });
    return { ...total.counts, lost };
  } finally {
    server.stop();
  }
}

describe("what a server does wrong is found", () => {
  test("nothing wrong: nothing found", async () => {
    const { sent, delivered, lost, duplicated, outOfOrder } = await underFaults({});
    expect({ delivered, lost, duplicated, outOfOrder }).toEqual({
      delivered: sent * READERS,
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
    });
  });
  test("every tenth is swallowed: each subscriber misses it", async () => {
    const { sent, lost, duplicated, delivered } = await underFaults({ loses: 10 });
    expect(lost).toBe(Math.floor(sent / 10) * READERS);
    expect(delivered).toBe(sent * READERS - lost);
    expect(duplicated).toBe(0);
  });
  test("every tenth comes twice", async () => {
    const { sent, lost, duplicated, delivered } = await underFaults({ doubles: 10 });
    expect(duplicated).toBe(Math.floor(sent / 10) * READERS);
    expect({ lost, delivered }).toEqual({ lost: 0, delivered: sent * READERS });
  });
  test("every tenth is held back behind the next", async () => {
    const { sent, lost, duplicated, outOfOrder } = await underFaults({ swaps: 10 });
    // The last one may still be held when the load ends.
    const swapped = Math.floor(sent / 10);
    expect([swapped, swapped - 1]).toContain(outOfOrder / READERS);
    expect(lost / READERS).toBe(swapped - outOfOrder / READERS);
    expect(duplicated).toBe(0);
  });
});

/** A server that answers nothing for a while, from its so many-th message on. */
function startStallingServer(from: number, stallMs: number) {
  let isStalling = false;
  let messages = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      message: (socket, message) => {
        messages += 1;
        if (messages === from) stall();
        if (!isStalling) return void socket.send(message);
        held.push(() => socket.send(message));
      },
    },
  });
  const held: (() => void)[] = [];
  const stall = () => {
    isStalling = true;
    setTimeout(() => {
      isStalling = false;
      for (const answer of held) answer();
    }, stallMs);
  };
  return {
    url: `ws://127.0.0.1:${server.port}`,
    stop: () => server.stop(true),
  };
}

test("a pause of the server delays everyone who was due in it, not only who happened to be waiting", async () => {
  const server = startStallingServer(40, 400);
  const plan: LoadPlan = ping(
    smallBasics("ws", server.url, { connections: 5, workers: 1, ms: 1_000, think: "steady" }),
    {
      pingsPerSecond: 200,
    },
  );
  try {
    const { total } = await runLoad(plan);
    const times = total.times.ping;
    // 400 of 1,000 ms at 200 a second: about 80 requests fall into the pause and wait 200 ms on
    // average. A generator that waits for answers would see 5.
    const p80 = times?.curve.find(([percentile]) => percentile === 80)?.[1] ?? 0;
    expect(times?.count).toBeGreaterThan(150);
    expect(p80).toBeGreaterThan(100_000);
  } finally {
    server.stop();
  }
});

test("a connection that the server closes is an error with its code, and comes back", async () => {
  let closed = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      message: (socket, message) => {
        if (closed++ === 5) socket.close(4321, "enough");
        else socket.send(message);
      },
    },
  });
  try {
    const { total, phases } = await runLoad(
      ping(smallBasics("ws", `ws://127.0.0.1:${server.port}`, { connections: 4, ms: 1_500 }), {
        pingsPerSecond: 50,
      }),
    );
    expect(total.errors).toMatchObject({ close_4321: 1 });
    // On a busy machine more than one ping of the connection may wait for its answer.
    expect(total.errors.answer_lost).toBeGreaterThanOrEqual(1);
    expect(total.counts.lostConnections).toBe(1);
    expect(phases.at(-1)?.connected).toBe(4);
  } finally {
    server.stop(true);
  }
});
