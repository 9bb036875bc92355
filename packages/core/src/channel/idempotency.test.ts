import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HarnessOptions, TEST_SETTINGS } from "@holdfast/testkit";

const contract: ContractDefinition = {
  channels: {
    "chat:{room}": {
      permissions: { subscribe: "anyone", publish: "anyone" },
      history: { size: 200, ttlMs: 60_000 },
    },
  },
};
const harness = (options: Partial<HarnessOptions> = {}) =>
  createEngineHarness({ contract, settings: TEST_SETTINGS, ...options });
const only = <T extends ServerFrame["t"]>(frames: readonly ServerFrame<unknown>[], t: T) =>
  frames.find((frame) => frame.t === t) as Extract<ServerFrame<unknown>, { t: T }> | undefined;
const idem = (id: number, key: string) =>
  ({ t: "publish", id, ch: "chat:a", idem: key, data: 1 }) as const;

test("the same idempotency key publishes once, also from another session of the same user", async () => {
  const tokens = { ada: { user: "ada" }, bob: { user: "bob" }, "d:3": { user: "a:3" } };
  const { connect } = await harness({ tokens });
  const answered = async (frame: { token?: string }, key: string) => {
    const client = await connect(frame);
    await client.send(idem(2, key));
    return only(await client.take(), "published");
  };
  expect(await answered({ token: "ada" }, "k")).toMatchObject({ o: 1 });
  expect(await answered({ token: "ada" }, "k")).toMatchObject({ o: 1, dup: true });
  // Nobody else's key is the same one, whatever the others are called.
  for (const [frame, key] of [
    [{ token: "bob" }, "k"],
    [{ token: "d:3" }, "k"],
    [{ token: "bob" }, "3:ada:k"],
    [{}, "k"],
    [{}, "u:3:ada:k"],
  ] as const)
    expect((await answered(frame, key))?.dup).toBeUndefined();
});

test("an anonymous session's idempotency keys are its own, and go with it to its next connection", async () => {
  const { open, connect } = await harness();
  const first = open();
  await first.send({ t: "connect", id: 1 }, idem(2, "k"), idem(3, "k"));
  const frames = await first.take();
  expect(frames.filter(({ t }) => t === "published")).toMatchObject([
    { id: 2, o: 1 },
    { id: 3, o: 1, dup: true },
  ]);
  const other = await connect();
  await other.send(idem(2, "k"));
  expect(only(await other.take(), "published")?.dup).toBeUndefined();
  const again = await connect({ resume: only(frames, "connected")?.resume ?? "" });
  await again.send(idem(2, "k"));
  expect(only(await again.take(), "published")).toMatchObject({ o: 1, dup: true });
});
