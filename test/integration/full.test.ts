import { expect, setDefaultTimeout, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { patience } from "../patience.ts";
import { startNode, until } from "./start-node.ts";

setDefaultTimeout(patience(60_000));

test("a full node stays ready, tells each client when to come back, and takes it when there is room", async () => {
  const { node, url, internalUrl, bugs } = await startNode({
    env: {
      HOLDFAST_LIMITS_CONNECTIONS_MAX: "2",
      HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "2",
      HOLDFAST_LIMITS_CONNECTIONS_PER_USER_MAX: "2",
      HOLDFAST_LIMITS_HANDSHAKES_IN_FLIGHT_MAX: "2",
    },
  });
  const ready = async (): Promise<object> => {
    const response = await fetch(`${internalUrl}/readyz`);
    return { status: response.status, ...((await response.json()) as object) };
  };
  const clients = [new Holdfast(url), new Holdfast(url)];
  try {
    await until("both are connected", () => clients.every(({ state }) => state === "connected"));
    const waits: number[] = [];
    const late = Array.from({ length: 3 }, () => {
      const client = new Holdfast(url);
      client.on("error", (error) => {
        expect(error).toMatchObject({ code: "try_later" });
        waits.push((error as { retryAfterMs?: number }).retryAfterMs ?? 0);
      });
      clients.push(client);
      return client;
    });
    await until("each was refused", () => waits.length >= late.length);
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(900);
    expect(await ready()).toEqual({ status: 200, ready: true, state: "ready", reasons: [] });
    expect(node.info().connections).toBe(2);
    for (const client of clients.slice(0, 2)) await client.close();
    await until(
      "two of those that wait are connected",
      () => late.filter(({ state }) => state === "connected").length === 2,
      30_000,
    );
    expect(bugs).toEqual([]);
  } finally {
    for (const client of clients) await client.close();
    await node.stop();
  }
});
