// Owns: data that does not come out of a client's frame: what hooks and handlers made, what a back
// end publishes.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";

const channels: ContractDefinition["channels"] = {
  "chat:{room}": { permissions: { publish: "anyone" } },
};
const harness = (contract: Partial<ContractDefinition> = {}) =>
  createEngineHarness({ contract: { channels, ...contract }, settings: TEST_SETTINGS });
const only = <T extends ServerFrame["t"]>(frames: readonly ServerFrame<unknown>[], t: T) =>
  frames.find((frame) => frame.t === t) as Extract<ServerFrame<unknown>, { t: T }> | undefined;

test("data that the application made and no client could read is refused with its path", async () => {
  let made: unknown = { at: new Date(0) };
  const { connect, bugs } = await harness({
    rpc: { make: { allow: "anyone", handler: () => made } },
    hooks: { onPublish: () => ({ data: made }) },
  });
  const client = await connect();
  await client.send({ t: "publish", id: 900, ch: "chat:a", data: 1 });
  expect(only(await client.take(), "err")).toMatchObject({ name: "payload_invalid", path: "at" });
  await client.send({ t: "rpc", id: 2, m: "make" });
  expect(only(await client.take(), "err")).toMatchObject({ name: "rpc_failed" });
  expect(String(bugs[0])).toContain("found a Date at at");
  made = { list: [1, { a: null }] };
  await client.send({ t: "publish", id: 900, ch: "chat:a", data: 1 });
  expect(await client.take()).toMatchObject([{ t: "published" }]);
  await client.send({ t: "rpc", id: 3, m: "make" });
  expect(only(await client.take(), "ok")?.data).toEqual(made);
});

test("a back end's data is measured in bytes of UTF-8, as a client's is", async () => {
  const { engine } = await harness();
  const max = TEST_SETTINGS.limits.dataBytesMax;
  const text = (size: number) => JSON.stringify("\u6f22".repeat(size));
  const fits = { payload: { kind: "json", text: text(Math.floor((max - 2) / 3)) } } as const;
  expect(await engine.publish("chat:a", fits)).toMatchObject({ ok: true });
  const more = { payload: { kind: "json", text: text(Math.ceil((max - 1) / 3)) } } as const;
  expect(await engine.publish("chat:a", more)).toMatchObject({ code: "payload_too_large" });
});
