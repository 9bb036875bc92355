import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { BrokerError } from "../ports.ts";

test("renewals of the lease are told: those that fail, and the one that came too late", async () => {
  let isCut = false;
  const { observed, advance } = await createEngineHarness({
    contract: { channels: { "chat:{room}": { presence: true } } },
    settings: { ...TEST_SETTINGS, timeouts: { ...TEST_SETTINGS.timeouts, presenceLeaseMs: 3_000 } },
    wrapBroker: (broker) => {
      const renew = broker.presence.renew.bind(broker.presence);
      broker.presence.renew = (nodeId, ttlMs) =>
        isCut ? Promise.reject(new BrokerError("unavailable", "cut")) : renew(nodeId, ttlMs);
      return broker;
    },
  });
  const told = (): Set<string> =>
    new Set(observed.splice(0).filter((line) => line.startsWith("leaseRenewed")));
  await advance(3_000);
  expect(told()).toEqual(new Set(["leaseRenewed ok"]));
  isCut = true;
  await advance(4_000);
  expect(told()).toEqual(new Set(["leaseRenewed failed"]));
  isCut = false;
  await advance(1_000);
  expect(told()).toContain("leaseRenewed late");
});

test("a member whose entry a node that stood still took over, and then ended, is entered again where it is", async () => {
  const node = await createEngineHarness({
    contract: { channels: { "chat:{room}": { presence: true } } },
    settings: TEST_SETTINGS,
  });
  const client = await node.connect();
  await client.send(
    { t: "enter", id: 2, ch: "chat:a", data: 1 },
    { t: "watch", id: 3, ch: "chat:a" },
  );
  await node.advance(100);
  const { members } = await node.broker.connect("elsewhere").presence.members("chat:a");
  expect(members).toHaveLength(1);
  const [member] = members;
  if (member === undefined) return;
  // What was read from the member's old connection before it moved is carried out late.
  const stalled = node.broker.connect("stalled").presence;
  await stalled.enter("chat:a", member, "stalled/1");
  await stalled.leave("chat:a", member.member, "stalled/1", 0);
  await node.advance(2_000);
  expect((await stalled.members("chat:a")).members).toMatchObject([{ member: member.member }]);
  // One that leaves by itself stays away.
  await client.send({ t: "leave", id: 4, ch: "chat:a" });
  await node.advance(5_000);
  expect((await stalled.members("chat:a")).members).toEqual([]);
  expect(node.bugs).toEqual([]);
});

test("members whom the broker ended because the lease ran out are entered again, also if nobody watches", async () => {
  let isCut = false;
  const node = await createEngineHarness({
    contract: { channels: { "chat:{room}": { presence: true } } },
    settings: { ...TEST_SETTINGS, timeouts: { ...TEST_SETTINGS.timeouts, presenceLeaseMs: 3_000 } },
    wrapBroker: (broker) => {
      const renew = broker.presence.renew.bind(broker.presence);
      broker.presence.renew = (nodeId, ttlMs) =>
        isCut ? Promise.reject(new BrokerError("unavailable", "cut")) : renew(nodeId, ttlMs);
      return broker;
    },
  });
  const client = await node.connect();
  await client.send({ t: "enter", id: 2, ch: "chat:a", data: 1 });
  isCut = true;
  await node.advance(5_000);
  expect(node.broker.figures().members).toBe(0);
  isCut = false;
  await node.advance(2_000);
  expect(node.broker.figures().members).toBe(1);
});
