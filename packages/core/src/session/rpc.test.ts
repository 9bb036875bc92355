import { expect, test } from "bun:test";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import { CallSignal } from "./call-signal.ts";

const { rpcMs } = TEST_SETTINGS.timeouts;
const { rpcsInFlightMax } = TEST_SETTINGS.limits;

async function start() {
  const aborted: string[] = [];
  const answers: ((value?: number) => void)[] = [];
  const contract = {
    channels: {},
    rpc: {
      none: { allow: "anyone", handler: () => undefined },
      slow: {
        allow: "anyone",
        handler: (
          _data: unknown,
          { signal }: { signal: { addEventListener: CallSignal["addEventListener"] } },
        ) => {
          signal.addEventListener("abort", () => aborted.push("slow"));
          return new Promise((resolve) => answers.push(resolve));
        },
      },
    },
  } as const;
  const node = await createEngineHarness({ contract: contract as never, settings: TEST_SETTINGS });
  const client = await node.connect();
  return { ...node, client, aborted, answers };
}
const told = async (client: HandClient) =>
  (await client.take()).map((frame) =>
    frame.t === "err" ? `${frame.id} ${frame.name}` : "id" in frame ? `${frame.id} ${frame.t}` : "",
  );

test("a call ends at its own time, which may be shorter than the node's, not longer", async () => {
  const { client, advance, clock, aborted, observed } = await start();
  const waiting = clock.waiting();
  await client.send(
    { t: "rpc", id: 2, m: "slow", timeoutMs: 1000 },
    { t: "rpc", id: 3, m: "slow", timeoutMs: 2 * rpcMs },
    { t: "rpc", id: 4, m: "slow" },
  );
  await advance(995);
  expect(await told(client)).toEqual([]);
  await advance(5);
  expect(await told(client)).toEqual(["2 rpc_timeout"]);
  expect(aborted).toHaveLength(1);
  await advance(rpcMs - 1005);
  expect(await told(client)).toEqual([]);
  await advance(5);
  expect(await told(client)).toEqual(["3 rpc_timeout", "4 rpc_timeout"]);
  expect(observed.filter((line) => line.startsWith("rpc"))).toEqual([
    "rpc slow rpc_timeout 1000",
    `rpc slow rpc_timeout ${rpcMs}`,
    `rpc slow rpc_timeout ${rpcMs}`,
  ]);
  expect(clock.waiting()).toBeLessThanOrEqual(waiting);
});

test("as many calls are in flight as the limit says, each with its own id, until they end", async () => {
  const { client, answers, settle } = await start();
  for (let id = 2; id < 2 + rpcsInFlightMax; id++) await client.send({ t: "rpc", id, m: "slow" });
  expect(await told(client)).toEqual([]);
  await client.send({ t: "rpc", id: 20, m: "none" });
  expect(await told(client)).toEqual(["20 rpc_limit"]);
  answers[0]?.(1);
  await settle();
  expect(await told(client)).toEqual(["2 ok"]);
  await client.send({ t: "rpc", id: 21, m: "unheard" });
  expect(await told(client)).toEqual(["21 rpc_unknown"]);
  await client.send({ t: "rpc", id: 22, m: "none" });
  expect(await client.take()).toEqual([{ t: "ok", id: 22 }]);
});

test("a call that its caller cancels ends at once, and its handler hears it once", async () => {
  const { client, aborted, answers, settle } = await start();
  await client.send({ t: "rpc", id: 2, m: "slow" });
  await client.send({ t: "cancel", id: 2 });
  expect(await told(client)).toEqual(["2 rpc_cancelled"]);
  answers[0]?.(1);
  await settle();
  await client.send({ t: "cancel", id: 2 });
  expect(await told(client)).toEqual([]);
  expect(aborted).toEqual(["slow"]);
});

test("who listens to a signal that was given already hears it at once", async () => {
  const signal = new CallSignal();
  let heard = 0;
  const hear = () => {
    heard += 1;
  };
  signal.addEventListener("abort", hear);
  expect([signal.aborted, heard]).toEqual([false, 0]);
  signal.end("rpc_timeout");
  signal.end("rpc_cancelled");
  expect([signal.aborted, heard]).toEqual([true, 1]);
  signal.addEventListener("abort", hear);
  expect(heard).toBe(2);
  expect(await signal.ended).toBe("rpc_timeout");
});
