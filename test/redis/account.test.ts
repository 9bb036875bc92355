// Owns: that the documented account has the rights that are used, no others, and that a node says
// which one is missing.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { RIGHTS } from "@holdfast/broker-redis";
import type { StreamOptions } from "@holdfast/contract";
import { startNode } from "../integration/start-node.ts";
import { documentedRules, grantDocumented } from "./account.ts";
import { openBroker, QUICK } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

setDefaultTimeout(40_000);

const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };
/** Not needed on one server with database 0; and one whose lack harms nobody. */
const NOT_ASKED = new Set(["cluster|slots", "asking", "select", "sunsubscribe"]);

const server = await startServer();
afterAll(() => stopServers([server]));

const refusalOf = (call: Promise<unknown>): Promise<{ code: string; message: string }> =>
  call.then(
    () => ({ code: "none", message: "" }),
    (error: { code: string; message: string }) => error,
  );

test("the page lists the rights that the code asks for", () => {
  const granted = documentedRules().filter((rule) => rule.startsWith("+"));
  expect(granted.map((rule) => rule.slice(1))).toEqual([...RIGHTS]);
});

test("without any one of them a node does not start, at once, and says what the account lacks", async () => {
  for (const right of RIGHTS) {
    if (NOT_ASKED.has(right)) continue;
    const url = await grantDocumented(server.url, [server], [`-${right}`]);
    // One that waited for the server to come would wait longer than this test may take.
    const refusal = await refusalOf(openBroker(url, QUICK, 120_000));
    expect([right, refusal.code]).toEqual([right, "refused"]);
    expect(refusal.message).toMatch(/lacks/);
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
