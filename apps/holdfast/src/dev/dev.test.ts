// Checks dev's edges: who may order a restart, ports in use, files that change.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeFigures } from "@holdfast/core";
import { demoContract } from "@holdfast/demo";
import { devPage, orderRestart } from "./page.ts";
import { claimPort, PortError } from "./ports.ts";
import { watchFile } from "./watch.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-dev-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

describe("an order to restart", () => {
  const own = {
    host: "localhost:8000",
    origin: "http://localhost:8000",
    "sec-fetch-site": "same-origin",
  };
  const table: readonly (readonly [string, string, Record<string, string>, number])[] = [
    ["of the page itself is taken", "POST", own, 202],
    ["of a program on this machine is taken", "POST", { host: "127.0.0.1:8000" }, 202],
    ["over IPv6 is taken", "POST", { host: "[::1]:8000", origin: "http://[::1]:8000" }, 202],
    ["of another page is refused", "POST", { ...own, origin: "http://evil.example" }, 403],
    [
      "of another port of this machine is refused",
      "POST",
      { ...own, origin: "http://localhost:3000" },
      403,
    ],
    ["of a page without an origin of its own is refused", "POST", { ...own, origin: "null" }, 403],
    [
      "that the browser calls cross-site is refused",
      "POST",
      { host: "localhost:8000", "sec-fetch-site": "cross-site" },
      403,
    ],
    [
      "under another name for this machine is refused",
      "POST",
      { host: "rebound.example:8000", origin: "http://rebound.example:8000" },
      403,
    ],
    ["by a link is refused", "GET", own, 405],
  ];
  for (const [name, method, headers, status] of table) {
    test(name, () => {
      let restarts = 0;
      const response = orderRestart(
        new Request("http://localhost:8000/dev/restart", { method, headers }),
        () => restarts++,
      );
      expect([response.status, restarts]).toEqual([status, status === 202 ? 1 : 0]);
    });
  }
  test("where other machines can reach the node is refused", () => {
    expect(
      orderRestart(
        new Request("http://localhost:8000/dev/restart", { method: "POST", headers: own }),
        undefined,
      ).status,
    ).toBe(403);
  });
});

describe("the nodes of a fleet", () => {
  const figures = (node: string, startedAtMs: number): NodeFigures => ({
    node,
    revision: "dev-1",
    state: "ready",
    startedAtMs,
    connections: 3,
    sessions: 2,
    handshakesPerSecond: 500,
    lagMs: 0,
    memoryBytes: 0,
    brokerOk: true,
  });
  const ask = async (known: () => readonly NodeFigures[]) => {
    const page = devPage({
      demo: false,
      live: false,
      contract: demoContract,
      nodes: 3,
      figures: known,
      restart: undefined,
    });
    const response = await page(new Request("http://localhost:8000/dev/nodes"));
    expect(response?.headers.get("cache-control")).toBe("no-store");
    return (await response?.json()) as readonly { node: string; slot: number }[];
  };

  test("are told in the order of their places, an old one before the one that follows it, with what people may see of them", async () => {
    const shown = await ask(() => [
      figures("node-c1", 10),
      figures("node-a10", 50),
      figures("node-a9", 10),
      figures("node-b1", 10),
    ]);
    expect(shown.map(({ node }) => node)).toEqual(["node-a9", "node-a10", "node-b1", "node-c1"]);
    expect(shown[2]).toEqual({
      node: "node-b1",
      slot: 1,
      revision: "dev-1",
      state: "ready",
      sessions: 2,
    } as never);
  });

  test("are told by a node that just started when it has heard of all", async () => {
    let asked = 0;
    const shown = await ask(() =>
      ["node-a1", "node-b1", "node-c1"].slice(0, ++asked).map((node) => figures(node, 10)),
    );
    expect(shown).toHaveLength(3);
  });
});

describe("ports", () => {
  const wish = { host: "127.0.0.1", variable: "HOLDFAST_PORT", flag: "--port", orAny: false };
  const occupied = async (run: (port: number) => Promise<void>) => {
    const server: Server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen({ host: "127.0.0.1", port: 0 }, () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    await run(port);
    server.close();
  };

  test("0 is any free one", async () => {
    expect(await claimPort({ ...wish, port: 0 })).toBeGreaterThan(1023);
  });
  test("one in use is refused with its number and the ways to choose another", () =>
    occupied(async (port) => {
      const error = await claimPort({ ...wish, port }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(PortError);
      for (const part of [String(port), "is in use", "HOLDFAST_PORT", "--port"])
        expect(String(error)).toContain(part);
    }));
  test("one in use that nobody asked for is replaced by any", () =>
    occupied(async (port) => {
      expect(await claimPort({ ...wish, port, orAny: true })).not.toBe(port);
    }));
  test("an address that is not this machine's is refused", async () => {
    const error = await claimPort({ ...wish, host: "203.0.113.1", port: 0 }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(PortError);
  });
});

describe("a watched file", () => {
  test("is told of once when an editor writes, and when one replaces it; not when nothing changed", async () => {
    const path = join(FOLDER, "holdfast.config.ts");
    writeFileSync(path, "one");
    let changes = 0;
    let wake = () => {};
    const change = () =>
      new Promise<void>((resolve) => {
        wake = resolve;
      });
    const watch = watchFile(
      path,
      () => {
        changes++;
        wake();
      },
      (error) => {
        throw error;
      },
    );
    // Its content before is read at once; the first event comes after that.
    await Bun.file(path).text();
    const first = change();
    writeFileSync(path, "two");
    writeFileSync(path, "three");
    await first;
    const second = change();
    writeFileSync(path, "three");
    writeFileSync(`${path}.tmp`, "four");
    renameSync(`${path}.tmp`, path);
    await second;
    expect(changes).toBe(2);
    watch.close();
  });
});
