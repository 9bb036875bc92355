// Owns: that the documented account has the rights that are used, no others, and that a node says
// which one is missing.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { RIGHTS } from "@holdfast/broker-redis";
import type { StreamOptions } from "@holdfast/contract";
import { startNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { documentedRules, grantDocumented } from "./account.ts";
import { openBroker, QUICK } from "./harness.ts";
import { startCluster, startServer, stopServers, within } from "./servers.ts";

setDefaultTimeout(patience(40_000));

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };
/** Needed in a cluster only. */
const CLUSTERED = ["asking", "cluster|slots"];
/** Needed on one server whose database is not 0. */
const NEEDED = RIGHTS.filter((right) => !CLUSTERED.includes(right));

const server = await startServer();
afterAll(() => stopServers([server]));

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly lacks: readonly string[];
}

const refusalOf = (call: Promise<unknown>): Promise<Refusal> =>
  call.then(
    () => ({ code: "none", message: "", lacks: [] }),
    (error: Refusal) => error,
  );

test("the page lists the rights that the code asks for", () => {
  const granted = documentedRules().filter((rule) => rule.startsWith("+"));
  expect(granted.map((rule) => rule.slice(1))).toEqual([...RIGHTS]);
});

test("without any one of them a node does not start, at once, and says what the account lacks", async () => {
  for (const right of NEEDED) {
    const url = await grantDocumented(`${server.url}/3`, [server], [`-${right}`]);
    // One that waited for the server to come would wait longer than this test may take.
    const refusal = await refusalOf(openBroker(url, QUICK, 120_000));
    expect([right, refusal.code]).toEqual([right, "refused"]);
    // The client library selects the database itself while it connects, and says less.
    if (right === "select") expect(refusal.message).toMatch(/lacks a right/);
    else expect([right, refusal.lacks]).toEqual([right, [right]]);
  }
});

for (const flavour of ["redis", "valkey"] as const) {
  test(`a right that is taken away while a node of ${flavour} runs is missed by its next probe`, async () => {
    const server = await startServer({ flavour });
    const broker = await openBroker(await grantDocumented(`${server.url}/3`, [server]));
    try {
      for (const right of NEEDED) {
        await broker.probe();
        await server.ask("ACL", "SETUSER", "holdfast", `-${right}`);
        const { code, lacks } = await refusalOf(broker.probe());
        expect([right, code, lacks]).toEqual([right, "refused", [right]]);
        await server.ask("ACL", "SETUSER", "holdfast", `+${right}`);
      }
      await broker.probe();
      const left = "redis.call('SELECT', 3) return redis.call('KEYS', '*rights*')";
      expect(await server.ask("EVAL", left, "0")).toEqual([]);
    } finally {
      await broker.close();
      await stopServers([server]);
    }
  });
}

test("in a cluster every primary is asked for the rights, those of a cluster among them", async () => {
  const cluster = await startCluster({ replicas: false });
  const broker = await openBroker(await grantDocumented(cluster.url, cluster.servers));
  try {
    for (const primary of cluster.servers) {
      for (const right of [...CLUSTERED, "del", "sunsubscribe"]) {
        await broker.probe();
        await primary.ask("ACL", "SETUSER", "holdfast", `-${right}`);
        const { code, lacks } = await refusalOf(broker.probe());
        expect([primary.port, code, lacks]).toEqual([primary.port, "refused", [right]]);
        await primary.ask("ACL", "SETUSER", "holdfast", `+${right}`);
      }
    }
    await broker.probe();
  } finally {
    await broker.close();
    await cluster.stop();
  }
});

test("a node whose account loses DEL, EXISTS or ZADD is not ready, and /readyz names the right", async () => {
  const url = await grantDocumented(server.url, [server]);
  const { node, internalUrl } = await startNode({ env: { HOLDFAST_BROKER_URL: url } });
  try {
    const ready = () => fetch(`${internalUrl}/readyz`);
    for (const right of ["del", "exists", "zadd"]) {
      await within(10_000, "ready", async () => (await ready()).status === 200);
      await server.ask("ACL", "SETUSER", "holdfast", `-${right}`);
      await within(10_000, "not ready", async () => (await ready()).status === 503);
      expect(await (await ready()).text()).toContain(`lacks the right to run ${right}"`);
      await server.ask("ACL", "SETUSER", "holdfast", `+${right}`);
    }
  } finally {
    await node.stop();
  }
});

test("the start of a node without a right, or with a wrong password, says so", async () => {
  const url = await grantDocumented(server.url, [server], ["-xadd", "-pexpire"]);
  const start = (brokerUrl: string) => startNode({ env: { HOLDFAST_BROKER_URL: brokerUrl } });
  const lacking = await refusalOf(start(url));
  expect(lacking).toMatchObject({ code: "broker_unsuitable" });
  expect(lacking.message).toMatch(/lacks the right to run pexpire, xadd$/);
  const wrong = await refusalOf(start(url.replace("documented", "other")));
  expect(wrong).toMatchObject({ code: "broker_unsuitable" });
  expect(wrong.message).toMatch(/password is wrong \(WRONGPASS\)$/);
  const keys = await grantDocumented(server.url, [server], ["resetkeys", "~other:*"]);
  expect((await refusalOf(start(keys))).message).toMatch(/lacks/);
});

test("a password that is changed while a node runs: calls are refused as such when it comes back", async () => {
  const url = await grantDocumented(server.url, [server]);
  const broker = await openBroker(`${url}?prefix=hf:`);
  try {
    await server.ask("ACL", "SETUSER", "holdfast", "resetpass", ">new");
    await server.ask("CLIENT", "KILL", "USER", "holdfast");
    let code = "none";
    for (let tries = 0; tries < 200 && code !== "refused"; tries++) {
      await Bun.sleep(20);
      const payload = { kind: "json", text: "1" } as const;
      code = (await refusalOf(broker.publish("c", ORDERED, { payload }))).code;
    }
    expect(code).toBe("refused");
    expect((await refusalOf(broker.probe())).code).toBe("refused");
  } finally {
    await broker.close();
  }
});
